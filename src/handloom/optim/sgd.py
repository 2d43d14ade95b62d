"""SGD: straight down the gradient."""

from __future__ import annotations

from handloom._typing import FloatArray
from handloom.nn.layer import Parameter
from handloom.optim.optimizer import Optimizer, Slots


class SGD(Optimizer):
    """Stochastic gradient descent; what it remembers is nothing.

        w <- w - lr · g

    Source: Robbins & Monro 1951.
    """

    def init_slots(self, param: Parameter) -> Slots:
        """No slots."""
        return {}

    def update(self, param: Parameter, grad: FloatArray, slots: Slots, lr: float) -> None:
        """The formula of the class, in place."""
        param.value -= lr * grad
