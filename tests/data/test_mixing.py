"""Mixup and cutmix: what is mixed, in which shares, and that chance depends on positions alone."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.data import Augmentation, Batches, Dataset, Mixing, Normalisation
from handloom.data.batches.mixing import Mixtures, mix, mix_labels
from handloom.errors import ConfigError

SIDE, MANY = (12, 9), 20_000
BOTH = Mixing(mixup=0.4, cutmix=1.0, probability=0.8)


def draw(mixing: Mixing, count: int = MANY, seed: int = 0, epoch: int = 0) -> Mixtures:
    return mixing.draw(count, *SIDE, seed=seed, epoch=epoch)


def batches(batch_size: int, *, prefetch: bool = True, mixing: Mixing | None = BOTH) -> Batches:
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, (40, *SIDE), np.uint8)
    dataset = Dataset(images, rng.integers(0, 5, 40), tuple("abcde"))
    return Batches(
        dataset, Normalisation("scale"), batch_size, seed=3, prefetch=prefetch, mixing=mixing,
        augmentation=Augmentation(flip=0.5, shift=0.1),
    )  # fmt: skip


def areas(mixtures: Mixtures) -> np.ndarray:
    top, bottom, left, right = mixtures.pasted.T
    return (bottom - top) * (right - left) / np.prod(SIDE)


# -- the draws ------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.2, 1.0, 8.0])
def test_shares_of_mixup_have_the_moments_of_beta(alpha: float) -> None:
    share = draw(Mixing(mixup=alpha)).share
    variance = 1 / (4 * (2 * alpha + 1))
    assert share.mean() == pytest.approx(0.5, abs=4 * np.sqrt(variance / MANY))
    assert share.var() == pytest.approx(variance, rel=0.05)


def test_every_picture_is_the_partner_of_one_other() -> None:
    partner = draw(BOTH).partner
    assert np.array_equal(np.sort(partner), np.arange(MANY))


def test_as_many_are_mixed_as_asked_for_and_half_of_them_pasted() -> None:
    mixtures = draw(BOTH)
    pasted = areas(mixtures) > 0
    blended = (mixtures.share < 1) & ~pasted
    assert blended.mean() == pytest.approx(0.4, abs=0.02)
    # of a rectangle about a border little may be left: not every paste shows
    assert 0.34 < pasted.mean() < 0.42


def test_a_label_has_the_rectangles_area() -> None:
    mixtures = draw(Mixing(cutmix=1.0))
    top, bottom, left, right = mixtures.pasted.T
    assert np.all((top >= 0) & (top <= bottom) & (bottom <= SIDE[0]))
    assert np.all((left >= 0) & (left <= right) & (right <= SIDE[1]))
    np.testing.assert_allclose(mixtures.share, 1 - areas(mixtures), atol=1e-6)
    assert mixtures.share.min() < 0.1 < 0.9 < np.unique(mixtures.share)[-2]  # and all between


def test_draws_depend_on_seed_and_epoch() -> None:
    first = draw(BOTH, 50)
    assert all(np.array_equal(a, b) for a, b in zip(first, draw(BOTH, 50), strict=True))
    for other in (draw(BOTH, 50, seed=1), draw(BOTH, 50, epoch=1)):
        assert not np.array_equal(first.partner, other.partner)
        assert not np.array_equal(first.share, other.share)


# -- the images ---------------------------------------------------------------------------------


def test_pixels_are_blended_or_pasted_as_the_label_says() -> None:
    rng = np.random.default_rng(0)
    images, partners = rng.integers(0, 256, (2, 60, 2, *SIDE), np.uint8)
    mixtures = draw(BOTH, 60)
    mixed = mix(images, partners, mixtures)
    assert mixed.dtype == np.uint8
    for index, (top, bottom, left, right) in enumerate(mixtures.pasted):
        share = float(mixtures.share[index])
        expected = images[index].copy()
        if bottom > top:
            expected[:, top:bottom, left:right] = partners[index, :, top:bottom, left:right]
        else:
            blend = share * images[index] + (1 - share) * partners[index].astype(float)
            expected = blend.round()
        off = np.abs(mixed[index] - expected.astype(float))
        assert off.max() <= (0 if bottom > top else 1), index  # halves may round either way


def test_targets_are_the_shares_of_both_classes() -> None:
    mixtures = Mixtures(np.zeros(3, int), np.array([1, 0.75, 0.25], np.float32), np.zeros((3, 4)))
    targets = mix_labels(np.array([0, 1, 2]), np.array([1, 2, 2]), mixtures, 3)
    np.testing.assert_array_equal(targets, [[1, 0, 0], [0, 0.75, 0.25], [0, 0, 1]])


# -- in batches -----------------------------------------------------------------------------------


def by_position(epoch_batches: Batches, epoch: int) -> tuple[np.ndarray, np.ndarray]:
    seen = [*epoch_batches.epoch(epoch)]
    back = np.argsort(epoch_batches.order(epoch))
    x, targets = (np.concatenate(parts)[back] for parts in zip(*seen, strict=True))
    return x, targets


def test_what_a_picture_becomes_depends_on_no_batch() -> None:
    x, targets = by_position(batches(7), 2)
    assert targets.shape == (40, 5)
    assert targets.dtype == np.float32
    np.testing.assert_allclose(targets.sum(axis=1), 1, atol=1e-6)
    for other in (batches(40), batches(3, prefetch=False)):
        same_x, same_targets = by_position(other, 2)
        np.testing.assert_array_equal(same_x, x)
        np.testing.assert_array_equal(same_targets, targets)
    other_x, _ = by_position(batches(7), 3)
    assert not np.array_equal(other_x, x)


def test_partners_are_augmented_as_they_are_themselves() -> None:
    mixed, alone = batches(8), batches(8, mixing=None)
    x, _ = by_position(mixed, 0)
    plain, labels = by_position(alone, 0)
    mixtures = mixed.epoch(0).mixtures
    assert mixtures is not None
    plain = np.rint(plain * 255).astype(np.uint8)
    expected = mix(plain, plain[mixtures.partner], mixtures)
    np.testing.assert_array_equal(np.rint(x * 255), expected)
    _, targets = by_position(mixed, 0)
    np.testing.assert_array_equal(
        targets, mix_labels(labels, labels[mixtures.partner], mixtures, 5)
    )


def test_pixels_are_those_of_the_batches() -> None:
    epoch = batches(8).epoch(1)
    images, rows, targets = epoch.pixels(1, 4)
    x = np.concatenate([epoch[step].x for step in range(1, 4)])
    np.testing.assert_array_equal(epoch.normalisation(images[rows]), x)
    np.testing.assert_array_equal(targets, np.concatenate([epoch[s].labels for s in range(1, 4)]))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "an alpha above 0"),
        ({"mixup": -1}, "mixup is a number from 0 to 100"),
        ({"cutmix": float("nan")}, "cutmix is a number"),
        ({"mixup": 1, "probability": 1.5}, "probability is a number from 0 to 1"),
        ({"mixup": "1"}, "mixup is a number"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, float], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Mixing(**settings)
