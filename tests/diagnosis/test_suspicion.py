"""Which labels are suspicious, counted by hand, and how the sheet names their place."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.data import Dataset
from handloom.diagnosis.suspicion import judged, suspects_sheet

CHANCES = np.array([
    [0.98, 0.01, 0.01],  # right
    [0.001, 0.998, 0.001],  # said 1 at 998 to 1
    [0.3, 0.6, 0.1],  # wrong, but not surely
    [0.0001, 0.0, 0.9999],  # said 2 at 9,999 to 1
])  # fmt: skip
LABELS = np.array([0, 0, 0, 0])


def part() -> Dataset:
    images = np.arange(4, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 2), np.uint8)
    return Dataset(images, LABELS, ("a", "b", "c"))


def logs() -> np.ndarray:
    return np.log(np.maximum(CHANCES, 1e-30))


def test_odds_of_a_hundred_are_suspicious() -> None:
    found = judged(part(), logs(), 1.0, "validation")
    np.testing.assert_allclose(found.odds, [1, 998, 2, 9999], rtol=1e-9)
    np.testing.assert_array_equal(found.suspects, [1, 3])
    assert found.share == 0.5


def test_a_network_that_is_too_sure_is_believed_less_and_none_is_believed_more() -> None:
    np.testing.assert_array_equal(judged(part(), logs(), 1.5, "v").suspects, [3])
    np.testing.assert_array_equal(judged(part(), logs(), 0.1, "v").suspects, [1, 3])


def test_a_class_that_is_hardly_likely_is_no_contradiction() -> None:
    """Odds of 122 to 1 at 49 % confidence: two other classes are nearly as likely."""
    chances = np.array([[0.004, 0.49, 0.506 - 0.05, 0.05], [0.009, 0.901, 0.05, 0.04]])
    part = Dataset(np.zeros((2, 2, 2), np.uint8), np.array([0, 0]), ("a", "b", "c", "d"))
    found = judged(part, np.log(chances), 1.0, "validation")
    assert (found.odds > 100).all()
    np.testing.assert_array_equal(found.suspects, [1])
    (shown,) = suspects_sheet((found,), lambda image: None).shown
    assert shown.probability == pytest.approx(0.901)


def test_the_sheet_has_the_surest_of_all_parts_first() -> None:
    first = judged(part(), logs(), 1.0, "validation")
    second = judged(part(), logs()[::-1], 1.0, "train")
    sheet = suspects_sheet((first, second), lambda image: int(image[0, 0]) if image.any() else None)
    assert [(suspect.said, suspect.where) for suspect in sheet.shown] == [
        (2, "validation, row 3"),
        (2, "train"),  # an image that stands nowhere any more
        (1, "validation, row 1"),
        (1, "train, row 2"),
    ]
    assert (sheet.num_suspects, sheet.num_pictures) == (4, 8)
    assert sheet.shown[0].probability == pytest.approx(0.9999)
