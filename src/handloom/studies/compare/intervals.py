"""95 % intervals: where an accuracy lies, or the difference of two.

scipy gives the distributions; the formulas stand here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from handloom._typing import FloatArray

CONFIDENCE = 0.95


class Interval(NamedTuple):
    """From `low` to `high`."""

    low: float
    high: float

    def turned(self) -> Interval:
        """The interval of the negative: of b - a, where this one is of a - b."""
        return Interval(-self.high, -self.low)


def wilson(hits: int, pictures: int) -> Interval:
    """Of an accuracy, from one network's `hits` among `pictures`: where other images put it.

    Source: Wilson 1927. It stays within [0, 1], and has a width where every image was right.
    """
    z, share = _normal_quantile(), hits / pictures
    middle = share + z**2 / (2 * pictures)
    reach = z * math.sqrt((share * (1 - share) + z**2 / (4 * pictures)) / pictures)
    low, high = ((middle + side * reach) / (1 + z**2 / pictures) for side in (-1, 1))
    return Interval(max(0.0, low), min(1.0, high))


def t_interval(values: Sequence[float] | FloatArray, overlap: float = 0.0) -> Interval:
    """Of the mean of two or more `values`, one a seed: where the mean of other seeds would lie.

    `overlap` as in `standard_error`. Source: Student 1908.
    """
    from scipy.special import stdtrit

    mean = float(np.mean(values))
    reach = standard_error(values, overlap) * float(stdtrit(len(values) - 1, (1 + CONFIDENCE) / 2))
    return Interval(mean - reach, mean + reach)


def standard_error(values: Sequence[float] | FloatArray, overlap: float = 0.0) -> float:
    """Of the mean of n >= 2 values: s · sqrt(1/n + overlap), s their standard deviation (n - 1).

    Where every seed draws its validation images anew from the same set, the seeds share most of
    the images they train on and their accuracies are no independent draws. `overlap` mends that:
    images validated on over images trained on; 0 for values that are independent.
    Source: Nadeau and Bengio 2003, "Inference for the generalization error", sec. 3.
    """
    return float(np.std(values, ddof=1)) * math.sqrt(1 / len(values) + overlap)


def paired_shares(only_first: int, only_second: int, pictures: int) -> Interval:
    """Of the difference of two accuracies on the same images, first - second.

    `only_first`: images that the first network alone had right. Source: Bonett and Price 2012,
    an image added to each of the two counts; recommended by Fagerland et al. 2014.
    """
    first, second = ((count + 1) / (pictures + 2) for count in (only_first, only_second))
    difference = first - second
    reach = _normal_quantile() * math.sqrt((first + second - difference**2) / (pictures + 2))
    return Interval(max(-1.0, difference - reach), min(1.0, difference + reach))


def over_pictures_interval(differences: FloatArray) -> Interval:
    """Of the mean of `differences` (N,), one an image: where other images would put it."""
    mean = float(differences.mean())
    reach = _normal_quantile() * float(differences.std(ddof=1)) / math.sqrt(len(differences))
    return Interval(mean - reach, mean + reach)


def _normal_quantile() -> float:
    from scipy.special import ndtri

    return float(ndtri((1 + CONFIDENCE) / 2))
