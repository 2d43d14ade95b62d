"""Uneven classes and pairs: counts written by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from handloom.diagnosis.rules.classes import ClassImbalance, ConfusedPair


def of_counts(counts: list[int]) -> SimpleNamespace:
    train = SimpleNamespace(class_counts=lambda: np.array(counts))
    return SimpleNamespace(train=train)


@pytest.mark.parametrize(
    ("counts", "weights", "severity"),
    [
        ([500, 450, 400], None, None),
        ([500, 450, 100], None, "hint"),
        ([500, 450, 40], None, "problem"),
        ([500, 450, 0], None, "problem"),
        ([500, 450, 40], [1.0, 1.0, 10.0], "hint"),  # the recipe sees to it
        ([9, 7, 2], None, None),  # chance
    ],
)
def test_a_third_is_worth_a_word(evidence, counts, weights, severity: str | None) -> None:
    loss = {"name": "cross-entropy", "class_weights": weights}
    overrides = {"loss": loss} if weights else ()
    made = evidence(overrides=overrides, classes=3, parts=of_counts(counts), has_weights=False)
    found = ClassImbalance().examine(made)
    assert (found and found.severity) == severity
    if found is not None:
        assert found.figures["counts"] == dict(zip("012", counts, strict=True))
        assert ("class_weights" in found.advice) == (weights is None)


def test_the_rare_classes_recall_is_told(evidence) -> None:
    labels = np.array([0, 0, 0, 0, 1, 1, 1, 1, 2, 2])
    probabilities = np.eye(3)[[0, 0, 0, 1, 1, 1, 1, 1, 0, 2]]
    found = ClassImbalance().examine(
        evidence(
            classes=3,
            parts=of_counts([500, 450, 40]),
            has_weights=True,
            validation=SimpleNamespace(labels=labels),
            validation_probabilities=probabilities,
        )
    )
    assert found is not None
    assert "its validation recall is 50.0 %, and that of the other classes 87.5 %" in found.sentence


@pytest.mark.parametrize(
    ("pair", "others", "is_found"), [(30, 30, True), (30, 60, False), (9, 0, False)]
)
def test_two_fifths_of_many_mistakes_are_a_pair(evidence, pair, others, is_found: bool) -> None:
    labels = np.concatenate([np.repeat(3, pair), np.arange(others) % 2, np.repeat(7, 50)])
    said = np.concatenate([np.repeat(5, pair), 8 + np.arange(others) % 2, np.repeat(7, 50)])
    said[: pair // 3], labels[: pair // 3] = 3, 5  # both ways count
    images = np.zeros((len(labels), 4, 4), np.uint8)
    made = evidence(
        validation=SimpleNamespace(labels=labels, images=images),
        validation_probabilities=np.eye(10)[said],
    )
    found = ConfusedPair().examine(made)
    assert (found is not None) == is_found
    if found is not None:
        assert found.sentence.startswith(
            "Most mistakes are between 3 and 5: 30 of 60 on validation"
        )
        assert found.picture.part == "validation"


def test_of_three_classes_some_pair_has_to_lead(evidence) -> None:
    assert ConfusedPair().why_not(evidence(classes=3))
    assert ConfusedPair().why_not(evidence(classes=4)) == ""
