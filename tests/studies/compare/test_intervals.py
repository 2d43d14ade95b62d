"""Intervals against scipy's, and against what they promise."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from handloom.studies.compare.intervals import (
    Interval,
    over_pictures_interval,
    paired_shares,
    standard_error,
    t_interval,
    wilson,
)


@pytest.mark.parametrize(("hits", "pictures"), [(0, 10), (7, 10), (10, 10), (5368, 6000)])
def test_wilson_is_scipy_s(hits: int, pictures: int) -> None:
    theirs = stats.binomtest(hits, pictures).proportion_ci(0.95, method="wilson")
    assert wilson(hits, pictures) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_t_interval_is_scipy_s() -> None:
    values = [0.8971, 0.8962, 0.8951]
    theirs = stats.t.interval(0.95, 2, loc=np.mean(values), scale=stats.sem(values))
    assert t_interval(values) == pytest.approx(theirs, abs=1e-12)


def test_an_overlap_widens_by_nadeau_and_bengio_s_factor() -> None:
    values = [0.1, 0.2, 0.3]
    assert standard_error(values) == pytest.approx(0.1 / np.sqrt(3))
    assert standard_error(values, overlap=1 / 9) == pytest.approx(0.1 * np.sqrt(1 / 3 + 1 / 9))
    plain, corrected = t_interval(values), t_interval(values, overlap=1 / 9)
    assert corrected.high - 0.2 == pytest.approx((plain.high - 0.2) * np.sqrt(4 / 3))


def test_the_paired_interval_holds_the_truth_in_nineteen_of_twenty() -> None:
    only_first, only_second, pictures = 0.06, 0.04, 500
    rng = np.random.default_rng(0)
    draws = rng.multinomial(pictures, [only_first, only_second, 0.9], size=4000)
    intervals = [paired_shares(int(b), int(c), pictures) for b, c, _ in draws]
    held = np.mean([low <= only_first - only_second <= high for low, high in intervals])
    assert 0.94 < held < 0.965


def test_the_paired_interval_turns_with_the_pair() -> None:
    there, back = paired_shares(30, 12, 400), paired_shares(12, 30, 400)
    assert there.turned() == pytest.approx(back)
    assert there.low < 18 / 400 < there.high
    assert Interval(0.1, 0.3).turned() == (-0.3, -0.1)


def test_over_pictures_is_the_normal_interval_of_a_mean(rng: np.random.Generator) -> None:
    differences = rng.choice([-1.0, 0.0, 0.5, 1.0], size=1000)
    theirs = stats.norm.interval(0.95, differences.mean(), stats.sem(differences))
    assert over_pictures_interval(differences) == pytest.approx(theirs, abs=1e-12)
