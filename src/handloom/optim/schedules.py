"""Learning rates as pure functions of the step.

A schedule maps the number of updates done so far (0 for the first update) to the learning rate of
the next one. It keeps no counter, so a resumed training needs nothing but its step. Where a length
is told in epochs, multiply by the steps of an epoch. Any function int -> float will do as well.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from handloom.errors import ConfigError
from handloom.optim._ranges import in_range, whole_number

Schedule = Callable[[int], float]


@dataclass(frozen=True, slots=True)
class Constant:
    """lr(t) = lr."""

    lr: float

    def __post_init__(self) -> None:
        in_range("lr", self.lr, "[0, ∞)")

    def __call__(self, step: int) -> float:
        """The learning rate at `step`."""
        return self.lr


@dataclass(frozen=True, slots=True)
class StepDecay:
    """lr(t) = lr · factor^⌊t / every⌋: a stair with equal treads of `every` steps."""

    lr: float
    every: int
    factor: float

    def __post_init__(self) -> None:
        in_range("lr", self.lr, "[0, ∞)")
        whole_number("every", self.every, at_least=1)
        in_range("factor", self.factor, "(0, 1]")

    def __call__(self, step: int) -> float:
        """The learning rate at `step`."""
        return self.lr * self.factor ** (step // self.every)


@dataclass(frozen=True, slots=True)
class MultiStep:
    """lr(t) = lr · factor^(number of milestones ≤ t): a stair whose edges are chosen by hand.

    `milestones` are steps in increasing order.
    """

    lr: float
    milestones: tuple[int, ...]
    factor: float

    def __post_init__(self) -> None:
        in_range("lr", self.lr, "[0, ∞)")
        in_range("factor", self.factor, "(0, 1]")
        milestones = tuple(
            whole_number("every milestone", milestone, at_least=1) for milestone in self.milestones
        )
        if any(later <= earlier for earlier, later in pairwise(milestones)):
            raise ConfigError(f"milestones have to increase, got {milestones}")
        object.__setattr__(self, "milestones", milestones)  # a list would not stay as it is

    def __call__(self, step: int) -> float:
        """The learning rate at `step`."""
        return self.lr * self.factor ** bisect_right(self.milestones, step)


@dataclass(frozen=True, slots=True)
class Exponential:
    """lr(t) = lr · factor^⌊t / every⌋, lowered after every epoch when `every` is an epoch's steps.

    With `every=1` it is lowered after every step.
    """

    lr: float
    factor: float
    every: int = 1

    def __post_init__(self) -> None:
        StepDecay(self.lr, self.every, self.factor)  # the same stair, so the same checks

    def __call__(self, step: int) -> float:
        """The learning rate at `step`."""
        return self.lr * self.factor ** (step // self.every)


@dataclass(frozen=True, slots=True)
class ExponentialTime:
    """lr(t) = lr · e^(-rate · t), smooth in the step; it halves every ln 2 / rate steps."""

    lr: float
    rate: float

    def __post_init__(self) -> None:
        in_range("lr", self.lr, "[0, ∞)")
        in_range("rate", self.rate, "[0, ∞)")

    def __call__(self, step: int) -> float:
        """The learning rate at `step`."""
        return self.lr * math.exp(-self.rate * step)


@dataclass(frozen=True, slots=True)
class Linear:
    """lr(t) = lr + (final - lr) · t / total, and `final` from step `total` on."""

    lr: float
    total: int
    final: float = 0.0

    def __post_init__(self) -> None:
        in_range("lr", self.lr, "[0, ∞)")
        whole_number("total", self.total, at_least=1)
        in_range("final", self.final, "[0, ∞)")

    def __call__(self, step: int) -> float:
        """The learning rate at `step`."""
        done = min(1.0, step / self.total)
        return (1.0 - done) * self.lr + done * self.final


@dataclass(frozen=True, slots=True)
class Cosine:
    """lr(t) = final + (lr - final) · (1 + cos(π t / total)) / 2, and `final` from `total` on.

    Source: Loshchilov & Hutter 2017 (SGDR), eq. 5, without restarts.
    """

    lr: float
    total: int
    final: float = 0.0

    def __post_init__(self) -> None:
        Linear(self.lr, self.total, self.final)  # the same fields, so the same checks

    def __call__(self, step: int) -> float:
        """The learning rate at `step`."""
        return _half_cosine(self.lr, self.final, step / self.total)


@dataclass(frozen=True, slots=True)
class OneCycle:
    """Half a cosine up from peak / div to peak, half a cosine down to peak / (div · final_div).

    The way up takes the fraction `rise` of `total` steps; the lowest rate is reached at the last
    step, total - 1, and kept. Momentum is not cycled.
    Source: Smith & Topin 2018, in the form and with the defaults of PyTorch's OneCycleLR.
    """

    peak: float
    total: int
    rise: float = 0.3
    div: float = 25.0
    final_div: float = 1e4

    def __post_init__(self) -> None:
        in_range("peak", self.peak, "[0, ∞)")
        whole_number("total", self.total, at_least=1)
        in_range("rise", self.rise, "[0, 1)")
        in_range("div", self.div, "(0, ∞)")
        in_range("final_div", self.final_div, "(0, ∞)")

    def __call__(self, step: int) -> float:
        """The learning rate at `step`."""
        start = self.peak / self.div
        top, last = self.rise * self.total - 1, self.total - 1  # step 0 is the first of `total`
        if step < top:
            return _half_cosine(start, self.peak, step / top)
        return _half_cosine(self.peak, start / self.final_div, (step - top) / (last - top))


@dataclass(frozen=True, slots=True)
class Warmup:
    """`schedule`, times a factor that grows linearly to 1 over the first `steps` steps.

        factor(t) = start + (1 - start) · min(1, (t + 1) / steps)

    Step 0 moves already, and step `steps - 1` is the first at full rate. The schedule's own clock
    is not shifted: its milestones and its `total` still count from the first step of the training.
    Source: Goyal et al. 2017, sec. 2.2.
    """

    schedule: Schedule
    steps: int
    start: float = 0.0

    def __post_init__(self) -> None:
        whole_number("warm-up steps", self.steps, at_least=0)
        in_range("warm-up start", self.start, "[0, 1]")

    def __call__(self, step: int) -> float:
        """The learning rate at `step`."""
        if step >= self.steps:
            return self.schedule(step)
        return self.schedule(step) * (self.start + (1.0 - self.start) * (step + 1) / self.steps)


def _half_cosine(first: float, last: float, done: float) -> float:
    """From `first` at done = 0 to `last` at done = 1, flat at both ends; `last` from there on."""
    if done >= 1.0:
        return last
    return last + (first - last) * 0.5 * (1.0 + math.cos(math.pi * done))
