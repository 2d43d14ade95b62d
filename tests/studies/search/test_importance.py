from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from handloom.studies.search.importance import (
    LEAST_TRIALS,
    MOST_POINTS,
    SHARES,
    _points,
    importance,
)
from handloom.views import Importance, Parameter, Trial, Trials, study_trials

AXES: dict[str, tuple[Any, ...]] = {"lr": (0.1, 0.2, 0.4), "rule": ("sgd", "adam"), "l2": (0, 1)}


def whole_grid(value: Callable[..., float]) -> Trials:
    points = [dict(zip(AXES, values, strict=True)) for values in itertools.product(*AXES.values())]
    trials = [Trial(str(number), point, value(**point)) for number, point in enumerate(points)]
    return study_trials("grid", "val_accuracy", trials, is_maximised=True)


def shares_of(found: Importance | None) -> dict[str, float]:
    assert found is not None
    return dict(zip(found.names, found.shares, strict=True))


def test_on_a_whole_grid_it_is_the_analysis_of_variance() -> None:
    rng = np.random.default_rng(0)
    trials = whole_grid(lambda lr, rule, l2: lr + 0.1 * (rule == "adam") * l2 + rng.uniform(0, 0.1))
    low, high = trials.shown_span()
    values = np.clip(trials.values, low, high).reshape(3, 2, 2)
    shares = shares_of(importance(trials))
    for axis, name in enumerate(AXES):
        others = tuple(other for other in range(3) if other != axis)
        main_effect = values.mean(axis=others).var() / values.var()
        assert shares[name] == pytest.approx(main_effect, abs=1e-9)


def test_the_most_important_comes_first_and_the_rest_is_told() -> None:
    found = importance(whole_grid(lambda lr, rule, l2: lr + 0.02 * l2))
    assert found is not None
    assert found.names[:2] == ("lr", "l2")
    assert list(found.shares) == sorted(found.shares, reverse=True)
    assert found.rest == pytest.approx(0, abs=1e-9)
    together = importance(whole_grid(lambda lr, rule, l2: float((rule == "adam") ^ l2)))
    assert together is not None
    assert together.rest == pytest.approx(1)


def scattered(count: int, value: Callable[[float, float, str], float]) -> Trials:
    rng = np.random.default_rng(1)
    trials = []
    for number in range(count):
        rate, momentum = float(10 ** rng.uniform(-4, 0)), float(rng.uniform(0, 1))
        told = {"lr": rate, "momentum": momentum, "rule": str(rng.choice(["a", "b", "c"]))}
        trials.append(Trial(str(number), told, value(*told.values())))
    scales = {"lr": "log", "momentum": "linear", "rule": "choice"}
    return study_trials("random", "val_loss", trials, is_maximised=False, scales=scales)


def rule_and_rate(rate: float, momentum: float, rule: str) -> float:
    return math.log10(rate) / 4 + 0.3 * "abc".index(rule)


def test_on_scattered_trials_it_is_what_the_formula_says() -> None:
    trials = scattered(120, rule_and_rate)
    shares = shares_of(importance(trials))
    of_rate, of_rule = 1 / 12, 0.09 * 2 / 3  # of numbers uniform over (0, 1), and of 0, 1, 2
    by_formula = {"lr": of_rate, "rule": of_rule, "momentum": 0.0}
    total = of_rate + of_rule
    for name, variance in by_formula.items():
        assert shares[name] == pytest.approx(variance / total, abs=0.06)


def test_the_same_trials_have_the_same_importance() -> None:
    trials = scattered(20, rule_and_rate)
    assert importance(trials) == importance(trials)


def test_a_training_gone_astray_does_not_decide_alone() -> None:
    def value(lr: float, rule: str, l2: int) -> float:
        return -9.0 if (lr, rule, l2) == (0.4, "sgd", 1) else lr

    assert shares_of(importance(whole_grid(value)))["lr"] > 0.6


def test_a_space_too_large_for_a_grid_is_covered_evenly() -> None:
    """Of 16³ places half are taken, in each axis every one equally often, and in no order."""
    parameters = tuple(Parameter(name, "linear", (0.0, 1.0)) for name in "abc")
    points = _points(parameters, np.random.default_rng(0))
    assert points.shape == (MOST_POINTS, 3)
    middles = (np.arange(SHARES) + 0.5) / SHARES
    for column in points.T:
        places, counts = np.unique(column, return_counts=True)
        np.testing.assert_allclose(places, middles)
        assert set(counts) == {MOST_POINTS // SHARES}
    correlations = np.corrcoef(points.T)[np.triu_indices(3, 1)]
    assert np.abs(correlations).max() < 0.1


def test_so_many_trials_are_enough() -> None:
    def first(count: int) -> Trials:
        trials = [Trial(str(n), {"lr": float(n)}, n / 10) for n in range(count)]
        return study_trials("s", "val_loss", trials, is_maximised=False, scales={"lr": "linear"})

    assert importance(first(LEAST_TRIALS - 1)) is None
    assert shares_of(importance(first(LEAST_TRIALS))) == {"lr": pytest.approx(1)}


def test_without_anything_to_tell_there_is_none() -> None:
    assert importance(whole_grid(lambda lr, rule, l2: 0.5)) is None
    few = [Trial(str(n), {"lr": n}, n / 10) for n in range(3)]
    assert importance(study_trials("s", "val_loss", few, is_maximised=False)) is None
    running = [Trial(str(n), {"lr": n}, n / 10, state="running") for n in range(9)]
    assert importance(study_trials("s", "val_loss", running, is_maximised=False)) is None


def test_a_dependent_parameter_is_left_out() -> None:
    told = [{"rule": "momentum", "mu": n / 10} if n % 2 else {"rule": "sgd"} for n in range(20)]
    trials = [Trial(str(n), point, n % 2 + n / 100) for n, point in enumerate(told)]
    found = importance(study_trials("s", "val_accuracy", trials, is_maximised=True))
    assert found is not None
    assert found.names == ("rule",)
