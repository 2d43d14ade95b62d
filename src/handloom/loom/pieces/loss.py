"""Cross-entropy of softmax: scores become errors, one example at a time, the classes in vectors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from handloom.loom.arena import Arena
from handloom.loom.kernels.optimizer import WEIGHT_TOTAL
from handloom.loom.language import mathematics
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import kernel
from handloom.loom.language.value import INT, Pointer, Value
from handloom.loom.piece import Stage, Step
from handloom.loom.tensor import Arrival, Tensor


@dataclass(frozen=True)
class CrossEntropy:
    """As `nn.cross_entropy`: ε of smoothing, and a weight of each class or None."""

    label_smoothing: float = 0.0
    class_weights: tuple[float, ...] | None = None

    def weight_total(self, labels: np.ndarray) -> float:
        """Σ w[label], which the mean over a batch divides by.

        Infinity where that is 0: loss and errors are 0 then, in native code too.
        """
        if self.class_weights is None:
            return float(len(labels))
        return float(np.asarray(self.class_weights)[labels].sum()) or math.inf


@kernel
def row_loss(
    e: Emitter,
    scores: Pointer,
    errors: Pointer,
    label: Value,
    settings: Pointer,
    sums: Pointer,
    *,
    classes: int,
    loss: CrossEntropy,
    arrival: Arrival,
) -> None:
    """One example's loss and hit, added to sums[0] and sums[1], and its errors.

    With t[c] = w[c] ((1 - ε) 1[c = label] + ε / C), T = Σ t, and W the batch's sum of w[label]:

        loss = (T log Σ exp z - Σ t z) / W      errors = (T softmax(z) - t) / W

    with z less the highest score, or large scores would leave nothing of their differences.
    """
    vectors = _vectors(e, scores, classes)
    top = [e.splat(-math.inf)]
    for _, z, column in vectors(top):
        top[0] = e.max(e.where(column < float(classes), z, -math.inf), top[0])
    highest = e.lane_max(top[0])
    first = [e.splat(float(classes))]
    power = [e.zero]
    aim, along = [e.zero], [e.zero]
    carry = [*first, *power, *aim, *along]
    for c, z, column in vectors(carry):
        target = _target(e, column, c, label, classes, loss)
        apart = z - highest
        p = mathematics.exp(e, apart)
        errors[c] = p
        carry[:] = [
            e.min(e.where(z.equals(highest), column, float(classes)), carry[0]),
            carry[1] + e.where(column < float(classes), p, 0.0),
            carry[2] + target,
            carry[3] + e.where(column < float(classes), target * apart, 0.0),
        ]
    best = e.lane_min(carry[0])
    total, aims, likely = (e.lane_sum(value) for value in carry[1:])
    inverse = 1.0 / settings[WEIGHT_TOTAL]
    scale = aims / total * inverse
    for c, _, column in vectors([]):
        target = _target(e, column, c, label, classes, loss)
        error = errors.vector(c) * scale - target * inverse
        arrival.store(e, errors, c, e.where(column < float(classes), error, 0.0), scores + c)
    value = (aims * mathematics.log(e, total) - likely) * inverse
    sums[0] = sums[0] + value
    hit = e.where(e.convert(best, "fptosi", INT).equals(label), 1.0, 0.0)
    sums[1] = sums[1] + hit


def _vectors(
    e: Emitter, scores: Pointer, classes: int
) -> Callable[[list[Value]], Iterator[tuple[Value, Value, Value]]]:
    """A loop over the vectors of a row: (first class, scores, the classes' numbers).

    Behind the last class stand zeros.
    """

    def loop(carry: list[Value]) -> Iterator[tuple[Value, Value, Value]]:
        for c in e.range(0, classes, e.lanes, carry):
            column = e.counting() + e.splat(e.convert(c, "sitofp", e.real))
            yield c, scores.vector(c), column

    return loop


def _target(
    e: Emitter, column: Value, c: Value, label: Value, classes: int, loss: CrossEntropy
) -> Value:
    """t of the classes `column`, zero beyond the last."""
    hot = e.where(column.equals(e.splat(e.convert(label, "sitofp", e.real))), 1.0, 0.0)
    even = loss.label_smoothing / classes
    target = hot * (1.0 - loss.label_smoothing) + even
    if loss.class_weights is not None:
        target = target * e.table(loss.class_weights).vector(c)
    return e.where(column < float(classes), target, 0.0)


class LossPiece:
    """The end of the forward pass and the beginning of the backward pass."""

    def __init__(self, loss: CrossEntropy, scores: Tensor) -> None:
        self.loss = loss
        self.scores = scores.read()

    def allocate(self, arena: Arena) -> None:
        """Room for each group's sums: loss and hits."""
        self.line = arena.line
        self.sums = arena.work.take(self.scores.sizes.groups * arena.line)

    def stage(self, labels: Callable[[Step, Value], Value]) -> Stage:
        """One stage by groups; `labels` gives the label of an example of the batch."""
        arrival = self.scores.arrival()
        (classes,) = self.scores.shape
        sizes = self.scores.sizes

        def emit(step: Step, group: Value) -> None:
            e, rows = step.e, self.scores.rows.row
            sums = step.at(self.sums, group, self.line)
            sums[0] = e.number(0.0)
            sums[1] = e.number(0.0)
            scores, errors = step.values(self.scores, group), step.errors(self.scores, group)
            live = e.max(0, e.min(sizes.group, step.count - group * sizes.group))
            for i in e.range(live):
                row_loss(
                    e, scores + i * rows, errors + i * rows,
                    labels(step, group * sizes.group + i), step.settings, sums,
                    classes=classes, loss=self.loss, arrival=arrival,
                )  # fmt: skip
            for i in e.range(live, sizes.group):
                for c in e.range(0, classes, e.lanes):
                    errors[i * rows + c] = e.zero

        return Stage("softmax, cross-entropy", emit)

    def total(self, step: Step) -> tuple[Value, Value]:
        """Loss and hits of the batch: the groups' sums, added in their order."""
        e = step.e
        sums = [e.number(0.0), e.number(0.0)]
        for group in e.range(0, self.scores.sizes.groups, 1, sums):
            of_group = step.at(self.sums, group, self.line)
            sums[:] = [sums[0] + of_group[0], sums[1] + of_group[1]]
        return sums[0], sums[1]
