"""Features: numbers in the place of pixels, through the same batches."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.data import Batches, Dataset, Features, Normalisation, split
from handloom.errors import DataError, ShapeError

NAMES = ("cat", "dog", "owl")


@pytest.fixture
def features(rng) -> Features:
    images = rng.normal(size=(30, 2, 1, 4)).astype(np.float32)
    return Features(images, np.arange(30) % 3, NAMES, "pets")


def test_batches_yield_the_numbers_as_they_are(features: Features) -> None:
    batches = Batches(features, Normalisation("none"), 8, seed=3)
    order = batches.order(1)
    for step, batch in enumerate(batches.epoch(1)):
        rows = order[8 * step : 8 * step + 8]
        np.testing.assert_array_equal(batch.x, features.images[rows])
        np.testing.assert_array_equal(batch.labels, features.labels[rows])
        assert batch.x.dtype == np.float32
    exact = Normalisation("none")(features.images.astype(np.float64), np.float64)
    assert exact.dtype == np.float64


def test_parts_of_features_are_features(features: Features) -> None:
    parts = split(features, 0.2, seed=0, stratify=True)
    assert [type(part) for part in parts] == [Features, Features]
    assert [len(part) for part in parts] == [24, 6]
    assert type(Dataset(np.zeros((4, 2, 2), np.uint8), [0] * 4, NAMES).take([1])) is Dataset


@pytest.mark.parametrize(
    ("images", "error", "told"),
    [
        (np.zeros((2, 1, 1, 3)), DataError, "features are float64; they have to be float32"),
        (np.zeros((2, 3), np.float32), ShapeError, r"the shape \(N, C, H, W\), got \(2, 3\)"),
        (np.full((2, 1, 1, 1), np.nan, np.float32), DataError, "some features are not finite"),
    ],
)
def test_what_are_no_features_is_refused(images, error, told: str) -> None:
    with pytest.raises(error, match=told):
        Features(images, np.zeros(2, int), NAMES)
