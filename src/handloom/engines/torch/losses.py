"""Losses as PyTorch computes them; a loss that it is not told of runs in NumPy inside the step."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch.nn import functional

from handloom import nn
from handloom._registry import Registry
from handloom.engines.base import Loss

DeviceLoss = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(outputs (N, K), labels (N,) or targets (N, K)) -> mean loss (), with a gradient."""
Maker = Callable[..., DeviceLoss]
Made = TypeVar("Made", bound=Maker)

MAKERS: Registry[Maker] = Registry("PyTorch", "handloom.engines.torch.register_loss")
"""Maker by the function of `nn/` or of the user's that it stands for."""


def register_loss(function: Callable[..., Any]) -> Callable[[Made], Made]:
    """Make the decorated maker the one for the loss `function`.

    A maker takes the function's settings by their names, and gives a DeviceLoss.
    """
    return MAKERS.register(function)  # type: ignore[return-value]


def loss_of(loss: Loss) -> tuple[DeviceLoss, bool]:
    """The loss on a device, and whether it stays there: one in NumPy takes numbers to the CPU."""
    function: Callable[..., Any] = loss
    settings: dict[str, Any] = {}
    if isinstance(loss, partial) and not loss.args:
        function, settings = loss.func, dict(loss.keywords)
    try:
        maker = MAKERS.form_of(function)
    except TypeError:  # a callable object without a hash
        maker = None
    if maker is None:
        return partial(_in_numpy, loss), False
    return maker(**settings), True


# -- those of nn/ ---------------------------------------------------------------------------------


@register_loss(nn.cross_entropy)
def _cross_entropy(*, label_smoothing: float = 0.0, class_weights: Any = None) -> DeviceLoss:
    weights = _Weights(class_weights)
    _refuse(nn.cross_entropy, class_weights, label_smoothing=label_smoothing)

    def cross_entropy(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        w = weights.like(logits)
        loss = partial(functional.cross_entropy, label_smoothing=label_smoothing)
        if w is None or labels.ndim == 2:  # PyTorch divides by N, which is not 0
            return loss(logits, labels, w)
        return loss(logits, labels, w, reduction="sum") / _divisor(w, labels)

    return cross_entropy


@register_loss(nn.nll)
def _nll(*, class_weights: Any = None) -> DeviceLoss:
    weights = _Weights(class_weights)
    _refuse(nn.nll, class_weights)

    def nll(log_probabilities: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        w = weights.like(log_probabilities)
        if w is None:
            return functional.nll_loss(log_probabilities, labels)
        return functional.nll_loss(log_probabilities, labels, w, reduction="sum") / _divisor(
            w, labels
        )

    return nll


@register_loss(nn.mse)
def _mse() -> DeviceLoss:
    def mse(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if targets.ndim == 1:
            targets = functional.one_hot(targets, outputs.shape[1])
        return functional.mse_loss(outputs, targets.to(outputs.dtype))

    return mse


def _divisor(weights: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Σ w[label], infinity where that is 0: loss and gradient are 0 then, and not 0 / 0."""
    total = weights[labels].sum()
    return total.masked_fill(total == 0, math.inf)


def _refuse(loss: Loss, class_weights: Any, **settings: Any) -> None:
    """Raise what the textbook raises for settings that cannot be: PyTorch would not notice."""
    classes = 2 if class_weights is None else len(class_weights)
    loss(np.eye(classes), np.arange(classes), class_weights=class_weights, **settings)  # type: ignore[call-arg]


class _Weights:
    """Class weights (C,), brought once to the device and kind of the outputs."""

    def __init__(self, weights: Any) -> None:
        self._weights = None if weights is None else torch.as_tensor(np.asarray(weights))

    def like(self, outputs: torch.Tensor) -> torch.Tensor | None:
        if self._weights is not None:
            self._weights = self._weights.to(outputs)
        return self._weights


# -- any other ------------------------------------------------------------------------------------


class _Given(torch.autograd.Function):
    """A value with a gradient that is known already."""

    @staticmethod
    def forward(
        ctx: Any, outputs: torch.Tensor, value: float, gradient: torch.Tensor
    ) -> torch.Tensor:
        ctx.save_for_backward(gradient)
        return outputs.new_tensor(value)

    @staticmethod
    def backward(ctx: Any, dvalue: torch.Tensor) -> tuple[torch.Tensor, None, None]:  # type: ignore[override]
        (gradient,) = ctx.saved_tensors
        return gradient * dvalue, None, None


def _in_numpy(loss: Loss, outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """The loss as it is written, for who does not mind the way to the CPU and back."""
    value, gradient = loss(outputs.detach().cpu().numpy(), labels.cpu().numpy())
    return _Given.apply(
        outputs, value, torch.from_numpy(np.ascontiguousarray(gradient)).to(outputs)
    )
