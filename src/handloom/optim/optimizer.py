"""Optimizer: everything that the update rules share."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from typing import ClassVar

import numpy as np

from handloom._typing import AnyArray, FloatArray
from handloom.errors import ConfigError
from handloom.nn.layer import Parameter, check_state
from handloom.optim.lookahead import Lookahead
from handloom.optim.schedules import Constant, Schedule
from handloom.optim.weight_decay import WeightDecay

Slots = dict[str, FloatArray]
"""What a rule remembers of one parameter, by slot name."""


class Optimizer(ABC):
    """Moves parameters against their gradients. A rule is two hooks for ONE parameter.

    This class owns what is no part of the formula: the loop over parameters, the step count, the
    learning rate, weight decay, and the state. A rule writes `init_slots` and `update`.

    params: by name, as from `Layer.named_parameters()`; one without a gradient has a zero one.
    lr: the learning rate, or a schedule step -> learning rate.
    weight_decay: a plain number acts on weights only, in the rule's own form (see WeightDecay).
    lookahead: sets the weights back, every few steps, to slow ones that follow them.

    `steps` counts the updates done; `lr_scale` multiplies every learning rate, for whoever lowers
    it by what the training shows. Raises ConfigError for settings or parameters that cannot be.
    """

    decouples_decay: ClassVar[bool] = False
    """The rule's own form of weight decay."""

    def __init__(
        self,
        params: Mapping[str, Parameter],
        lr: float | Schedule,
        *,
        weight_decay: float | WeightDecay = 0.0,
        lookahead: Lookahead | None = None,
    ) -> None:
        _check_params(params)
        self.params = dict(params)
        self.lr: Schedule = lr if callable(lr) else Constant(lr)
        self.steps = 0
        self.lr_scale = 1.0
        if not isinstance(weight_decay, WeightDecay):
            weight_decay = WeightDecay(weight_decay)
        if weight_decay.decoupled is None:
            weight_decay = replace(weight_decay, decoupled=self.decouples_decay)
        self.weight_decay = weight_decay
        self.decays = weight_decay.values(self.params)
        self.lookahead = lookahead

    # -- the rule ---------------------------------------------------------------------------------

    @abstractmethod
    def init_slots(self, param: Parameter) -> Slots:
        """What the rule remembers of `param`, before the first update; shapes as it likes."""

    @abstractmethod
    def update(self, param: Parameter, grad: FloatArray, slots: Slots, lr: float) -> None:
        """Change `param.value` and `slots` in place; leave `grad`, the shape of both, as it is."""

    def lr_of(self, param: Parameter, lr: float) -> float:
        """The learning rate of `param` where the schedule says `lr`: the same, for most rules."""
        return lr

    # -- the loop ---------------------------------------------------------------------------------

    def step(self) -> None:
        """One update of every parameter, in place: engines hold on to the arrays."""
        scheduled = self.current_lr()
        slots = self.slots  # before a weight moves: slow weights start where the weights do
        for name, param in self.params.items():
            lr = self.lr_of(param, scheduled)
            grad, decay = param.grad, self.decays[name]
            if decay and self.weight_decay.decoupled:
                param.value *= 1.0 - lr * decay
            elif decay:
                grad = decay * param.value
                grad += param.grad
            self.update(param, grad, slots[name], lr)
        self.steps += 1
        if self.lookahead is not None and self.steps % self.lookahead.every == 0:
            self._set_back(self.lookahead.share)

    def current_lr(self) -> float:
        """The learning rate of the next update; ConfigError if the schedule gives no rate."""
        lr = float(self.lr(self.steps)) * self.lr_scale
        if not 0.0 <= lr < math.inf:
            raise ConfigError(
                f"the learning rate of step {self.steps} is {lr}; correct the schedule"
            )
        return lr

    def _set_back(self, share: float) -> None:
        """Lookahead's formula: the slow weights go a share of the way, the others back to them."""
        for name, param in self.params.items():
            slow = self.slots[name]["slow"]
            slow += share * (param.value - slow)
            param.value[...] = slow

    # -- state ------------------------------------------------------------------------------------

    @cached_property
    def slots(self) -> dict[str, Slots]:
        """The slots of every parameter; made late, so that a rule's settings are there by then."""
        slots = {name: self.init_slots(param) for name, param in self.params.items()}
        if self.lookahead is not None:
            for name, param in self.params.items():
                slots[name]["slow"] = param.value.copy()
        return slots

    def state_dict(self) -> dict[str, AnyArray]:
        """Slots as '<parameter>.<slot>', 'steps' () int64 and 'lr_scale' () float64; copies."""
        return {name: array.copy() for name, array in self._state().items()}

    def load_state_dict(self, state: Mapping[str, AnyArray]) -> None:
        """Copy `state` in; StateError, and nothing changed, unless names and shapes all fit."""
        own = self._state()
        check_state(f"{type(self).__name__} on these parameters", own, state)
        for name, array in own.items():
            array[...] = state[name]
        self.steps = int(own["steps"])
        self.lr_scale = float(own["lr_scale"])

    def _state(self) -> dict[str, AnyArray]:
        state: dict[str, AnyArray] = {
            f"{name}.{slot}": array
            for name, slots in self.slots.items()
            for slot, array in slots.items()
        }
        state["steps"] = np.array(self.steps, np.int64)
        state["lr_scale"] = np.array(self.lr_scale, np.float64)
        return state


def _check_params(params: Mapping[str, Parameter]) -> None:
    if not params:
        raise ConfigError("an optimizer needs at least one parameter; this network has none")
    first_names: dict[int, str] = {}
    for name, param in params.items():
        if not np.issubdtype(param.value.dtype, np.floating):
            raise ConfigError(f"{name} is {param.value.dtype}; only real floats can be trained")
        first = first_names.setdefault(id(param), name)
        if first != name:
            raise ConfigError(f"{first} and {name} are the same parameter; pass it under one name")
