"""The learning-rate range test: turning points by hand, and real ones."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.diagnosis import learning_rate_range
from handloom.diagnosis.range_test import turning_points
from handloom.recipes import load_recipe
from handloom.run import assemble

RATES = np.geomspace(1e-6, 10, 150)


def test_turning_points_of_a_valley() -> None:
    place = np.log10(RATES)
    loss = 2.3 - np.exp(-((place + 1) ** 2))  # lowest at 0.1, steepest 1/√2 of a decade before
    steepest, largest = turning_points(RATES, loss)
    assert largest == pytest.approx(0.1, rel=0.1)
    assert steepest == pytest.approx(10 ** (-1 - 2**-0.5), rel=0.1)


@pytest.mark.parametrize("loss", [np.full(150, 2.3), np.linspace(2.3, 9, 150), np.ones(8)])
def test_a_loss_that_never_falls_has_none(loss: np.ndarray) -> None:
    assert turning_points(RATES[: len(loss)], loss) == (None, None)


@pytest.mark.parametrize("engine", ["numpy", "auto"])
def test_it_finds_rates_that_work(bars, engine: str) -> None:
    recipe = load_recipe(bars, {"engine": engine})
    parts = assemble.load_parts(recipe)
    found = learning_rate_range(recipe, parts)
    assert found.used == 0.2
    assert found.steepest is not None
    assert found.largest is not None
    assert 0.01 < found.steepest <= found.largest <= 10
    assert len(found.rates) == len(found.losses) == len(found.smooth)
    assert np.isfinite(found.losses).all()
    assert found.losses[0] == pytest.approx(np.log(3), rel=0.5)


def test_the_smooth_loss_is_a_running_mean_without_its_start_at_zero(bars) -> None:
    """Of the losses so far, each worth nine tenths of the one behind it."""
    recipe = load_recipe(bars)
    found = learning_rate_range(recipe, assemble.load_parts(recipe), steps=30)
    for last in (0, 1, 7, len(found.losses) - 1):
        shares = 0.9 ** np.arange(last, -1, -1)
        expected = np.average(found.losses[: last + 1], weights=shares)
        assert found.smooth[last] == pytest.approx(expected, rel=1e-9)


def test_a_rate_far_above_is_within_the_range(bars) -> None:
    recipe = load_recipe(bars, {"optimizer.lr": 1000.0, "schedule.name": "cosine"})
    found = learning_rate_range(recipe, assemble.load_parts(recipe), steps=40)
    assert found.used == 1000
    assert found.rates[0] == pytest.approx(1e-6)
    assert len(found.rates) < 40, "it ends where the loss is lost"
