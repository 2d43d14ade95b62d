from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from handloom.data.batches.augment import Augmentation, append
from handloom.data.dataset import Dataset
from handloom.errors import ConfigError, DataError, ShapeError

SETTINGS: dict[str, dict[str, Any]] = {
    "flip": {"flip": 0.5},
    "rotate": {"rotate": 20.0},
    "scale": {"scale": 0.2},
    "shear": {"shear": 0.2},
    "shift": {"shift": 0.1},
    "elastic": {"elastic_alpha": 30.0},
    "crop": {"crop_padding": 2},
    "noise": {"noise": 0.1},
    "erase": {"erase": 0.5},
    "all": {
        "flip": 0.5,
        "rotate": 10.0,
        "scale": 0.1,
        "shear": 0.1,
        "shift": 0.05,
        "elastic_alpha": 20.0,
        "crop_padding": 1,
        "noise": 0.02,
        "erase": 0.3,
    },
}


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    """150 images, more than are changed at once, of another height than width."""
    return rng.integers(1, 256, (150, 16, 14), np.uint8)


def applied(
    settings: dict[str, Any], images: np.ndarray, *, epoch: int = 0, seed: int = 0
) -> np.ndarray:
    positions = np.arange(len(images))
    return Augmentation(**settings).apply(images, positions, seed=seed, epoch=epoch)


def test_nothing_set_returns_the_pictures_themselves(images: np.ndarray) -> None:
    assert Augmentation().is_identity
    assert applied({}, images) is images


@pytest.mark.parametrize("name", SETTINGS)
def test_a_picture_changes_alike_in_any_company(name: str, images: np.ndarray) -> None:
    augmentation = Augmentation(**SETTINGS[name])
    whole = applied(SETTINGS[name], images)
    order = np.random.default_rng(1).permutation(150)[:97]
    mixed = augmentation.apply(images[order], order, seed=0, epoch=0)
    np.testing.assert_array_equal(mixed, whole[order])
    alone = augmentation.apply(images[5:6], np.array([5]), seed=0, epoch=0)
    np.testing.assert_array_equal(alone[0], whole[5])


@pytest.mark.parametrize("name", SETTINGS)
def test_chance_is_seed_epoch_and_position(name: str, images: np.ndarray) -> None:
    before = images.copy()
    first = applied(SETTINGS[name], images)
    np.testing.assert_array_equal(images, before)
    assert (first.shape, first.dtype) == (images.shape, np.uint8)
    assert not np.array_equal(first, images)
    np.testing.assert_array_equal(first, applied(SETTINGS[name], images))
    assert not np.array_equal(first, applied(SETTINGS[name], images, epoch=1))
    assert not np.array_equal(first, applied(SETTINGS[name], images, seed=1))
    same = np.repeat(images[:1], 20, axis=0)
    assert len(np.unique(applied(SETTINGS[name], same), axis=0)) > 1


def test_one_setting_does_not_move_the_chance_of_another(images: np.ndarray) -> None:
    flipped = (applied({"flip": 0.5}, images) != images).any(axis=(1, 2))
    both = applied({"flip": 0.5, "erase": 1.0}, images)
    expected = np.where(flipped[:, None, None], images[:, :, ::-1], images)
    np.testing.assert_array_equal(both[both > 0], expected[both > 0])


def test_flip_mirrors_as_many_as_asked_and_twice_is_identity(images: np.ndarray) -> None:
    np.testing.assert_array_equal(applied({"flip": 1.0}, images), images[:, :, ::-1])
    np.testing.assert_array_equal(applied({"flip": 1.0}, applied({"flip": 1.0}, images)), images)
    flipped = (applied({"flip": 0.5}, images) != images).any(axis=(1, 2))
    assert 50 < flipped.sum() < 100


def test_crop_is_a_whole_shift_with_black_filled_in(images: np.ndarray) -> None:
    framed = np.pad(images, ((0, 0), (2, 2), (2, 2)))
    seen = set()
    for row, picture in enumerate(applied({"crop_padding": 2}, images)):
        windows = [
            (top, left)
            for top in range(5)
            for left in range(5)
            if np.array_equal(framed[row, top : top + 16, left : left + 14], picture)
        ]
        assert len(windows) == 1
        seen.update(windows)
    assert len(seen) == 25


def test_erase_makes_one_black_rectangle_of_the_sides_asked(images: np.ndarray) -> None:
    settings = {"erase": 0.6, "erase_min": 3, "erase_max": 5}
    changed = applied(settings, images)
    sides, corners = [], []
    for old, new in zip(images, changed, strict=True):
        rows, columns = np.nonzero(new == 0)  # no pixel of the old images is black
        if rows.size:
            hole = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            assert not new[hole].any()
            sides.append(new[hole].shape)
            corners.append((rows.min(), columns.min()))
            new[hole] = old[hole]
    np.testing.assert_array_equal(changed, images)
    assert 70 < len(sides) < 110
    assert set(sides) == {(height, width) for height in (3, 4, 5) for width in (3, 4, 5)}
    assert abs(np.corrcoef(np.transpose(corners))[0, 1]) < 0.4  # 4 standard errors


def test_a_rectangle_larger_than_the_picture_erases_all(images: np.ndarray) -> None:
    assert not applied({"erase": 1.0, "erase_min": 50, "erase_max": 60}, images).any()


def test_noise_is_gaussian_with_the_std_asked() -> None:
    grey = np.full((100, 20, 20), 128, np.uint8)
    noise = applied({"noise": 0.1}, grey).astype(np.float64) - 128.0
    assert noise.mean() == pytest.approx(0.0, abs=0.5)
    assert noise.std() == pytest.approx(25.5, rel=0.02)
    assert (noise**4).mean() / noise.var() ** 2 == pytest.approx(3.0, abs=0.1)  # the bell's tails
    black = applied({"noise": 0.1}, np.zeros((4, 20, 20), np.uint8))
    assert black.max() < 255  # cut off at black, not wrapped around


def test_elastic_bends_by_the_std_that_theory_gives() -> None:
    ramp = np.tile(np.arange(0, 250, 5, dtype=np.uint8), (200, 50, 1))
    bent = applied({"elastic_alpha": 30.0, "elastic_sigma": 4.0}, ramp).astype(np.float64)
    moved = (bent - ramp)[:, 15:35, 15:35] / 5.0  # pixels, where no border is near
    # uniform (-1, 1) has std 1/√3; a Gaussian filter in two dimensions divides it by 2σ√π
    assert moved.std() == pytest.approx(30.0 / np.sqrt(3.0) / (8.0 * np.sqrt(np.pi)), rel=0.05)


def test_shift_is_a_fraction_of_the_side_it_goes_along() -> None:
    y, x = np.mgrid[:61, :21]
    hill = (200.0 * np.exp(-((y - 30) ** 2 + (x - 10) ** 2) / 4.0)).astype(np.uint8)
    shifted = applied({"shift": 0.2}, np.repeat(hill[None], 200, axis=0)).astype(np.float64)
    mass = shifted.sum(axis=(1, 2))
    down = (shifted * y).sum(axis=(1, 2)) / mass - 30.0
    right = (shifted * x).sum(axis=(1, 2)) / mass - 10.0
    for moved, most in ((down, 12.2), (right, 4.2)):
        assert 0.95 * most < moved.max() <= most + 0.05
        assert -0.95 * most > moved.min() >= -most - 0.05


def test_rotation_keeps_the_middle_and_the_mass() -> None:
    y, x = np.mgrid[:28, :28]
    hill = 200.0 * np.exp(-((y - 13.5) ** 2 + ((x - 13.5) / 1.5) ** 2) / 8.0)
    turned = applied({"rotate": 180.0}, np.repeat(hill.astype(np.uint8)[None], 30, axis=0))
    for picture in turned.astype(np.float64):
        assert picture.sum() == pytest.approx(turned.sum() / 30, rel=0.02)
        assert (picture * y).sum() / picture.sum() == pytest.approx(13.5, abs=0.1)
        assert (picture * x).sum() / picture.sum() == pytest.approx(13.5, abs=0.1)


@pytest.mark.parametrize("name", [name for name in SETTINGS if name not in ("noise", "all")])
def test_channels_move_together(name: str, images: np.ndarray) -> None:
    grey = applied(SETTINGS[name], images)
    coloured = applied(SETTINGS[name], np.stack([images, 255 - images, images], axis=1))
    assert coloured.shape == (150, 3, 16, 14)
    np.testing.assert_array_equal(coloured[:, 0], grey)
    np.testing.assert_array_equal(coloured[:, 2], grey)


def test_noise_differs_from_channel_to_channel() -> None:
    grey = np.full((2, 3, 8, 8), 128, np.uint8)
    noisy = applied({"noise": 0.1}, grey)
    assert not np.array_equal(noisy[:, 0], noisy[:, 1])
    assert not np.array_equal(noisy[:, 1], noisy[:, 2])


def test_append_adds_copies_after_the_set(images: np.ndarray) -> None:
    dataset = Dataset(images, np.arange(150) % 3, ("a", "b", "c"), "set")
    augmentation = Augmentation(rotate=10.0)
    longer = append(dataset, augmentation, 2, seed=4)
    assert (len(longer), longer.class_names, longer.name) == (450, ("a", "b", "c"), "set")
    np.testing.assert_array_equal(longer.labels, np.tile(dataset.labels, 3))
    np.testing.assert_array_equal(longer.images[:150], images)
    for copy in range(2):
        expected = augmentation.apply(images, np.arange(150), seed=4, epoch=copy)
        np.testing.assert_array_equal(longer.images[150 * (1 + copy) :][:150], expected)
    with pytest.raises(ConfigError, match="got 0"):
        append(dataset, augmentation, 0, seed=4)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"rotate": 200.0}, "rotate is a number from 0.0 to 180.0, got 200.0"),
        ({"shift": -0.1}, "shift"),
        ({"scale": 1.0}, "scale"),
        ({"shear": float("nan")}, "shear"),
        ({"flip": True}, "flip is a number"),
        ({"flip": "0.5"}, "flip is a number"),
        ({"crop_padding": 1.5}, "crop_padding is a whole number"),
        ({"erase": 1.1}, "erase"),
        ({"erase_min": 0}, "erase_min"),
        ({"erase_min": 11}, "erase_min 11 is above erase_max 10"),
        ({"elastic_sigma": 0.0}, "elastic_sigma"),
        ({"elastic_alpha": float("inf")}, "elastic_alpha"),
        ({"noise": 25.0}, "noise is a number from 0.0 to 1.0, got 25.0"),
    ],
)
def test_an_impossible_setting_is_refused(settings: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Augmentation(**settings)


def test_what_does_not_fit_is_refused(images: np.ndarray) -> None:
    augmentation = Augmentation(flip=0.5)
    with pytest.raises(ShapeError, match=r"150 images.*\(3,\)"):
        augmentation.apply(images, np.arange(3), seed=0, epoch=0)
    with pytest.raises(DataError, match="float64"):
        augmentation.apply(images / 255.0, np.arange(150), seed=0, epoch=0)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="seed"):
        augmentation.apply(images, np.arange(150), seed=-1, epoch=0)


def test_no_pictures_stay_none() -> None:
    assert applied(SETTINGS["all"], np.zeros((0, 8, 8), np.uint8)).shape == (0, 8, 8)
