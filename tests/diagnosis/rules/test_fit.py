"""Overfitting, gaps and underfitting: where the lines run, on histories written by hand."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.diagnosis.neighbours import Nearest
from handloom.diagnosis.rules.fit import GeneralisationGap, Overfitting, Underfitting

FALLING = [1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2]


def test_overfitting_names_its_epoch_and_its_rise(evidence) -> None:
    rising = [0.9, 0.7, 0.5, 0.6, 0.6, 0.7, 0.8]
    found = Overfitting().examine(
        evidence(train_loss=FALLING, val_loss=rising, validation_loss_error=0.05)
    )
    assert found is not None
    assert found.severity == "problem"
    assert found.sentence.startswith("It overfits from epoch 3 of 7: ")
    assert "lowest there, 0.500, and is 40.0 % higher at the end (0.700)" in found.sentence
    assert "from 0.600 to 0.200" in found.sentence
    assert found.figures["start_epoch"] == 3
    assert found.picture.best.epoch == 3


@pytest.mark.parametrize(
    ("validation", "error"),
    [
        ([0.9, 0.7, 0.5, 0.5, 0.51, 0.52, 0.53], 0.0),  # hardly a rise
        ([0.9, 0.7, 0.5, 0.6, 0.6, 0.7, 0.8], 0.3),  # a rise of 40 %, with 30 % of noise
        ([0.9, 0.8, 0.7, 0.6, 0.6, 0.5, 0.9], 0.0),  # one epoch alone
        ([None] * 7, 0.0),
    ],
)
def test_no_overfitting_without_a_lasting_rise(evidence, validation, error: float) -> None:
    validation = [np.nan if value is None else value for value in validation]
    made = evidence(train_loss=FALLING, val_loss=validation, validation_loss_error=error)
    assert Overfitting().examine(made) is None


@pytest.mark.parametrize("classes", [2, 10])
def test_no_overfitting_where_the_loss_is_next_to_none(evidence, classes: int) -> None:
    """From 0.0005 to 0.001 it doubles, and no image is the worse for it."""
    validation = [0.01, 0.001, 0.0005, 0.0007, 0.0009, 0.001, 0.001]
    made = evidence(
        train_loss=[each / 1000 for each in FALLING],
        val_loss=validation, validation_loss_error=0.0, classes=classes,
    )  # fmt: skip
    assert Overfitting().examine(made) is None


def test_a_training_loss_that_rises_as_well_is_no_overfitting(evidence) -> None:
    rising = [0.9, 0.7, 0.5, 0.6, 0.6, 0.7, 0.8]
    made = evidence(train_loss=rising, val_loss=rising, validation_loss_error=0.0)
    assert Overfitting().examine(made) is None


@pytest.mark.parametrize(
    ("seen", "unseen", "count", "severity"),
    [
        (0.99, 0.93, 6000, None),
        (0.99, 0.90, 6000, "hint"),
        (1.0, 0.75, 6000, "problem"),
        (1.0, 0.90, 50, None),  # three standard errors of 50 images are 13 points
    ],
)
def test_the_gap_has_to_be_large_and_sure(
    evidence, seen: float, unseen: float, count: int, severity: str | None
) -> None:
    made = evidence(
        val_accuracy=[unseen], seen_accuracy=seen, validation_accuracy=unseen,
        validation=range(count),
    )  # fmt: skip
    found = GeneralisationGap().examine(made)
    assert (found and found.severity) == severity


@pytest.mark.parametrize(
    ("losses", "told"), [(FALLING, "more epochs"), ([0.5] * 7, "larger network")]
)
def test_underfitting_says_whether_patience_would_help(evidence, losses, told: str) -> None:
    made = evidence(train_loss=losses, seen_accuracy=0.8, nearest=Nearest(0.9, 720, 80))
    found = Underfitting().examine(made)
    assert found is not None
    assert told in found.advice
    assert "accuracy on its own training images is 80.0 %" in found.sentence
    assert "of 720 images is right for 90.0 % of 80 validation images" in found.sentence
    assert Underfitting().examine(evidence(seen_accuracy=0.88, nearest=Nearest(0.9, 9, 9))) is None


@pytest.mark.parametrize(("seen", "is_said"), [(0.1, True), (0.5, False)])
def test_a_loss_kept_high_by_smoothing_is_not_that_of_guessing(
    evidence, seen: float, is_said: bool
) -> None:
    """ln 10 is 2.30; with so much smoothing a good network has 2.2."""
    made = evidence(
        train_loss=[2.29, 2.2, 2.2], seen_accuracy=seen, nearest=Nearest(0.9, 720, 80),
        overrides={"loss.name": "cross-entropy", "loss.label_smoothing": 0.6},
    )  # fmt: skip
    found = Underfitting().examine(made)
    assert found is not None
    assert ("almost nothing" in found.advice) == is_said
    assert ("lower loss.label_smoothing" in found.advice) != is_said
