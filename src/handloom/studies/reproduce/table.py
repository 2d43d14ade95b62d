"""An experiment's figures and conclusions side by side with the published ones, ready to print."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from handloom.studies.reproduce.checks import ranking
from handloom.studies.reproduce.claims import Claim, Judgement
from handloom.studies.reproduce.experiment import Experiment, Published
from handloom.studies.reproduce.figures import Evidence, SubjectResults


class TableRow(NamedTuple):
    """One figure of one configuration."""

    label: str
    rank: int | None
    """Its place among all configurations, where the best ones are told."""
    what: str
    """An attribute of Outcome."""
    published: Published | None
    ours: float
    spread: float | None
    """Standard deviation over the seeds; None for one seed."""
    seconds: float
    """Of one training, the mean over the seeds."""

    @property
    def gap(self) -> float | None:
        """Ours less the published figure, if there is one."""
        return None if self.published is None else self.published.gap(self.ours)


class Conclusion(NamedTuple):
    """A claim and what became of it."""

    claim: Claim
    judgement: Judgement


@dataclass(frozen=True, slots=True)
class Reproduction:
    """What came of one experiment."""

    experiment: Experiment
    reduced: str
    """In which way it is less than the published one; empty if it is not."""
    rows: tuple[TableRow, ...]
    conclusions: tuple[Conclusion, ...]
    seconds: float
    """Of all its trainings together."""
    left_out: str = ""
    """Why nothing was trained; empty if it was."""

    @property
    def remarks(self) -> dict[str, str]:
        """What has to be known beside the figures, by a word for it."""
        remarks = {
            "note": self.experiment.note,
            "reduced": self.reduced,
            "left out": self.left_out,
        }
        return {word: text for word, text in remarks.items() if text}

    def describe(self) -> dict[str, Any]:
        """All of it, JSON-ready."""
        return {
            "name": self.experiment.name,
            "title": self.experiment.title,
            "source": self.experiment.source,
            **self.remarks,
            "seconds": round(self.seconds, 3),
            "figures": [_described_row(row) for row in self.rows],
            "conclusions": [
                {
                    "conclusion": claim.sentence,
                    "published": claim.published,
                    "verdict": judgement.verdict.value,
                    "because": judgement.because,
                }
                for claim, judgement in self.conclusions
            ],
        }


def hold_against(
    experiment: Experiment, evidence: Evidence, reduced: str = "", *, left_out: str = ""
) -> Reproduction:
    """Our figures beside the published ones, and a judgement of each conclusion."""
    conclusions = (
        Conclusion(claim, claim.judge(evidence, reduced=bool(reduced)))
        for claim in experiment.claims
    )
    seconds = (sum(figures.values("seconds").values()) for figures in evidence.values())
    return Reproduction(
        experiment,
        reduced,
        tuple(_rows(experiment, evidence)),
        tuple(conclusions),
        sum(seconds),
        left_out,
    )


def _rows(experiment: Experiment, evidence: Evidence) -> Iterator[TableRow]:
    """One row per figure that was published or is told of all, configuration by configuration."""
    published = {(each.label, each.what): each for each in experiment.published}
    ranks = _ranks(experiment, evidence)
    for label in ranks or evidence:
        figures = evidence[label]
        own = [what for other, what in published if other == label]
        for what in dict.fromkeys((*experiment.figures, *own)):
            figure = published.get((label, what))
            yield _row(label, ranks.get(label), what, figure, figures)


def _ranks(experiment: Experiment, evidence: Evidence) -> dict[str, int]:
    """The best configurations and those with published figures, by place; none unless asked for."""
    if not experiment.top:
        return {}
    order = ranking(evidence, experiment.figures[0])
    known = {each.label for each in experiment.published}
    return {
        label: rank
        for rank, label in enumerate(order, start=1)
        if rank <= experiment.top or label in known
    }


def _row(
    label: str, rank: int | None, what: str, published: Published | None, figures: SubjectResults
) -> TableRow:
    mean, spread = figures.mean(what), figures.spread(what)
    return TableRow(label, rank, what, published, mean, spread, figures.mean("seconds"))


def _described_row(row: TableRow) -> dict[str, Any]:
    known = row.published
    return {
        "configuration": row.label,
        "rank": row.rank,
        "figure": row.what,
        "published": None if known is None else known.value,
        "published_most": None if known is None else known.most,
        "ours": row.ours if math.isfinite(row.ours) else None,
        "spread": row.spread,
        "gap": row.gap if row.gap is not None and math.isfinite(row.gap) else None,
        "seconds": round(row.seconds, 3),
    }
