"""How far two configurations are apart, and how far that may be chance."""

from __future__ import annotations

import math
import statistics
from typing import NamedTuple

from handloom.studies.compare.intervals import CONFIDENCE, t_interval
from handloom.studies.reproduce.figures import SubjectResults


class Difference(NamedTuple):
    """Of two accuracies, the first less the second."""

    mean: float
    margin: float
    """Half the width of the 95 % confidence interval."""

    def __str__(self) -> str:
        return f"{self.mean:+.4f} ± {self.margin:.4f}"

    @property
    def is_above(self) -> bool:
        """Whether the first is greater, beyond chance."""
        return self.mean > self.margin

    @property
    def is_below(self) -> bool:
        """Whether the first is smaller, beyond chance."""
        return self.mean < -self.margin


def difference(one: SubjectResults, other: SubjectResults, what: str) -> Difference:
    """`one` less `other` in the accuracy `what`, over the seeds that both have.

    Seeds are paired, for a seed fixes the split and the order of the images (the interval:
    `compare/intervals.py`). With one seed nothing is known of the training's own chance; the
    interval is then the images' alone, both accuracies taken as independent binomial shares,
    which is too wide rather than too narrow.
    """
    first, second = one.values(what), other.values(what)
    gaps = [first[seed] - second[seed] for seed in first.keys() & second.keys()]
    if len(gaps) > 1:
        low, high = t_interval(gaps, one.overlap(what))
        return Difference((low + high) / 2, (high - low) / 2)
    margins = [margin_of(each.mean(what), each.pictures(what)) for each in (one, other)]
    return Difference(one.mean(what) - other.mean(what), math.hypot(*margins))


def margin_of(share: float, pictures: int) -> float:
    """Half the width of the 95 % interval of an accuracy on so many images, in Wald's form."""
    quantile = statistics.NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)
    return quantile * math.sqrt(share * (1.0 - share) / pictures)
