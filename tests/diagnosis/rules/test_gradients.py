"""Gradients and steps: ratios written by hand."""

from __future__ import annotations

import math

import pytest

from handloom.diagnosis.probe import Signal, Steps, Units, Update
from handloom.diagnosis.rules.gradients import ExplodingGradients, UpdateRatios, VanishingGradients


def signals(*norms: float) -> tuple[Signal, ...]:
    return tuple(Signal(str(place), "Linear", norm) for place, norm in enumerate(norms))


@pytest.mark.parametrize(
    ("norms", "vanishing", "exploding"),
    [
        ((0.1, 0.3, 0.9), None, False),
        ((0.005, 0.1, 0.9), "hint", False),
        ((0.0, 0.1, 0.9), "problem", False),
        ((500.0, 30.0, 0.9), None, True),
        ((math.inf, 30.0, 0.9), None, True),
    ],
)
def test_a_hundredth_and_a_hundredfold_are_the_limits(
    evidence, norms, vanishing, exploding
) -> None:
    made = evidence(signals=signals(*norms))
    found = VanishingGradients().examine(made)
    assert (found and found.severity) == vanishing
    found = ExplodingGradients().examine(made)
    assert (found is not None) == exploding
    if found is not None:
        assert [bar.is_ill for bar in found.picture.bars] == [True, False, False]


def test_a_gradient_that_is_enormous_as_a_whole_explodes_too(evidence) -> None:
    found = ExplodingGradients().examine(
        evidence(signals=signals(1.0, 1.0), grad_norm=[3.0, 2500.0])
    )
    assert found is not None
    assert "was 2,500 in the last epoch" in found.sentence


def test_where_there_is_no_way_back_there_is_nothing_to_say(evidence) -> None:
    assert "one layer" in VanishingGradients().why_not(evidence(signals=signals(1.0)))
    assert "fitted" in ExplodingGradients().why_not(evidence(signals=signals(0.0, 0.0)))
    assert VanishingGradients().why_not(evidence(signals=signals(0.1, 1.0))) == ""


@pytest.mark.parametrize(
    ("ratio", "seen", "is_found"),
    [
        (1e-3, 0.5, False),
        (0.2, 0.99, True),
        (1e-6, 0.5, True),
        (1e-6, 0.99, False),
        (math.nan, 1, True),
    ],
)
def test_small_steps_are_usual_once_all_is_learnt(
    evidence, ratio: float, seen: float, is_found: bool
) -> None:
    steps = Steps((Update("1.weight", ratio), Update("3.weight", 1e-3)), 0.0, 6, 0.1)
    found = UpdateRatios().examine(evidence(steps=steps, seen_accuracy=seen))
    assert (found is not None) == is_found
    if found is not None:
        assert found.describe()["figures"]["ratios"]["1.weight"] == (
            None if ratio != ratio else ratio
        )
        assert "of 1.weight;" in found.sentence
        assert [bar.is_ill for bar in found.picture.bars] == [True, False]


def test_small_steps_of_a_dead_layer_are_its_units_matter(evidence) -> None:
    dead = {"units": (Units("2", "ReLU", 16, 16, 0.0),)}
    still = Steps((Update("1.weight", 0.0), Update("3.weight", 0.0)), 0.0, 6, 0.05)
    assert UpdateRatios().examine(evidence(steps=still)) is not None
    assert UpdateRatios().examine(evidence(steps=still, **dead)) is None
