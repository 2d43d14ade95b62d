"""Adam: momentum and RMSprop at once, with both averages freed of their zero start."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from handloom._typing import FloatArray
from handloom.errors import ConfigError
from handloom.nn.layer import Parameter
from handloom.optim._ranges import in_range
from handloom.optim.lookahead import Lookahead
from handloom.optim.optimizer import Optimizer, Slots
from handloom.optim.schedules import Schedule
from handloom.optim.weight_decay import WeightDecay


class Adam(Optimizer):
    """Adaptive moment estimation; betas = (β₁, β₂), both in [0, 1), eps in (0, ∞).

        m <- β₁ m + (1 - β₁) g          m̂ = m / (1 - β₁ᵗ)
        v <- β₂ v + (1 - β₂) g²         v̂ = v / (1 - β₂ᵗ)        t = 1 at the first update
        w <- w - lr · m̂ / (√v̂ + eps)

    Source: Kingma & Ba 2015, algorithm 1.
    """

    def __init__(
        self,
        params: Mapping[str, Parameter],
        lr: float | Schedule,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float | WeightDecay = 0.0,
        lookahead: Lookahead | None = None,
    ) -> None:
        super().__init__(params, lr, weight_decay=weight_decay, lookahead=lookahead)
        self.betas = _pair(betas)
        self.eps = in_range("eps", eps, "(0, ∞)")

    def init_slots(self, param: Parameter) -> Slots:
        """`first_moment` m and `second_moment` v, the shape of the parameter."""
        return {
            "first_moment": np.zeros_like(param.value),
            "second_moment": np.zeros_like(param.value),
        }

    def update(self, param: Parameter, grad: FloatArray, slots: Slots, lr: float) -> None:
        """The formula of the class, in place."""
        m, v = slots["first_moment"], slots["second_moment"]
        beta1, beta2 = self.betas
        t = self.steps + 1
        m *= beta1
        m += (1.0 - beta1) * grad
        v *= beta2
        square = np.square(grad, out=np.empty_like(grad))  # `out` keeps an array where grad is ()
        square *= 1.0 - beta2
        v += square
        root = np.sqrt(v, out=square)
        root /= math.sqrt(1.0 - beta2**t)
        root += self.eps
        change = np.divide(m, root, out=root)
        change *= lr / (1.0 - beta1**t)
        param.value -= change


def _pair(betas: tuple[float, float]) -> tuple[float, float]:
    try:
        beta1, beta2 = betas
    except (TypeError, ValueError):
        raise ConfigError(f"betas have to be two numbers in [0, 1), got {betas!r}") from None
    return in_range("betas[0]", beta1, "[0, 1)"), in_range("betas[1]", beta2, "[0, 1)")
