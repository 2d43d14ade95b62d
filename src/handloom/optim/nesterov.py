"""Nesterov's momentum: look where the ball will be, then correct."""

from __future__ import annotations

from handloom._typing import FloatArray
from handloom.nn.layer import Parameter
from handloom.optim.momentum import Momentum
from handloom.optim.optimizer import Slots


class Nesterov(Momentum):
    """Momentum that takes its step from one velocity ahead; momentum μ in [0, 1).

        v <- μ v + g
        w <- w - lr · (g + μ v)

    Source: Nesterov 1983, in the form of Sutskever et al. 2013 rewritten, as PyTorch does, so that
    the gradient is the one at w itself.
    """

    def update(self, param: Parameter, grad: FloatArray, slots: Slots, lr: float) -> None:
        """The formula of the class, in place."""
        velocity = slots["velocity"]
        velocity *= self.momentum
        velocity += grad
        ahead = self.momentum * velocity
        ahead += grad
        ahead *= lr
        param.value -= ahead
