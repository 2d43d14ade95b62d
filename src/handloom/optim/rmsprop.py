"""RMSprop: every weight at its own pace, set by how large its gradients have been."""

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


class RMSprop(Optimizer):
    """Gradient over its running root mean square; alpha in [0, 1), eps in (0, ∞).

        s <- alpha · s + (1 - alpha) · g²
        w <- w - lr · g / (√s + eps)

    Source: Tieleman & Hinton 2012, lecture 6.5; s is zero at first and eps outside the root, as in
    PyTorch.
    """

    def __init__(
        self,
        params: Mapping[str, Parameter],
        lr: float | Schedule,
        *,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float | WeightDecay = 0.0,
        lookahead: Lookahead | None = None,
    ) -> None:
        super().__init__(params, lr, weight_decay=weight_decay, lookahead=lookahead)
        self.alpha = in_range("alpha", alpha, "[0, 1)")
        self.eps = in_range("eps", eps, "(0, ∞)")

    def init_slots(self, param: Parameter) -> Slots:
        """`mean_square`, the shape of the parameter."""
        return {"mean_square": np.zeros_like(param.value)}

    def update(self, param: Parameter, grad: FloatArray, slots: Slots, lr: float) -> None:
        """The formula of the class, in place."""
        mean_square = slots["mean_square"]
        mean_square *= self.alpha
        square = np.square(grad, out=np.empty_like(grad))  # `out` keeps an array where grad is ()
        square *= 1.0 - self.alpha
        mean_square += square
        root = np.sqrt(mean_square, out=square)
        root += self.eps
        change = np.divide(grad, root, out=root)
        change *= lr
        param.value -= change
