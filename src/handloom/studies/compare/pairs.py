"""Two rows against each other: paired tests, and a sentence that says whether they differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

from handloom._typing import IntArray
from handloom.studies.compare import paired
from handloom.studies.compare.evaluation import Evaluation
from handloom.studies.compare.figures import overlap_of
from handloom.studies.compare.groups import Group, RunKey, run_key
from handloom.studies.compare.intervals import (
    Interval,
    over_pictures_interval,
    paired_shares,
    t_interval,
)

ALPHA = 0.05
"""A difference is called real where chance alone brings about its like less often than this."""


class PairedTest(NamedTuple):
    """One test: what it is called, its p, and the interval of the difference that belongs to it."""

    name: str
    p: float
    interval: Interval | None = None

    def describe(self) -> dict[str, Any]:
        """JSON-ready."""
        interval = None if self.interval is None else self.interval._asdict()
        return self._asdict() | {"interval": interval}


@dataclass(frozen=True)
class RowPair:
    """What is known of two rows, by their names; differences are first - second."""

    first: str
    second: str
    witnesses: tuple[RunKey, ...]
    """The seeds, with folds where there are any, that both have."""
    why_untested: str = ""
    """Why they cannot be paired; then all that follows is empty."""
    difference: float = 0.0
    """Of the accuracies, the mean over the witnesses."""
    each_difference: tuple[float, ...] = ()
    """The same, one by one."""
    only_first: int = 0
    """Images, over all witnesses, that the first alone had right."""
    only_second: int = 0
    pictures: int = 0
    """Over all witnesses."""
    each_p: tuple[float, ...] = ()
    """McNemar's, of the two networks of each."""
    tests: tuple[PairedTest, ...] = ()
    """The first one decides: of several questions the one that is answered less surely."""
    p_adjusted: float | None = None
    """Of the test that decides, by Holm's correction for all pairs of the comparison."""

    @property
    def is_real(self) -> bool:
        """Whether the difference holds, after the correction."""
        return self.p_adjusted is not None and self.p_adjusted < ALPHA

    def describe(self) -> dict[str, Any]:
        """JSON-ready."""
        return vars(self) | {
            "witnesses": [witness._asdict() for witness in self.witnesses],
            "is_real": self.is_real,
            "tests": [test.describe() for test in self.tests],
        }


def pairs_of(groups: Sequence[Group], evaluations: Sequence[Sequence[Evaluation]]) -> list[RowPair]:
    """All pairs of rows, tested, with Holm's correction over all that could be."""
    rows = zip(groups, evaluations, strict=True)
    pairs = [
        _tested(one.name, other.name, ours, theirs)
        for (one, ours), (other, theirs) in combinations(rows, 2)
    ]
    tested = [pair for pair in pairs if pair.tests]
    adjusted = iter(paired.holm([pair.tests[0].p for pair in tested]))
    return [replace(pair, p_adjusted=next(adjusted)) if pair.tests else pair for pair in pairs]


def _tested(
    first: str, second: str, ours: Sequence[Evaluation], theirs: Sequence[Evaluation]
) -> RowPair:
    mine = {run_key(evaluation.run): evaluation for evaluation in ours}
    other = {run_key(evaluation.run): evaluation for evaluation in theirs}
    common = tuple(witness for witness in mine if witness in other)
    pair = RowPair(first, second, common)
    both = [(mine[witness], other[witness]) for witness in common]
    if len(mine) < len(ours) or len(other) < len(theirs):
        return replace(pair, why_untested="a seed occurs twice in one of them")
    if not common:
        return replace(pair, why_untested="they have no seed in common")
    if any(a.fingerprint != b.fingerprint for a, b in both):
        return replace(pair, why_untested="they were evaluated on different images")
    outcomes = [a.is_right.astype(np.int8) - b.is_right.astype(np.int8) for a, b in both]
    alone = [tuple(int(np.count_nonzero(each == side)) for side in (1, -1)) for each in outcomes]
    only_first, only_second = (sum(counts) for counts in zip(*alone, strict=True))
    pictures = sum(map(len, outcomes))
    differences = tuple(float(each.mean()) for each in outcomes)
    return replace(
        pair,
        difference=fmean(differences),
        each_difference=differences,
        only_first=only_first,
        only_second=only_second,
        pictures=pictures,
        each_p=tuple(paired.mcnemar(*counts) for counts in alone),
        tests=(
            _of_one_seed(only_first, only_second, pictures)
            if len(common) == 1
            else _of_seeds(outcomes, differences, [a for a, _ in both])
        ),
    )


def _of_one_seed(only_first: int, only_second: int, pictures: int) -> tuple[PairedTest, ...]:
    return (
        PairedTest(
            "McNemar",
            paired.mcnemar(only_first, only_second),
            paired_shares(only_first, only_second, pictures),
        ),
        PairedTest("McNemar, exact", paired.mcnemar_exact(only_first, only_second)),
    )


def _of_seeds(
    outcomes: Sequence[IntArray], differences: Sequence[float], evaluations: Sequence[Evaluation]
) -> tuple[PairedTest, ...]:
    """Whether other seeds would tell the same; and, where all seeds saw the same images, whether
    other images would. Validation images that each seed drew anew are in the first already."""
    overlap = overlap_of(evaluations)
    by_rank = PairedTest("Wilcoxon", paired.wilcoxon(differences))
    p = paired.paired_t(differences, overlap)
    name = "corrected paired t" if overlap else "paired t"
    seeds = by_rank if p is None else PairedTest(name, p, t_interval(differences, overlap))
    if len({evaluation.fingerprint for evaluation in evaluations}) > 1:
        deciding = [seeds]
    else:
        shares = np.mean(outcomes, axis=0)
        pictures = PairedTest(
            "over images", paired.over_pictures(shares), over_pictures_interval(shares)
        )
        deciding = sorted([seeds, pictures], key=lambda test: -test.p)
    return (*deciding, *([] if seeds is by_rank else [by_rank]))
