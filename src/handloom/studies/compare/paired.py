"""Paired tests of two classifiers, two-sided, each p by its formula.

Paired, because both saw the same images or grew from the same seeds: what is hard or easy for
both drops out, and much smaller differences can be told than from two accuracies by themselves.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from handloom._typing import FloatArray
from handloom.studies.compare.intervals import standard_error

DIGITS = 12
"""Differences of accuracies are equal, or zero, if they are so to this many decimals."""


def mcnemar(only_first: int, only_second: int) -> float:
    """p from the images that one network alone had right, by the binomial's mid-p.

    If both networks are equally good, each of these images falls to either with probability 1/2.
    Sources: McNemar 1947; the mid-p, which counts half of the outcome itself, Fagerland, Lydersen
    and Laake 2013: less timid than the exact test, and beyond its level rarely and by little.
    """
    from scipy.special import bdtr

    fewer, both = min(only_first, only_second), only_first + only_second
    below = float(bdtr(fewer - 1, both, 0.5)) if fewer else 0.0
    return min(1.0, float(bdtr(fewer, both, 0.5)) + below)


def mcnemar_exact(only_first: int, only_second: int) -> float:
    """p as `mcnemar`, with all of the outcome counted: never too small, often too large."""
    from scipy.special import bdtr

    fewer, both = min(only_first, only_second), only_first + only_second
    return min(1.0, 2 * float(bdtr(fewer, both, 0.5)))


def over_pictures(differences: FloatArray) -> float:
    """p from what each image tells (N,): the mean over seeds of first right - second right.

    An image's seeds are no independent witnesses, so an image counts once, with all of them:
    z = sum d / sqrt(sum d²), which for one seed is McNemar's own statistic, (b - c) / sqrt(b + c).
    Source: Durkalski et al. 2003, the images as clusters.
    """
    squares = float(np.square(differences).sum())
    if not squares:
        return 1.0
    return math.erfc(abs(float(differences.sum())) / math.sqrt(2 * squares))


def paired_t(differences: Sequence[float] | FloatArray, overlap: float = 0.0) -> float | None:
    """p from the differences of two or more seeds; None where they do not vary, which tells
    nothing of how much they would.

    `overlap` as in `intervals.standard_error`. Sources: Student 1908; Nadeau and Bengio 2003.
    """
    from scipy.special import stdtr

    if np.ptp(np.round(differences, DIGITS)) == 0:
        return None
    t = float(np.mean(differences)) / standard_error(differences, overlap)
    return 2 * float(stdtr(len(differences) - 1, -abs(t)))


def wilcoxon(differences: Sequence[float] | FloatArray) -> float:
    """p from signs and ranks of the seeds' differences, exactly, ties and all.

    n seeds cannot bring it below 2 / 2^n: six is the fewest with which it can be under 0.05.
    Differences of zero are left out. Source: Wilcoxon 1945.
    """
    differences = np.round(differences, DIGITS)
    differences = differences[differences != 0]
    sizes = np.abs(differences)
    # Twice the mean rank of equals, so that ranks are whole numbers.
    ranks = 2 * (sizes < sizes[:, None]).sum(axis=1) + (sizes == sizes[:, None]).sum(axis=1) + 1
    smaller = min(int(ranks[differences > 0].sum()), int(ranks[differences < 0].sum()))
    ways = np.zeros(int(ranks.sum()) + 1)  # of signs, by the sum of the ranks that get a plus
    ways[0] = 1
    for rank in ranks:
        ways[rank:] = ways[rank:] + ways[:-rank]
    return min(1.0, 2 * float(ways[: smaller + 1].sum()) / 2.0 ** len(ranks))


def holm(ps: Sequence[float]) -> list[float]:
    """The p of several tests, raised so that all of them together err in one case of twenty.

    Source: Holm 1979: the smallest is multiplied by their number, the next by one less, and so on.
    """
    adjusted, largest = [0.0] * len(ps), 0.0
    for place, index in enumerate(np.argsort(ps, kind="stable")):
        largest = max(largest, min(1.0, (len(ps) - place) * ps[index]))
        adjusted[index] = largest
    return adjusted
