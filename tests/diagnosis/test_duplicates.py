"""Shared images, against a comparison of every pair in full."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.diagnosis.duplicates import shared_pictures


def every_pair(first: np.ndarray, second: np.ndarray, near: float) -> dict[int, float]:
    """By place in `second`, the least relative difference within `near`; the slow way."""
    a, b = (x.reshape(len(x), -1).astype(np.float64) for x in (first, second))
    found = {}
    for place, one in enumerate(b):
        contrast = np.linalg.norm(one - one.mean())
        least = np.linalg.norm(a - one, axis=1).min()
        if least <= near * contrast:
            found[place] = least / contrast if least else 0.0
    return found


@pytest.mark.parametrize("shape", [(28, 28), (3, 10, 7), (1, 5, 5)])
def test_it_finds_what_comparing_all_finds(
    shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    first = rng.integers(0, 256, (90, *shape), np.uint8)
    second = rng.integers(0, 256, (60, *shape), np.uint8)
    for place in range(20):  # from the same pixels to some that differ too much
        noise = rng.integers(-place * 2, place * 2 + 1, shape)
        second[place] = np.clip(first[3 * place].astype(int) + noise, 0, 255)
    expected = every_pair(first, second, 0.1)
    assert 2 < len(expected) < 20
    found = shared_pictures(first, second, near=0.1)
    assert {pair.second: pair.first for pair in found} == {p: 3 * p for p in expected}
    assert {pair.second: pair.difference for pair in found} == pytest.approx(expected)
    differences = [pair.difference for pair in found]
    assert differences == sorted(differences)
    assert differences[0] == 0


def test_one_colour_matches_only_itself() -> None:
    first = np.stack([np.full((8, 8), value, np.uint8) for value in (0, 7)])
    second = np.stack([np.full((8, 8), value, np.uint8) for value in (7, 8)])
    assert [(p.first, p.second, p.difference) for p in shared_pictures(first, second)] == [
        (1, 0, 0)
    ]


def test_one_picture_again_and_again() -> None:
    """As many candidates as there are images are no trouble."""
    picture = np.arange(64, dtype=np.uint8).reshape(8, 8)
    found = shared_pictures(np.stack([picture] * 300), np.stack([picture] * 300))
    assert len(found) == 300
    assert {pair.difference for pair in found} == {0.0}


def test_an_empty_part_shares_nothing() -> None:
    some = np.zeros((3, 4, 4), np.uint8)
    assert shared_pictures(some[:0], some) == ()
    assert shared_pictures(some, some[:0]) == ()


@pytest.mark.data
@pytest.mark.slow
def test_fashion_mnist_has_a_dozen_near_twins() -> None:
    import handloom as hl

    fashion = hl.data.load("fashion-mnist")
    assert fashion.test is not None
    found = shared_pictures(fashion.train.images, fashion.test.images)
    assert len(found) == 12
    assert all(pair.difference > 0 for pair in found)
