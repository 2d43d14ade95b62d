"""Confidence: which way it errs, whether a temperature helps, and when chance explains it."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.diagnosis.calibration import reliability
from handloom.diagnosis.rules.calibration import Miscalibration


def of_confidence(evidence, confidence: np.ndarray, right: np.ndarray, **given):
    """Two classes; the first is said with the confidence, and is the label where it is right."""
    probabilities = np.column_stack([confidence, 1 - confidence])
    labels = np.where(right, 0, 1)
    return evidence(
        validation_probabilities=probabilities,
        validation_accuracy=float(right.mean()),
        reliability=reliability(np.log(probabilities), labels, "validation"),
        **given,
    )


@pytest.mark.parametrize(
    ("confidence", "share", "begin", "remedy"),
    [
        (0.95, 0.80, "It is overconfident: ", "Divide the outputs by the temperature 2."),
        (0.70, 0.90, "It is underconfident: ", "Divide the outputs by the temp"),
    ],
)
def test_it_tells_which_way_and_what_a_temperature_does(
    evidence, confidence: float, share: float, begin: str, remedy: str
) -> None:
    right = np.arange(1000) < share * 1000
    found = Miscalibration().examine(of_confidence(evidence, np.full(1000, confidence), right))
    assert found is not None
    assert found.severity == "problem"
    assert found.sentence.startswith(begin)
    assert found.advice.startswith(remedy)
    assert found.figures["ece"] == pytest.approx(abs(confidence - share))
    assert found.figures["ece_at_temperature"] == pytest.approx(0, abs=1e-4)


def test_errors_both_ways_have_no_temperature(evidence) -> None:
    confidence = np.repeat([0.6, 0.95], 500)
    right = np.concatenate([np.arange(500) < 450, np.arange(500) < 325])
    found = Miscalibration().examine(of_confidence(evidence, confidence, right))
    assert found is not None
    assert found.sentence.startswith("Its confidence is too high for some images and too low")
    assert found.advice.startswith("No temperature corrects it")


def test_what_chance_explains_is_no_finding(evidence, rng: np.random.Generator) -> None:
    confidence = rng.uniform(0.5, 1, 80)
    made = of_confidence(evidence, confidence, rng.random(80) < confidence)
    assert made.reliability.ece > Miscalibration.worth_a_word
    assert Miscalibration().examine(made) is None


def test_squares_give_no_probabilities(evidence) -> None:
    rule = Miscalibration()
    assert "mse" in rule.why_not(evidence(has_probabilities=False))
    assert rule.why_not(evidence(has_probabilities=True)) == ""
