"""What rules hand over to be drawn: each layer's figure, its words, and which of them are ill."""

from __future__ import annotations

import pytest

from handloom.diagnosis.probe import Signal, Steps, Units, Update
from handloom.diagnosis.rules.gradients import ExplodingGradients, UpdateRatios, VanishingGradients
from handloom.diagnosis.rules.units import DeadReLUs, SaturatedUnits
from handloom.views import Bar


def test_dead_units_are_drawn_by_their_share(evidence) -> None:
    units = (
        Units("1", "ReLU", 10, 7, 0.0), Units("3", "ReLU", 20, 1, 0.0),
        Units("5", "Tanh", 10, 0, 0.9), Units("7", "ReLU", 10, 3, 0.0),
    )  # fmt: skip
    found = DeadReLUs().examine(evidence(units=units))
    picture = found.picture
    assert picture.bars == (
        Bar("1 ReLU", 0.7, "7 of 10", True),
        Bar("3 ReLU", 0.05, "1 of 20", False),
        Bar("7 ReLU", 0.3, "3 of 10", True),
    )
    assert picture.usual == (0.0, 0.3)
    assert (picture.heading, picture.unit) == ("Dead ReLUs by layer", "share of units")
    assert "zero" in picture.note
    assert not picture.is_log
    assert found.severity == "problem"
    assert found.figures["dead"] == {"1": 7, "3": 1, "7": 3}
    assert found.figures["units"] == {"1": 10, "3": 20, "7": 10}
    assert "7 of 10 in layer 1, 3 of 10 in layer 7 output zero" in found.sentence


@pytest.mark.parametrize(
    ("dead", "severity"), [(2, None), (3, "hint"), (5, "hint"), (6, "problem")]
)
def test_limits_of_dead_units(evidence, dead: int, severity: str | None) -> None:
    found = DeadReLUs().examine(evidence(units=(Units("1", "ReLU", 10, dead, 0.0),)))
    assert (found and found.severity) == severity


def test_saturated_units_are_drawn_by_their_share(evidence) -> None:
    units = (
        Units("1", "Sigmoid", 10, 0, 0.9), Units("3", "Tanh", 10, 0, 0.2),
        Units("5", "ReLU", 10, 9, 0.0), Units("7", "Tanh", 10, 0, 0.6),
    )  # fmt: skip
    found = SaturatedUnits().examine(evidence(units=units))
    picture = found.picture
    assert picture.bars == (
        Bar("1 Sigmoid", 0.9, "90.0 %", True),
        Bar("3 Tanh", 0.2, "20.0 %", False),
        Bar("7 Tanh", 0.6, "60.0 %", True),
    )
    assert picture.usual == (0.0, 0.6)
    assert picture.unit == "share of outputs"
    assert found.severity == "problem"
    assert found.figures["saturated"] == {"1": 0.9, "3": 0.2, "7": 0.6}
    assert found.sentence.startswith("Sigmoid and Tanh units are saturated")
    assert "90.0 % in layer 1, 60.0 % in layer 7" in found.sentence


@pytest.mark.parametrize(
    ("share", "severity"), [(0.59, None), (0.6, "hint"), (0.84, "hint"), (0.85, "problem")]
)
def test_limits_of_saturation(evidence, share: float, severity: str | None) -> None:
    found = SaturatedUnits().examine(evidence(units=(Units("1", "Tanh", 10, 0, share),)))
    assert (found and found.severity) == severity


def test_only_so_many_layers_are_in_a_sentence(evidence) -> None:
    units = tuple(Units(str(place), "ReLU", 10, 8, 0.0) for place in range(7))
    said = DeadReLUs().examine(evidence(units=units)).sentence
    assert "8 of 10 in layer 3, and so on in 3 more layers output zero" in said
    assert "layer 4" not in said
    said = DeadReLUs().examine(evidence(units=units[:4])).sentence
    assert "8 of 10 in layer 3 output zero" in said


@pytest.mark.parametrize(
    ("rule", "norms", "ill"),
    [
        (VanishingGradients, (0.009, 0.5, 1.0), [True, False, False]),
        (ExplodingGradients, (101.0, 99.0, 1.0), [True, False, False]),
    ],
)
def test_gradients_are_drawn_beside_what_is_usual(evidence, rule, norms, ill) -> None:
    """A hundredth and a hundredfold of what reaches the last layer."""
    signals = tuple(Signal(str(place), "Conv2d", norm) for place, norm in enumerate(norms))
    picture = rule().examine(evidence(signals=signals)).picture
    assert [bar.name for bar in picture.bars] == ["0 Conv2d", "1 Conv2d", "2 Conv2d"]
    assert [bar.value for bar in picture.bars] == list(norms)
    assert [bar.is_ill for bar in picture.bars] == ill
    assert all(bar.told for bar in picture.bars)
    assert picture.usual == pytest.approx((0.01, 100.0))
    assert picture.is_log
    assert picture.unit == "norm of the gradient"
    assert "Green: the usual range" in picture.note
    assert picture.heading.endswith(" gradients")


def test_steps_are_drawn_beside_what_is_usual(evidence) -> None:
    updates = (Update("1.weight", 0.2), Update("3.weight", 1e-3), Update("5.weight", 1e-6))
    found = UpdateRatios().examine(evidence(steps=Steps(updates, 0.0, 6, 0.1), seen_accuracy=0.5))
    picture = found.picture
    assert [(bar.name, bar.value, bar.is_ill) for bar in picture.bars] == [
        ("1.weight", 0.2, True), ("3.weight", 1e-3, False), ("5.weight", 1e-6, True),
    ]  # fmt: skip
    assert picture.usual == (2e-5, 5e-2)
    assert picture.is_log
    assert picture.unit == "step / weight"
    assert found.figures["ratios"] == {"1.weight": 0.2, "3.weight": 1e-3, "5.weight": 1e-6}
    assert "at the learning rate 0.1" in found.sentence
    assert found.severity == "hint"
