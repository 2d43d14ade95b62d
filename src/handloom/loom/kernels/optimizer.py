"""Optimizers as epilogues: they finish a weight while its gradient is still in a register.

`slots` names what a rule remembers of each parameter, as the optimizers of `handloom.optim` do.
What changes from step to step, the learning rate above all, is read from the step's row of
`settings`, so that a schedule needs no new compilation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from handloom import optim
from handloom._registry import Registry
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.value import Pointer, Value

SETTINGS = 5
"""Numbers in a step's row of settings: learning rate, what the rule asks for, then ..."""
AVERAGE = 3
"""... the share of the new weights in their running mean, 1 - β, ..."""
WEIGHT_TOTAL = 4
"""... the sum of the weights of the batch's labels, by which the loss divides."""


@dataclass(frozen=True)
class Rule:
    """w <- w - lr · g: plain gradient descent, and what all rules share."""

    slots: ClassVar[tuple[str, ...]] = ()

    def settings(self, lr: float, step: int) -> list[float]:
        """The numbers of update number `step`, counted from 1."""
        return [lr]

    def update(
        self, e: Emitter, s: list[Value], w: Value, g: Value, states: list[Value]
    ) -> tuple[Value, list[Value]]:
        """The new weight and the new states, given this step's settings s."""
        return w - s[0] * g, []


@dataclass(frozen=True)
class Momentum(Rule):
    """v <- m v + g;  w <- w - lr · v."""

    momentum: float = 0.9
    slots: ClassVar[tuple[str, ...]] = ("velocity",)

    def update(
        self, e: Emitter, s: list[Value], w: Value, g: Value, states: list[Value]
    ) -> tuple[Value, list[Value]]:
        """One update."""
        v = self.momentum * states[0] + g
        return w - s[0] * v, [v]


@dataclass(frozen=True)
class Nesterov(Momentum):
    """v <- m v + g;  w <- w - lr · (g + m v)."""

    def update(
        self, e: Emitter, s: list[Value], w: Value, g: Value, states: list[Value]
    ) -> tuple[Value, list[Value]]:
        """One update."""
        v = self.momentum * states[0] + g
        return w - s[0] * (g + self.momentum * v), [v]


@dataclass(frozen=True)
class RMSprop(Rule):
    """s <- α s + (1 - α) g²;  w <- w - lr · g / (√s + ε)."""

    alpha: float = 0.99
    eps: float = 1e-8
    slots: ClassVar[tuple[str, ...]] = ("mean_square",)

    def update(
        self, e: Emitter, s: list[Value], w: Value, g: Value, states: list[Value]
    ) -> tuple[Value, list[Value]]:
        """One update."""
        mean = self.alpha * states[0] + (1 - self.alpha) * (g * g)
        return w - s[0] * (g / (e.sqrt(mean) + self.eps)), [mean]


@dataclass(frozen=True)
class Adam(Rule):
    """m and v are means of g and g²; the settings hold lr / (1 - β₁ᵗ) and 1 / √(1 - β₂ᵗ)."""

    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    slots: ClassVar[tuple[str, ...]] = ("first_moment", "second_moment")

    def settings(self, lr: float, step: int) -> list[float]:
        """The learning rate with both means freed of their zero start."""
        return [lr, lr / (1 - self.beta1**step), 1 / math.sqrt(1 - self.beta2**step)]

    def update(
        self, e: Emitter, s: list[Value], w: Value, g: Value, states: list[Value]
    ) -> tuple[Value, list[Value]]:
        """One update."""
        m = self.beta1 * states[0] + (1 - self.beta1) * g
        v = self.beta2 * states[1] + (1 - self.beta2) * (g * g)
        return w - s[1] * (m / (e.sqrt(v) * s[2] + self.eps)), [m, v]


EPILOGUES: Registry[Callable[[Any], Rule]] = Registry("the loom", "EPILOGUES.register")
"""(optimizer) -> its epilogue, by the optimizer's exact class."""
EPILOGUES.register(optim.SGD)(lambda _: Rule())
EPILOGUES.register(optim.Momentum)(lambda rule: Momentum(rule.momentum))
EPILOGUES.register(optim.Nesterov)(lambda rule: Nesterov(rule.momentum))
EPILOGUES.register(optim.RMSprop)(lambda rule: RMSprop(rule.alpha, rule.eps))
EPILOGUES.register(optim.Adam, optim.AdamW)(
    lambda rule: Adam(rule.betas[0], rule.betas[1], rule.eps)
)


def rule_of(optimizer: optim.Optimizer) -> Rule | None:
    """The epilogue of an optimizer; None where there is none."""
    epilogue = EPILOGUES.form_of(type(optimizer))
    return None if epilogue is None or optimizer.lookahead is not None else epilogue(optimizer)


@dataclass(frozen=True)
class Updating:
    """All that happens to one kind of parameter at the end of a step.

    `distance` is how far each state lies behind its parameter, in numbers. The states are the
    rule's, then the running mean of the weights where one is kept (`averaged`), then the gradient
    where it is only `stored`, to be used when all gradients are known.
    """

    rule: Rule
    distance: int
    decay: float = 0.0
    decoupled: bool = False
    clip_value: float | None = None
    averaged: bool = False
    stored: bool = False

    @property
    def states(self) -> int:
        """Numbers of the rule kept beside each parameter; a stored gradient lies behind them."""
        return len(self.rule.slots) + self.averaged

    def now(self) -> Updating:
        """The same, with the gradient used at once."""
        return replace(self, stored=False)

    def begin(self, e: Emitter, settings: Pointer) -> Update:
        """Load this step's settings into registers, once in a kernel."""
        count = AVERAGE + self.averaged  # where none is kept, no register holds its share
        return Update(self, e, [e.splat(settings[i]) for i in range(count)])


class Update:
    """An optimizer at work in one kernel.

    `squares` is the vector of the sums of squared gradients, in a list, for a loop to carry.
    """

    def __init__(self, how: Updating, e: Emitter, settings: list[Value]) -> None:
        self.how = how
        self.e = e
        self.settings = settings
        self.squares = [e.zero]

    def __call__(self, parameters: Pointer, index: Value | int, gradient: Value) -> None:
        """Update the vector of parameters at `index`, given its gradient."""
        how, e = self.how, self.e
        self.squares[0] = self.squares[0] + gradient * gradient
        if how.stored:
            parameters[index + (1 + how.states) * how.distance] = gradient
            return
        places = [index + how.distance * (s + 1) for s in range(how.states)]
        weight = parameters.vector(index)
        states = [parameters.vector(place) for place in places]
        if how.clip_value is not None:
            gradient = e.max(-how.clip_value, e.min(how.clip_value, gradient))
        if how.decay and how.decoupled:
            weight = weight * (1.0 - self.settings[0] * how.decay)
        elif how.decay:
            gradient = gradient + how.decay * weight
        slots = len(how.rule.slots)
        new, kept = how.rule.update(e, self.settings, weight, gradient, states[:slots])
        if how.averaged:
            mean = states[slots]
            kept = [*kept, mean + self.settings[AVERAGE] * (new - mean)]
        parameters[index] = new
        for place, state in zip(places, kept, strict=True):
            parameters[place] = state

    def finish(self, slot: Pointer) -> None:
        """Leave the sum of the squares of all gradients that came by."""
        slot[0] = self.e.lane_sum(self.squares[0])
