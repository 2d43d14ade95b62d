"""Momentum: a heavy ball that keeps rolling where gradients agree."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from handloom._typing import FloatArray
from handloom.nn.layer import Parameter
from handloom.optim._ranges import in_range
from handloom.optim.lookahead import Lookahead
from handloom.optim.optimizer import Optimizer, Slots
from handloom.optim.schedules import Schedule
from handloom.optim.weight_decay import WeightDecay


class Momentum(Optimizer):
    """Gradient descent with a velocity v, zero at first; momentum μ in [0, 1).

        v <- μ v + g
        w <- w - lr · v

    Along a slope that stays, v grows to g / (1 - μ): ten times the step at μ = 0.9.
    Source: Polyak 1964, in PyTorch's form, where lr stands outside v.
    """

    def __init__(
        self,
        params: Mapping[str, Parameter],
        lr: float | Schedule,
        *,
        momentum: float = 0.9,
        weight_decay: float | WeightDecay = 0.0,
        lookahead: Lookahead | None = None,
    ) -> None:
        super().__init__(params, lr, weight_decay=weight_decay, lookahead=lookahead)
        self.momentum = in_range("momentum", momentum, "[0, 1)")

    def init_slots(self, param: Parameter) -> Slots:
        """`velocity`, the shape of the parameter."""
        return {"velocity": np.zeros_like(param.value)}

    def update(self, param: Parameter, grad: FloatArray, slots: Slots, lr: float) -> None:
        """The formula of the class, in place."""
        velocity = slots["velocity"]
        velocity *= self.momentum
        velocity += grad
        param.value -= lr * velocity
