"""Resized images, and epochs that see them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from handloom.data import Batches, Dataset, Mixing, Normalisation, Stage, resize


def test_a_smaller_pixel_is_the_mean_of_those_it_covers(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (3, 2, 8, 12), np.uint8)
    expected = images.reshape(3, 2, 4, 2, 6, 2).mean(axis=(3, 5))
    found = resize(images, 4)
    assert found.shape == (3, 2, 4, 6)
    assert np.abs(found - expected).max() <= 0.5


def test_a_larger_picture_is_read_bilinearly(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (3, 6, 5), np.uint8)
    theirs = torch.nn.functional.interpolate(
        torch.tensor(images[:, None], dtype=torch.float64), (12, 10), mode="bilinear"
    )
    found = resize(images, 12)
    assert np.abs(found - theirs[:, 0].numpy()).max() <= 1


@pytest.mark.parametrize(("height", "width"), [(1, 1), (2, 1), (4, 3), (7, 5), (13, 9)])
def test_the_width_keeps_the_proportions(height: int, width: int) -> None:
    assert resize(np.full((2, 10, 7), 9, np.uint8), height).shape == (2, height, width)
    assert resize(np.full((1, 10, 7), 9, np.uint8), height).min() == 9


def batches(stages: tuple[Stage, ...]) -> Batches:
    images = np.random.default_rng(1).integers(0, 256, (20, 8, 8), np.uint8)
    dataset = Dataset(images, np.arange(20) % 4, tuple("abcd"))
    return Batches(
        dataset, Normalisation("scale"), 6, seed=2, mixing=Mixing(cutmix=1.0), stages=stages
    )


def test_each_epoch_has_the_size_of_its_stage() -> None:
    staged = batches((Stage(2, 4), Stage(3, 6)))
    assert [staged.epoch(epoch)[0].x.shape[2:] for epoch in range(5)] == [
        (4, 4), (4, 4), (6, 6), (8, 8), (8, 8),
    ]  # fmt: skip
    plain = batches(())
    for epoch in (0, 2, 4):
        assert np.array_equal(staged.epoch(epoch).order, plain.epoch(epoch).order)
    assert np.array_equal(staged.epoch(4)[1].x, plain.epoch(4)[1].x)
    assert staged.epoch(1).batches is staged.epoch(0).batches, "resized once, not every epoch"


def test_a_stage_sees_the_resized_data_set() -> None:
    staged = batches((Stage(1, 4),))
    small = Batches(
        Dataset(resize(staged.dataset.images, 4), staged.dataset.labels, tuple("abcd")),
        Normalisation("scale"), 6, seed=2, mixing=Mixing(cutmix=1.0),
    )  # fmt: skip
    for found, expected in zip(staged.epoch(0), small.epoch(0), strict=True):
        np.testing.assert_array_equal(found.x, expected.x)
        np.testing.assert_array_equal(found.labels, expected.labels)
