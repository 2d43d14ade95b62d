from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy import stats
from study_made import grid, nothing, only_running, search

from handloom.views import Parameter, Trial, Trials, study_trials
from handloom.views.study.trials import worth_showing, written_value


def of(*told: dict[str, Any], **settings: Any) -> Trials:
    trials = [Trial(str(number), parameters, 0.5) for number, parameters in enumerate(told)]
    return study_trials("s", "val_accuracy", trials, is_maximised=True, **settings)


def test_the_best_is_the_first_of_equals_and_complete() -> None:
    values = [(0.9, "pruned"), (0.7, "complete"), (math.nan, "complete"), (0.7, "complete")]
    trials = [Trial("", {}, value, state=state) for value, state in values]
    for is_maximised in (True, False):
        made = study_trials("s", "val_loss", trials, is_maximised=is_maximised)
        np.testing.assert_array_equal(made.values, [math.nan, 0.7, math.nan, 0.7])
        assert made.best == 1
    assert nothing().best is None
    assert only_running().best is None


@pytest.mark.parametrize("made", [grid(), search(60)], ids=["grid", "search"])
def test_quality_is_the_rank_among_complete_trials(made: Trials) -> None:
    known = np.isfinite(made.values)
    goodness = made.values[known] if made.is_maximised else -made.values[known]
    expected = (stats.rankdata(goodness, "max") - 1) / (known.sum() - 1)
    np.testing.assert_allclose(made.quality[known], expected)
    assert np.isnan(made.quality[~known]).all()
    assert made.quality[made.best] == 1


def test_axes_are_divided_as_their_values_ask() -> None:
    numbers = [0.001 * 2**n for n in range(12)]
    told = [
        {"few": n % 3, "log": value, "even": 10.0 + value, "text": "ab"[n % 2], "same": 1}
        for n, value in enumerate(numbers)
    ]
    few, log, even, text = of(*told).parameters
    assert few == Parameter("few", "choice", (0, 1, 2))
    assert log == Parameter("log", "log", (0.001, 2.048))
    assert even == Parameter("even", "linear", (10.001, 12.048))
    assert text == Parameter("text", "choice", ("a", "b"))
    assert of(*told, scales={"few": "linear"}).parameters[0] == Parameter("few", "linear", (0, 2))


def test_what_is_missing_is_no_level_but_a_difference() -> None:
    made = of({"a": 1, "b": 2}, {"a": 1}, {"a": 1, "b": None})
    assert made.parameters == (Parameter("b", "choice", (2,)),)
    np.testing.assert_array_equal(made.places(made.parameters[0]), [0.5, math.nan, math.nan])


def test_lists_are_a_choice_until_they_are_many() -> None:
    few = of({"hidden": [256, 128]}, {"hidden": [64, 32]})
    assert few.parameters == (Parameter("hidden", "choice", ((64, 32), (256, 128))),)
    many = of(*({"hidden": [width] * (1 + width % 2)} for width in range(20)))
    assert [p.name for p in many.parameters] == ["hidden.length", "hidden.0", "hidden.1"]
    assert np.isnan(many.places(many.parameters[2])).sum() == 10


def test_places_are_shares_of_the_axis() -> None:
    log = Parameter("lr", "log", (1e-4, 1.0))
    assert log.place(0.01) == pytest.approx(0.5)
    assert log.value_at(0.25) == pytest.approx(1e-3)
    assert Parameter("m", "linear", (0.5, 1.0)).place(0.6) == pytest.approx(0.2)
    assert Parameter("c", "choice", ("a", "b", "c", "d")).place("c") == pytest.approx(0.625)


@pytest.mark.parametrize(
    ("parameter", "ticks"),
    [
        (Parameter("lr", "log", (5e-4, 2.0)), ["0.001", "0.01", "0.1", "1"]),
        (Parameter("lr", "log", (0.01, 0.2)), ["0.01", "0.02", "0.05", "0.1", "0.2"]),
        (Parameter("m", "linear", (0.0, 0.99)), ["0", "0.2", "0.4", "0.6", "0.8"]),
        (Parameter("c", "choice", ((64, 32), (8,))), ["64-32", "8"]),
    ],
)
def test_ticks_are_round_and_inside(parameter: Parameter, ticks: list[str]) -> None:
    assert [label for _, label in parameter.ticks()] == ticks
    assert all(-1e-9 <= place <= 1 + 1e-9 for place, _ in parameter.ticks())


def test_what_went_astray_is_not_worth_showing() -> None:
    values = np.array([0.90, 0.89, 0.88, 0.87, 0.86, 0.10, math.nan])
    assert worth_showing(values, is_maximised=True) == (0.86, 0.90)
    assert worth_showing(-values, is_maximised=False) == (-0.86, -0.90)
    assert worth_showing(values[:2], is_maximised=True) == (0.89, 0.90)
    assert worth_showing(np.array([0.5, 0.9, 0.9]), is_maximised=True) == (0.5, 0.9)
    assert worth_showing(values[-1:], is_maximised=True) == (0.0, 0.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), (5e-4, "0.0005"), (20_000, "20,000"), ([256, 128], "256-128"), (True, "true"),
     ("", "none"), ([], "none"), ("a\nb", "a b"), ({"a": "b", "c": 0.5}, "a b, c 0.5")],
)  # fmt: skip
def test_values_are_written_short(value: Any, text: str) -> None:
    assert written_value(value) == text
