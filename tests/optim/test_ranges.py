"""A setting that cannot be is refused by its name, whichever it is."""

from __future__ import annotations

import dataclasses
import inspect
import math
from typing import Any

import numpy as np
import pytest

from handloom import nn, optim
from handloom.errors import ConfigError
from handloom.optim import schedules
from handloom.optim.average import average_decay

NUMBERS = (float, int)
SCHEDULES = {
    optim.Constant: {"lr": 0.1},
    optim.StepDecay: {"lr": 0.1, "every": 3, "factor": 0.5},
    optim.MultiStep: {"lr": 0.1, "milestones": (2, 4), "factor": 0.5},
    optim.Exponential: {"lr": 0.1, "factor": 0.5, "every": 3},
    optim.ExponentialTime: {"lr": 0.1, "rate": 0.5},
    optim.Linear: {"lr": 0.1, "total": 10, "final": 0.01},
    optim.Cosine: {"lr": 0.1, "total": 10, "final": 0.01},
    optim.OneCycle: {"peak": 0.1, "total": 10, "rise": 0.3, "div": 25.0, "final_div": 1e4},
}
OF_SCHEDULES = [
    (kind, settings, name)
    for kind, settings in SCHEDULES.items()
    for name, value in settings.items()
    if isinstance(value, NUMBERS)
]
OF_RULES = [
    (kind, each.name)
    for kind in optim.OPTIMIZERS.values()
    for each in inspect.signature(kind).parameters.values()
    if isinstance(each.default, NUMBERS) and not isinstance(each.default, bool)
    and each.name != "weight_decay"
]  # fmt: skip


def refused(make: Any, name: str) -> None:
    """By its own name, at the start of the message."""
    with pytest.raises(ConfigError) as caught:
        make()
    assert str(caught.value).startswith(f"{name} has to be")


def test_every_schedule_is_here() -> None:
    kinds = {
        each
        for each in vars(schedules).values()
        if inspect.isclass(each) and each.__module__ == schedules.__name__
    }
    assert kinds - {optim.Warmup} == set(SCHEDULES)
    for kind, settings in SCHEDULES.items():
        assert {field.name for field in dataclasses.fields(kind)} == set(settings)


@pytest.mark.parametrize(("kind", "settings", "name"), OF_SCHEDULES)
@pytest.mark.parametrize("value", [-1, math.nan, "0.1", True])
def test_a_schedule_s_setting(kind: Any, settings: dict[str, Any], name: str, value: Any) -> None:
    kind(**settings)
    refused(lambda: kind(**{**settings, name: value}), name)


def test_what_warms_up_is_named() -> None:
    plain = optim.Constant(0.1)
    refused(lambda: optim.Warmup(plain, -1), "warm-up steps")
    refused(lambda: optim.Warmup(plain, 3, -0.1), "warm-up start")
    refused(lambda: optim.Warmup(plain, 3, 1.1), "warm-up start")
    refused(lambda: optim.MultiStep(0.1, (0,), 0.5), "every milestone")


@pytest.mark.parametrize(("kind", "name"), OF_RULES)
@pytest.mark.parametrize("value", [-1, math.nan, "0.1", None])
def test_a_rule_s_setting(kind: Any, name: str, value: Any) -> None:
    params = nn.Linear(3, 2, rng=np.random.default_rng(0)).named_parameters()
    refused(lambda: kind(params, 0.1, **{name: value}), name)


@pytest.mark.parametrize("kind", [optim.Adam, optim.AdamW])
@pytest.mark.parametrize("index", [0, 1])
def test_each_beta(kind: Any, index: int) -> None:
    params = nn.Linear(3, 2, rng=np.random.default_rng(0)).named_parameters()
    betas = [0.9, 0.99]
    betas[index] = 1.0
    refused(lambda: kind(params, 0.1, betas=tuple(betas)), f"betas[{index}]")


@pytest.mark.parametrize(
    ("updates", "expected"), [(1, 2 / 11), (8, 9 / 18), (90, 0.9), (10_000, 0.9)]
)
def test_the_memory_of_an_average_grows(updates: int, expected: float) -> None:
    """By hand: (1 + t) / (10 + t), until it is the decay that was asked for."""
    assert average_decay(0.9, updates) == pytest.approx(expected)
