"""Gradient clipping, between backward and the optimizer's step."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from handloom.nn.layer import Parameter
from handloom.optim._ranges import in_range


def global_norm(params: Mapping[str, Parameter]) -> float:
    """√(Σ g²) over all gradients together; inf or nan if one of them is not finite."""
    grads = [param.grad for param in params.values()]
    squares = sum(float(np.vdot(grad, grad)) for grad in grads)
    if math.isinf(squares):  # float32 squares end at 3e38: what overflowed may still be finite
        wide = [grad.astype(np.float64) for grad in grads]
        squares = sum(float(np.vdot(grad, grad)) for grad in wide)
    return math.sqrt(squares)


def clip_by_norm(params: Mapping[str, Parameter], max_norm: float) -> float:
    """Scale all gradients by one factor, in place, so that their joint norm is at most `max_norm`.

        g <- g · min(1, max_norm / (norm + 1e-6))

    Returns the norm before clipping. One that is not finite is returned and nothing is scaled: no
    factor mends a gradient that holds inf or nan. Raises ConfigError unless max_norm > 0.
    Source: Pascanu et al. 2013, algorithm 1, with the 1e-6 of PyTorch's clip_grad_norm_.
    """
    in_range("max_norm", max_norm, "(0, ∞)")
    norm = global_norm(params)
    factor = float(max_norm) / (norm + 1e-6)
    if math.isfinite(norm) and factor < 1.0:
        for param in params.values():
            grad = param.grad
            grad *= factor
    return norm


def clip_by_value(params: Mapping[str, Parameter], max_value: float) -> None:
    """Cut every entry of every gradient to [-max_value, max_value], in place.

    Raises ConfigError unless max_value > 0.
    """
    in_range("max_value", max_value, "(0, ∞)")
    for param in params.values():
        np.clip(param.grad, -max_value, max_value, out=param.grad)
