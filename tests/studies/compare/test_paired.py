"""Paired tests against scipy's, against counting all cases, and against what they promise."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations, product
from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from handloom.studies.compare import paired

COUNTS = [(0, 0), (0, 1), (5, 0), (3, 3), (12, 25), (212, 143)]


@pytest.mark.parametrize(("one", "other"), COUNTS)
def test_the_exact_mcnemar_is_the_binomial_test(one: int, other: int) -> None:
    theirs = stats.binomtest(one, one + other, 0.5).pvalue if one + other else 1.0
    assert paired.mcnemar_exact(one, other) == pytest.approx(theirs, rel=1e-9)


@pytest.mark.parametrize(("one", "other"), COUNTS)
def test_the_mid_p_counts_half_of_what_happened(one: int, other: int) -> None:
    both, fewer = one + other, min(one, other)
    cases = sum(comb(both, k) for k in range(fewer)) + comb(both, fewer) / 2
    assert paired.mcnemar(one, other) == pytest.approx(min(1.0, 2 * cases / 2**both), rel=1e-9)
    assert paired.mcnemar(one, other) == paired.mcnemar(other, one)


def level(test: Callable[[int, int], float], both: int) -> float:
    """How often a test at 0.05 errs where both networks are equally good."""
    chance = stats.binom.pmf(np.arange(both + 1), both, 0.5)
    return sum(chance[one] for one in range(both + 1) if test(one, both - one) < 0.05)


def test_the_mid_p_is_less_timid_and_all_but_keeps_the_level() -> None:
    counts = range(20, 200, 7)
    timid = [level(paired.mcnemar_exact, count) for count in counts]
    levels = [level(paired.mcnemar, count) for count in counts]
    assert max(timid) <= 0.05
    assert max(levels) < 0.06
    assert np.mean(levels) == pytest.approx(0.05, abs=0.003)
    assert np.mean(timid) < 0.8 * np.mean(levels)


def test_over_pictures_of_one_seed_is_mcnemar_s_own_statistic() -> None:
    differences = np.repeat([1.0, -1.0, 0.0], [40, 22, 900])
    theirs = stats.chi2.sf((40 - 22) ** 2 / (40 + 22), df=1)
    assert paired.over_pictures(differences) == pytest.approx(theirs, rel=1e-9)


def test_a_picture_counts_once_however_many_seeds_saw_it() -> None:
    differences = np.repeat([1.0, -1.0, 0.0], [40, 22, 900])
    seeds = np.stack([differences] * 5)  # five seeds that agree tell no more than one
    assert paired.over_pictures(seeds.mean(axis=0)) == paired.over_pictures(differences)
    assert paired.over_pictures(np.zeros(100)) == 1.0


def test_paired_t_is_scipy_s() -> None:
    ours, theirs = [0.897, 0.896, 0.895, 0.899], [0.893, 0.894, 0.894, 0.893]
    differences = np.subtract(ours, theirs)
    expected = stats.ttest_rel(ours, theirs).pvalue
    assert paired.paired_t(differences) == pytest.approx(expected, rel=1e-9)
    t = stats.ttest_rel(ours, theirs).statistic / np.sqrt(1 + 4 / 9)  # variance times 1 + n · 1/9
    assert paired.paired_t(differences, 1 / 9) == pytest.approx(2 * stats.t.sf(t, 3), rel=1e-9)


def test_the_correction_is_what_seeds_that_share_pictures_need(rng: np.random.Generator) -> None:
    """Two equally good networks, each with images of its own that it alone can tell.

    Each of ten seeds validates on a fifth of a thousand images. Whatever these favour by chance,
    all seeds see again, and an uncorrected test takes for real.
    """
    pictures, validated, seeds, times = 1000, 200, 10, 500
    errs = {0.0: 0, validated / (pictures - validated): 0}
    for _ in range(times):
        told = rng.choice([-1, 0, 1], size=pictures)
        parts = rng.permuted(np.tile(np.arange(pictures), (seeds, 1)), axis=1)[:, :validated]
        for overlap in errs:
            p = paired.paired_t(told[parts].mean(axis=1), overlap)
            errs[overlap] += p is not None and p < 0.05
    plain, corrected = (count / times for count in errs.values())
    assert plain > 0.2
    assert corrected < 0.08


def test_equal_differences_have_no_spread_to_go_by() -> None:
    assert paired.paired_t([0.1 + 0.2, 0.3, 0.3]) is None
    assert paired.paired_t([0.0, 0.0]) is None


@pytest.mark.parametrize("count", [3, 6, 11])
def test_wilcoxon_is_scipy_s_where_ranks_differ(count: int, rng: np.random.Generator) -> None:
    differences = rng.normal(0.4, 1.0, count)
    theirs = stats.wilcoxon(differences, method="exact").pvalue
    assert paired.wilcoxon(differences) == pytest.approx(theirs, rel=1e-9)


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8))
def test_wilcoxon_counts_all_signs_where_ranks_are_tied(values: list[int]) -> None:
    sizes = np.abs([value for value in values if value])
    ranks = stats.rankdata(sizes)
    positive = sum(
        rank for rank, value in zip(ranks, filter(None, values), strict=True) if value > 0
    )
    extreme = min(positive, ranks.sum() - positive)
    sums = [np.dot(signs, ranks) for signs in product((0, 1), repeat=len(ranks))]
    p = min(1.0, 2 * np.mean(np.array(sums) <= extreme + 1e-9))
    assert paired.wilcoxon(np.array(values) / 1000) == pytest.approx(p)


@given(st.lists(st.floats(0, 1), max_size=6))
def test_holm_is_the_closed_test_of_bonferroni(ps: list[float]) -> None:
    places = range(len(ps))
    subsets = [s for size in places for s in combinations(places, size + 1)]
    expected = [
        max(min(1.0, len(s) * min(ps[k] for k in s)) for s in subsets if place in s)
        for place in places
    ]
    assert paired.holm(ps) == pytest.approx(expected)
