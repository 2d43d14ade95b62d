"""Initialisers: the variance that each rule promises, its seed, its dtype."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from handloom import nn
from handloom.errors import ShapeError

SHAPES = [(300, 200), (64, 32, 3, 5)]
VARIANCES = {  # of fan_in and fan_out
    "he-normal": lambda fan_in, fan_out: 2 / fan_in,
    "he-uniform": lambda fan_in, fan_out: 2 / fan_in,
    "xavier-normal": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "xavier-uniform": lambda fan_in, fan_out: 2 / (fan_in + fan_out),
    "lecun-normal": lambda fan_in, fan_out: 1 / fan_in,
    "zeros": lambda fan_in, fan_out: 0,
}


def test_every_named_rule_is_tested() -> None:
    assert set(nn.INITS) == set(VARIANCES)


@pytest.mark.parametrize("shape", SHAPES, ids=["linear", "conv"])
@pytest.mark.parametrize("name", VARIANCES)
def test_variance_is_as_promised(
    name: str, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    weight = nn.INITS[name](shape, rng, np.float64)
    fan_in, fan_out = torch.nn.init._calculate_fan_in_and_fan_out(torch.empty(shape))
    variance = VARIANCES[name](fan_in, fan_out)
    assert weight.shape == shape
    assert weight.var() == pytest.approx(variance, rel=0.05)
    assert weight.mean() == pytest.approx(0, abs=5 * np.sqrt(variance / weight.size))
    if name.endswith("uniform"):
        assert np.abs(weight).max() == pytest.approx(np.sqrt(3 * variance), rel=0.01)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("init", [*nn.INITS.values(), nn.normal(0.01)])
def test_the_seed_decides_and_the_dtype_is_kept(init: nn.Init, dtype: type) -> None:
    first, again = (init((3, 4), np.random.default_rng(5), dtype) for _ in range(2))
    assert first.dtype == dtype
    assert np.array_equal(first, again)
    other = init((3, 4), np.random.default_rng(6), dtype)
    assert init is nn.zeros or not np.array_equal(first, other)


def test_float32_draws_the_numbers_of_float64() -> None:
    double, single = (
        nn.he_normal((3, 4), np.random.default_rng(5), dtype) for dtype in (np.float64, np.float32)
    )
    assert np.array_equal(double.astype(np.float32), single)


def test_normal_takes_its_standard_deviation(rng: np.random.Generator) -> None:
    assert nn.normal(0.01)((300, 200), rng, np.float64).std() == pytest.approx(0.01, rel=0.02)


def test_a_weight_has_two_axes() -> None:
    assert nn.fans((6, 4, 3, 5)) == (60, 90)
    with pytest.raises(ShapeError, match=r"at least two axes .*\(6,\)"):
        nn.fans((6,))
