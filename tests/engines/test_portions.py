"""Portions of an epoch: the same examples in the same batches, side by side with those alike."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.random import Generator

from handloom import nn
from handloom.data import Batches, Dataset, Features, Normalisation
from handloom.engines.portions import Portions, sizes


def drawn(rng: Generator, count: int, width: int) -> Dataset:
    """Boxes of any size at any place on black."""
    images = np.zeros((count, 6, width), np.uint8)
    for image in images:
        top, left = rng.integers(6), rng.integers(width)
        image[top : top + rng.integers(1, 6), left : left + rng.integers(1, width)] = 200
    return Dataset(images, np.arange(count) % 3, ("a", "b", "c"))


def network(rng: Generator, *more: nn.Layer) -> nn.Sequential:
    return nn.Sequential(nn.Flatten(), *more, nn.Linear(48, 3, rng=rng))


@pytest.mark.parametrize("width", [8, 7])
def test_sizes_are_columns_and_then_rows(width: int, rng: Generator) -> None:
    images = drawn(rng, 30, width).images
    expected = [(np.any(i, axis=0).sum(), np.any(i, axis=1).sum()) for i in images]
    found = sizes(images[:, np.newaxis])
    assert sorted(range(30), key=lambda i: (found[i], i)) == sorted(
        range(30), key=lambda i: (expected[i], i)
    )
    assert len(np.unique(found)) == len(set(expected))


def test_a_batch_keeps_its_examples_ordered_by_size(rng: Generator) -> None:
    batches = Batches(drawn(rng, 30, 8), Normalisation("scale"), 7, seed=3)
    epoch = batches.epoch(1)
    images, rows, labels = Portions(network(rng), np.float32).take(
        epoch, (1, 5), as_bytes=True, by_size=True
    )
    np.testing.assert_array_equal(labels, batches.dataset.labels[rows])
    keys = sizes(images)
    for step in range(1, 5):
        part = rows[(step - 1) * 7 : step * 7]
        assert set(part) == set(epoch.positions(step, step + 1))
        assert (np.diff(keys[part]) >= 0).all()


def test_where_dropout_counts_places_the_order_stays(rng: Generator) -> None:
    epoch = Batches(drawn(rng, 30, 8), Normalisation("scale"), 7, seed=3).epoch(0)
    for p, stays in ((0.5, True), (0.0, False)):
        portions = Portions(network(rng, nn.Dropout(p, rng=rng)), np.float32)
        _, rows, _ = portions.take(epoch, (0, 5), as_bytes=True, by_size=True)
        assert np.array_equal(rows, epoch.order) == stays


def test_numbers_are_normalised(rng: Generator) -> None:
    epoch = Batches(drawn(rng, 30, 8), Normalisation("scale"), 7, seed=3).epoch(0)
    x, rows, labels = Portions(network(rng), np.float32).take(
        epoch, (2, 4), as_bytes=False, by_size=False
    )
    np.testing.assert_array_equal(x[rows], np.concatenate([epoch[2].x, epoch[3].x]))
    np.testing.assert_array_equal(labels, np.concatenate([epoch[2].labels, epoch[3].labels]))


def test_features_have_no_size_and_keep_their_order(rng: Generator) -> None:
    numbers = rng.normal(size=(20, 1, 6, 8)).astype(np.float32)
    dataset = Features(numbers, np.arange(20) % 3, ("a", "b", "c"))
    epoch = Batches(dataset, Normalisation("none"), 7, seed=3).epoch(0)
    taken, rows, labels = Portions(network(rng), np.float32).take(
        epoch, (0, 3), as_bytes=False, by_size=True
    )
    np.testing.assert_array_equal(taken[rows], numbers[epoch.order])
    np.testing.assert_array_equal(labels, dataset.labels[epoch.order])


def test_other_pictures_have_sizes_of_their_own(rng: Generator) -> None:
    """As those of another stage, or of an epoch whose images are augmented."""
    portions = Portions(network(rng), np.float32)
    for _ in range(2):
        batches = Batches(drawn(rng, 30, 8), Normalisation("scale"), 30, seed=3)
        images, rows, _ = portions.take(batches.epoch(0), (0, 1), as_bytes=True, by_size=True)
        assert (np.diff(sizes(images)[rows]) >= 0).all()
