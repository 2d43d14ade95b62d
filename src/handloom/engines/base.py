"""What every engine offers, so that one trainer serves them all."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from handloom._typing import AnyArray, FloatArray, IntArray, UInt8Array
from handloom.data import Epoch, Normalisation
from handloom.nn.layer import Layer

Loss = Callable[[FloatArray, AnyArray], tuple[float, FloatArray]]
"""(outputs (N, K), labels (N,)) -> (mean loss, gradient with respect to the outputs).

Where images are mixed, the labels of a training step are the classes' shares, (N, K) floats."""


class StepReport(NamedTuple):
    """What one training step tells."""

    loss: float
    """Mean over the batch, before the update; nats for the cross-entropies."""
    correct: int
    """How many of the batch were classified right, before the update; of a mixed image, as its
    larger share."""
    grad_norm: float
    """Euclidean norm of all gradients together, before clipping."""
    lr: float
    """Learning rate of this update."""

    @property
    def is_finite(self) -> bool:
        """Whether loss and gradient are numbers still.

        Where the loss is not, no update was done; a compiled engine may have updated already when
        it learns that only the gradient is not.
        """
        return math.isfinite(self.loss) and math.isfinite(self.grad_norm)


class Evaluation(NamedTuple):
    """How an engine did on a batch, in sums: several batches added up are as one large one."""

    loss_sum: float
    """Σ w l over the examples, w as `nn.losses.loss_weight` has it."""
    weight: float
    """Σ w: the number of examples, where classes have no weights."""
    correct: int
    """How many were classified right."""

    @property
    def loss(self) -> float:
        """Mean loss; NaN where nothing has a weight."""
        return self.loss_sum / self.weight if self.weight else math.nan

    def plus(self, other: Evaluation) -> Evaluation:
        """Both batches as one."""
        return Evaluation(
            self.loss_sum + other.loss_sum,
            self.weight + other.weight,
            self.correct + other.correct,
        )


class Engine(Protocol):
    """Runs a network: trains it step by step, evaluates it, gives and takes its whole state."""

    name: str
    loss: Loss

    @property
    def model(self) -> Layer:
        """The network that is trained, its parameters as they are now."""
        ...

    @property
    def dtype(self) -> np.dtype[Any]:
        """The precision of its numbers: that of the parameters."""
        ...

    @property
    def steps(self) -> int:
        """Optimizer updates done so far."""
        ...

    @property
    def lr_scale(self) -> float:
        """Factor on the schedule's learning rate; a plateau lowers it."""
        ...

    @lr_scale.setter
    def lr_scale(self, scale: float) -> None: ...

    def train(self, epoch: Epoch, start: int, stop: int) -> Iterator[StepReport]:
        """Train on the epoch's batches start … stop - 1; one report a step, in order.

        An engine may have trained several steps before it yields the first of their reports. The
        last report is the first that is not finite: no step follows it.
        """
        ...

    def train_step(self, x: FloatArray, labels: AnyArray) -> StepReport:
        """One update from x (N, C, H, W), labels (N,) or shares (N, K); none if the loss is not
        finite."""
        ...

    def predict(self, x: FloatArray) -> FloatArray:
        """Outputs (N, K) of the network in evaluation mode, with the averaged weights if kept."""
        ...

    def predict_pictures(self, images: UInt8Array, normalisation: Normalisation) -> FloatArray:
        """predict of images (N, C, H, W), uint8, as `normalisation` sees them."""
        ...

    def evaluate(self, x: FloatArray, labels: IntArray) -> Evaluation:
        """Loss, weight and number classified right over x, as `predict` sees it."""
        ...

    def weights(self) -> dict[str, AnyArray]:
        """Copies of the weights that `predict` uses, by name."""
        ...

    def state_dict(self) -> dict[str, AnyArray]:
        """Everything that training goes on from: weights, optimizer slots, averages, counters."""
        ...

    def load_state_dict(self, state: Mapping[str, AnyArray]) -> None:
        """Take up the state of an equal engine; raises StateError where it does not fit."""
        ...

    def locate_nonfinite(self, x: FloatArray) -> str:
        """Name the first place, in forward order, where the numbers are no longer finite."""
        ...
