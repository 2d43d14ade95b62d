"""Every optimizer that the loom knows, against the textbook's, with all that may go beside it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np
import pytest
from covering import covering
from emitted import native
from harness import AVX2, HOST

from handloom import optim
from handloom._typing import AnyArray
from handloom.errors import ConfigError
from handloom.loom.kernels.optimizer import AVERAGE, SETTINGS, Rule, Updating, rule_of
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import Machine
from handloom.loom.language.value import Pointer
from handloom.nn.layer import Parameter

SIZE = 48
STEPS = 6
MEMORY = 0.8
"""Share of what was in a running mean before a step."""
OPTIONS: dict[str, list[dict[str, Any]]] = {
    "momentum": [{"momentum": 0.5}],
    "nesterov": [{"momentum": 0.99}],
    "rmsprop": [{"alpha": 0.8, "eps": 1e-3}],
    "adam": [{"betas": (0.5, 0.7), "eps": 1e-3}],
    "adamw": [{"betas": (0.0, 0.9)}],
}
"""Settings besides the usual ones, by the name of the optimizer."""
CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "coupled decay": {"decay": 0.1, "decoupled": False},
    "decoupled decay": {"decay": 0.1, "decoupled": True},
    "clipped values": {"clip_value": 0.3},
    "a running mean": {"averaged": True},
    "all": {"decay": 0.1, "decoupled": True, "clip_value": 0.3, "averaged": True},
}


def parameter(rng: np.random.Generator) -> Parameter:
    return Parameter(rng.normal(size=SIZE))


def subjects() -> list[tuple[str, dict[str, Any]]]:
    """Every optimizer of a recipe that the loom has a rule for, as it comes and otherwise."""
    known = []
    for name, kind in optim.OPTIMIZERS.items():
        if rule_of(kind({"w": parameter(np.random.default_rng(0))}, 0.1)) is not None:
            known += [(name, options) for options in ({}, *OPTIONS.get(name, []))]
    return known


def test_all_optimizers_of_a_recipe_but_muon_are_known() -> None:
    assert {name for name, _ in subjects()} == set(optim.OPTIMIZERS) - {"muon"}


def test_lookahead_is_left_to_numpy(rng: np.random.Generator) -> None:
    slow = optim.Lookahead(every=2)
    assert rule_of(optim.Momentum({"w": parameter(rng)}, 0.1, lookahead=slow)) is None


class Twin:
    """The textbook's optimizer on one parameter, with clipping and a running mean around it."""

    def __init__(self, name: str, options: dict[str, Any], case: dict[str, Any]) -> None:
        self.param = parameter(np.random.default_rng(1))
        decay = optim.WeightDecay(case.get("decay", 0.0), decoupled=case.get("decoupled"))
        schedule = optim.Exponential(0.3, 0.7, 2)
        self.optimizer = optim.OPTIMIZERS[name](
            {"w": self.param}, schedule, weight_decay=decay, **options
        )
        self.case = case
        self.mean = self.param.value.copy()

    def step(self, gradient: AnyArray) -> None:
        self.param.grad = gradient.copy()
        if "clip_value" in self.case:
            optim.clip_by_value({"w": self.param}, self.case["clip_value"])
        self.optimizer.step()
        self.mean = MEMORY * self.mean + (1 - MEMORY) * self.param.value

    @property
    def numbers(self) -> AnyArray:
        """Parameter and states in a row, as the loom keeps them."""
        slots = self.optimizer.slots["w"].values()
        mean = [self.mean] if "averaged" in self.case else []
        return np.stack([self.param.value, *slots, *mean])


def trials() -> Iterator[tuple[str, dict[str, Any], str]]:
    """Every subject in every case that the textbook's optimizer allows."""
    for (name, options), case in itertools.product(subjects(), CASES):
        with suppress(ConfigError):  # AdamW's decay is always decoupled
            Twin(name, options, CASES[case])
            yield name, options, case


@covering(
    trial={"-".join(map(str, trial)): trial for trial in trials()},
    machine={"host": HOST, "avx2": AVX2},
)
def test_updates_are_the_textbooks(
    trial: tuple[str, Any, str], machine: Machine, rng: np.random.Generator
) -> None:
    name, options, case = trial
    twin = Twin(name, options, CASES[case])
    rule = rule_of(twin.optimizer)
    assert rule is not None
    how = Updating(rule, SIZE, **CASES[case])
    assert how.states == len(twin.numbers) - 1
    assert rule.slots == tuple(twin.optimizer.slots["w"])

    def body(
        e: Emitter, numbers: Pointer, gradient: Pointer, settings: Pointer, square: Pointer
    ) -> None:
        update = how.begin(e, settings)
        for i in range(0, SIZE, e.lanes):
            update(numbers, i, gradient.vector(i))
        update.finish(square)

    function = native(machine, "double", body)
    numbers = twin.numbers.copy()
    for step in range(1, STEPS + 1):
        gradient, square = rng.normal(size=SIZE), np.zeros(1)
        settings = np.full(SETTINGS, np.nan)
        said = rule.settings(twin.optimizer.current_lr(), step)
        settings[: len(said)] = said
        settings[AVERAGE] = 1 - MEMORY
        function(numbers, gradient, settings, square)
        twin.step(gradient)
        np.testing.assert_allclose(numbers, twin.numbers, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(square[0], (gradient**2).sum(), rtol=1e-12)


@pytest.mark.parametrize("averaged", [False, True])
def test_a_stored_gradient_lies_behind_all_states(averaged: bool, rng: np.random.Generator) -> None:
    rule = rule_of(optim.Momentum({"w": parameter(rng)}, 0.1))
    assert rule is not None
    how = Updating(rule, SIZE, averaged=averaged, stored=True)
    lanes = HOST.lanes("double")

    def body(e: Emitter, numbers: Pointer, gradient: Pointer, settings: Pointer) -> None:
        update = how.begin(e, settings)
        update(numbers, lanes, gradient.vector())
        update.finish(settings)

    numbers = np.arange(SIZE * (how.states + 2), dtype=float).reshape(-1, SIZE)
    before, gradient, settings = numbers.copy(), rng.normal(size=lanes), np.zeros(SETTINGS)
    native(HOST, "double", body)(numbers, gradient, settings)
    before[how.states + 1, lanes : 2 * lanes] = gradient
    np.testing.assert_array_equal(numbers, before)
    assert settings[0] == pytest.approx((gradient**2).sum(), rel=1e-14)
    assert how.now() == Updating(rule, SIZE, averaged=averaged)


def test_other_optimizers_have_no_rule(rng: np.random.Generator) -> None:
    class Mine(optim.SGD):
        """A subclass may do anything."""

    assert rule_of(Mine({"w": parameter(rng)}, 0.1)) is None
    assert isinstance(rule_of(optim.SGD({"w": parameter(rng)}, 0.1)), Rule)
