"""The contract of every schedule. They are found by themselves; a new one needs a strategy."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from handloom.errors import ConfigError
from handloom.optim import (
    Constant,
    Cosine,
    Exponential,
    ExponentialTime,
    Linear,
    MultiStep,
    OneCycle,
    Schedule,
    StepDecay,
    Warmup,
    schedules,
)

KINDS = [
    cls
    for cls in vars(schedules).values()
    if isinstance(cls, type) and dataclasses.is_dataclass(cls)
]

lrs = st.floats(0.0, 1e3)
counts = st.integers(1, 10_000)
factors = st.floats(0.0, 1.0, exclude_min=True)
milestones = st.lists(counts, max_size=5, unique=True).map(sorted).map(tuple)
plain: dict[type, st.SearchStrategy[Any]] = {
    Constant: st.builds(Constant, lrs),
    StepDecay: st.builds(StepDecay, lrs, counts, factors),
    MultiStep: st.builds(MultiStep, lrs, milestones, factors),
    Exponential: st.builds(Exponential, lrs, factors, counts),
    ExponentialTime: st.builds(ExponentialTime, lrs, st.floats(0.0, 10.0)),
    Linear: st.builds(Linear, lrs, counts, lrs),
    Cosine: st.builds(Cosine, lrs, counts, lrs),
    OneCycle: st.builds(OneCycle, lrs, counts, st.floats(0.0, 1.0, exclude_max=True)),
}
STRATEGIES = {
    **plain,
    Warmup: st.builds(
        Warmup, st.one_of(*plain.values()), st.integers(0, 10_000), st.floats(0.0, 1.0)
    ),
}
steps = st.integers(0, 100_000)
property_test = settings(deadline=None, derandomize=True)  # a busy machine is no failure


def test_every_schedule_has_a_strategy() -> None:
    assert len(KINDS) >= 9
    assert set(KINDS) == set(STRATEGIES)


@pytest.mark.parametrize("kind", KINDS)
@property_test
@given(data=st.data())
def test_rates_are_finite_and_not_negative(kind: type, data: st.DataObject) -> None:
    rate = data.draw(STRATEGIES[kind])(data.draw(steps))
    assert math.isfinite(rate)
    assert rate >= 0.0


@pytest.mark.parametrize("kind", KINDS)
@property_test
@given(data=st.data())
def test_a_rate_depends_on_the_step_alone(kind: type, data: st.DataObject) -> None:
    schedule = data.draw(STRATEGIES[kind])
    asked = data.draw(st.lists(steps, min_size=1, max_size=5))
    forwards = {step: schedule(step) for step in sorted(asked)}
    assert {step: schedule(step) for step in reversed(asked)} == forwards
    assert dataclasses.replace(schedule)(asked[0]) == forwards[asked[0]]


@pytest.mark.parametrize("kind", KINDS)
@property_test
@given(data=st.data())
def test_a_schedule_cannot_be_changed(kind: type, data: st.DataObject) -> None:
    schedule = data.draw(STRATEGIES[kind])
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(schedule, dataclasses.fields(kind)[0].name, 0.5)


@pytest.mark.parametrize("kind", [Linear, Cosine])
@property_test
@given(data=st.data(), beyond=st.integers(0, 10_000))
def test_from_total_on_the_final_rate_stays(kind: type, data: st.DataObject, beyond: int) -> None:
    schedule = data.draw(STRATEGIES[kind])
    assert schedule(schedule.total + beyond) == schedule.final


@property_test
@given(data=st.data(), beyond=st.integers(0, 10_000))
def test_from_its_last_step_on_one_cycle_stays(data: st.DataObject, beyond: int) -> None:
    schedule = data.draw(STRATEGIES[OneCycle])
    final = schedule.peak / schedule.div / schedule.final_div
    assert schedule(schedule.total - 1 + beyond) == final


@property_test
@given(data=st.data())
def test_after_the_warm_up_the_schedule_is_itself(data: st.DataObject) -> None:
    warm = data.draw(STRATEGIES[Warmup])
    later = max(0, warm.steps - 1) + data.draw(st.integers(0, 10_000))
    assert warm(later) == pytest.approx(warm.schedule(later), rel=1e-15)


LENGTH = 60
TorchSchedule = Callable[[torch.optim.Optimizer], lr_scheduler.LRScheduler]
TWINS: dict[str, tuple[Schedule, TorchSchedule]] = {
    "constant": (Constant(0.3), lambda o: lr_scheduler.ConstantLR(o, factor=1.0)),
    "step": (StepDecay(0.3, 7, 0.5), lambda o: lr_scheduler.StepLR(o, 7, 0.5)),
    "multi": (
        MultiStep(0.3, (5, 20, 21), 0.1),
        lambda o: lr_scheduler.MultiStepLR(o, [5, 20, 21], 0.1),
    ),
    "exponential": (Exponential(0.3, 0.9), lambda o: lr_scheduler.ExponentialLR(o, 0.9)),
    "exponential of epochs": (
        Exponential(0.3, 0.9, every=10),
        lambda o: lr_scheduler.StepLR(o, 10, 0.9),
    ),
    "exponential of time": (
        ExponentialTime(0.3, 0.02),
        lambda o: lr_scheduler.LambdaLR(o, lambda step: math.exp(-0.02 * step)),
    ),
    "linear": (
        Linear(0.3, 40, 0.06),
        lambda o: lr_scheduler.LinearLR(o, start_factor=1.0, end_factor=0.2, total_iters=40),
    ),
    "linear to zero": (Linear(0.3, 40), lambda o: lr_scheduler.PolynomialLR(o, total_iters=40)),
    "cosine": (
        Cosine(0.3, LENGTH, 0.01),
        lambda o: lr_scheduler.CosineAnnealingLR(o, LENGTH, 0.01),
    ),
    "one cycle": (OneCycle(0.3, LENGTH), lambda o: lr_scheduler.OneCycleLR(o, 0.3, LENGTH)),
    "one cycle, all told": (
        OneCycle(0.3, LENGTH, rise=0.45, div=10.0, final_div=50.0),
        lambda o: lr_scheduler.OneCycleLR(
            o, 0.3, LENGTH, pct_start=0.45, div_factor=10.0, final_div_factor=50.0
        ),
    ),
    "one cycle that only falls": (
        OneCycle(0.3, LENGTH, rise=0.0),
        lambda o: lr_scheduler.OneCycleLR(o, 0.3, LENGTH, pct_start=0.0),
    ),
    "warm-up": (
        Warmup(StepDecay(0.3, 8, 0.5), steps=11),
        lambda o: lr_scheduler.ChainedScheduler(
            [
                lr_scheduler.LinearLR(o, start_factor=1 / 11, total_iters=10),
                lr_scheduler.StepLR(o, 8, 0.5),
            ]
        ),
    ),
    "cosine with warm-up": (
        Warmup(Cosine(0.3, LENGTH), steps=9),
        lambda o: lr_scheduler.ChainedScheduler(
            [
                lr_scheduler.LinearLR(o, start_factor=1 / 9, total_iters=8),
                lr_scheduler.CosineAnnealingLR(o, LENGTH),
            ]
        ),
    ),
    "warm-up from a fifth": (
        Warmup(Constant(0.3), steps=5, start=0.2),
        lambda o: lr_scheduler.LinearLR(o, start_factor=0.2 + 0.8 / 5, total_iters=4),
    ),
}


@pytest.mark.parametrize("name", TWINS)
def test_rates_equal_torch(name: str) -> None:
    ours, build = TWINS[name]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3, momentum=0.9)
    scheduler = build(optimizer)
    theirs = []
    for _ in range(LENGTH):
        theirs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(theirs) < LENGTH:
            scheduler.step()
    np.testing.assert_allclose(
        [ours(step) for step in range(LENGTH)], theirs, rtol=1e-10, atol=1e-15
    )


def test_warm_up_by_hand() -> None:
    rates = [Warmup(Constant(1.0), steps=4)(step) for step in range(6)]
    np.testing.assert_allclose(rates, [0.25, 0.5, 0.75, 1.0, 1.0, 1.0], rtol=1e-15)


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda: Constant(-0.1), r"lr has to be a number in \[0, ∞\), got -0.1"),
        (lambda: StepDecay(0.1, 0, 0.5), "every has to be a whole number >= 1, got 0"),
        (lambda: StepDecay(0.1, 2.0, 0.5), "every has to be a whole number >= 1, got 2.0"),
        (lambda: StepDecay(0.1, 3, 0.0), r"factor has to be a number in \(0, 1\], got 0.0"),
        (lambda: MultiStep(0.1, (5, 5), 0.5), r"milestones have to increase, got \(5, 5\)"),
        (lambda: MultiStep(0.1, (2.5,), 0.5), "every milestone .* got 2.5"),
        (lambda: MultiStep(0.1, (5,), 1.5), "factor .* got 1.5"),
        (lambda: Exponential(0.1, 1.1), "factor .* got 1.1"),
        (lambda: Exponential(0.1, 0.9, every=0), "every .* got 0"),
        (lambda: ExponentialTime(0.1, -1.0), "rate .* got -1.0"),
        (lambda: Cosine(0.1, 0), "total .* got 0"),
        (lambda: Linear(0.1, 5, final=-1.0), "final .* got -1.0"),
        (lambda: OneCycle(math.inf, 5), "peak .* got inf"),
        (lambda: OneCycle(0.1, 5, rise=1.0), r"rise .* in \[0, 1\), got 1.0"),
        (lambda: OneCycle(0.1, 5, div=0.0), r"div .* in \(0, ∞\), got 0.0"),
        (lambda: OneCycle(0.1, 5, final_div=0.0), "final_div .* got 0.0"),
        (lambda: Warmup(Constant(0.1), -1), "warm-up steps .* >= 0, got -1"),
        (lambda: Warmup(Constant(0.1), 5, start=2.0), r"warm-up start .* in \[0, 1\], got 2.0"),
    ],
)
def test_a_setting_that_cannot_be_is_told(build: Callable[[], Schedule], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        build()
