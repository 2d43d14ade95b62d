from __future__ import annotations

import numpy as np
import pytest

from handloom.data.chance import Purpose, checked_seed, generator, picture_keys, uniforms
from handloom.errors import ConfigError

MASK = 2**64 - 1


def splitmix64(state: int, count: int) -> list[int]:
    """The published generator in Python's own integers."""
    words = []
    for _ in range(count):
        state = (state + 0x9E3779B97F4A7C15) & MASK
        z = state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        words.append(z ^ (z >> 31))
    return words


def test_uniforms_are_splitmix64_cut_in_halves_of_24_bits() -> None:
    assert splitmix64(1234567, 2) == [6457827717110365317, 3203168211198807973]
    words = splitmix64(1234567, 3)
    expected = [
        half * 2.0**-24 for word in words for half in ((word & 0xFFFFFFFF) >> 8, word >> 40)
    ]
    keys = np.array([7, 1234567], np.uint64)
    np.testing.assert_array_equal(uniforms(keys, 6)[1], expected)
    np.testing.assert_array_equal(uniforms(keys, 3, start=2)[1], expected[2:5])


def test_uniforms_are_uniform_within_and_across_pictures() -> None:
    u = uniforms(picture_keys(0, 0, np.arange(2000)), 50).astype(np.float64)
    assert 0.0 <= u.min() < 1e-3
    assert 0.999 < u.max() < 1.0
    counts = np.histogram(u, bins=20, range=(0.0, 1.0))[0]
    assert ((counts - 5000.0) ** 2 / 5000.0).sum() < 43.8  # chi², 19 degrees: 99.9 %
    u -= 0.5
    for one, next_one in ((u[:, :-1], u[:, 1:]), (u[:-1], u[1:])):
        correlation = 12.0 * np.mean(one * next_one)
        assert abs(correlation) < 0.012  # 3.8 standard errors of 98,000 pairs


def test_keys_differ_by_seed_epoch_and_picture() -> None:
    indices = np.arange(10_000)
    keys = [picture_keys(seed, epoch, indices) for seed in (0, 1, 2**64 - 1) for epoch in (0, 1, 2)]
    assert len(np.unique(np.concatenate(keys))) == 90_000


def test_generators_differ_by_seed_purpose_and_counter() -> None:
    first = {
        generator(seed, purpose, counter).integers(2**63)
        for seed in (0, 1)
        for purpose in Purpose
        for counter in (0, 1, 2)
    }
    assert len(first) == 2 * len(Purpose) * 3


@pytest.mark.parametrize("seed", [-1, 2**64, 1.5, "1", None])
def test_a_seed_that_is_none_is_refused(seed: object) -> None:
    with pytest.raises(ConfigError, match="seed"):
        checked_seed(seed)  # type: ignore[arg-type]


def test_numpy_integers_are_seeds() -> None:
    assert checked_seed(np.int64(3)) == 3  # type: ignore[arg-type]
