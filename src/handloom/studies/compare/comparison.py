"""compare(): runs and recipes over seeds become a table and answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handloom.errors import ConfigError, RunError
from handloom.run.results import Run
from handloom.studies.compare.evaluation import Part, evaluate, pictures_per_second
from handloom.studies.compare.figures import Figures, figures_of
from handloom.studies.compare.groups import Group, differing, grouped
from handloom.studies.compare.pairs import RowPair, pairs_of
from handloom.studies.compare.sentences import sentence_of

MOST_ANSWERS = 10


@dataclass(frozen=True)
class Comparison:
    """Rows of figures, and what sets each two of them apart."""

    part: Part
    """Which images the accuracies are of."""
    reach: float | None
    """The validation accuracy whose epoch was asked for."""
    rows: tuple[Figures, ...]
    pairs: tuple[RowPair, ...]
    """All pairs of rows: (A, B), (A, C), … (B, C) …"""
    differences: dict[str, tuple[Any, ...]]
    """Key paths in which the recipes differ -> the value of each row."""

    @property
    def sentences(self) -> tuple[str, ...]:
        """One a pair: whether its difference is real."""
        tested = sum(bool(pair.tests) for pair in self.pairs)
        return tuple(sentence_of(pair, self.part, tested) for pair in self.pairs)

    @property
    def answers(self) -> tuple[str, ...]:
        """The sentences that are worth reading: of more than ten those about the best row alone,
        and one for all pairs that could not be tested for the same reason."""
        answered = list(zip(self.pairs, self.sentences, strict=True))
        tested = [(pair, sentence) for pair, sentence in answered if pair.tests]
        best = max(self.rows, key=lambda row: row.accuracy).name
        kept = [
            (pair, sentence)
            for pair, sentence in tested
            if len(tested) <= MOST_ANSWERS or best in (pair.first, pair.second)
        ]
        left_out = len(tested) - len(kept)
        return (
            *(sentence for _, sentence in kept),
            *([f"Left out: the {left_out:,} pairs without {best}."] if left_out else []),
            *_untested([pair for pair in self.pairs if not pair.tests]),
        )

    @property
    def notes(self) -> tuple[str, ...]:
        """What else has to be known to read the table rightly."""
        return tuple(_notes(self))

    def describe(self) -> dict[str, Any]:
        """JSON-ready, in full precision."""
        return {
            "part": self.part,
            "reach": self.reach,
            "rows": [row.describe() for row in self.rows],
            "pairs": [
                pair.describe() | {"sentence": sentence}
                for pair, sentence in zip(self.pairs, self.sentences, strict=True)
            ],
            "differences": {key: list(values) for key, values in self.differences.items()},
            "notes": list(self.notes),
        }


def compare(
    runs: Sequence[Run | Sequence[Run] | Group],
    *,
    part: Part = "validation",
    reach: float | None = None,
    pace: bool = True,
    data_dir: str | Path | None = None,
) -> Comparison:
    """Evaluate runs on the same images, and say which differences are real.

    Single runs come together in a row where only their seeds differ; a list of runs, or a Group, is
    a row as it stands, and its network is its first run's. `part` "test" looks at the test split
    once, and counts the look in every run's result. `reach`: the validation accuracy, a fraction,
    whose epoch is wanted. `pace`: whether to time predictions as well.

    Raises: ConfigError for a `reach` outside (0, 1], or nothing to compare; RunError for a run that
    has not ended, or whose images have changed; DataError where the images cannot be had.
    """
    check_reach(reach)
    groups = grouped(runs)
    for group in groups:
        for run in group.runs:
            if not run.is_finished:
                raise RunError(f"{run.path} cannot be compared: {run.what_to_do}")
    folder = None if data_dir is None else Path(data_dir)
    evaluated = evaluate([run for group in groups for run in group.runs], part, folder)
    rest = iter(evaluated)
    by_group = [[next(rest) for _ in group.runs] for group in groups]
    firsts = [evaluations[0] for evaluations in by_group]
    paces = pictures_per_second(firsts) if pace else [None] * len(groups)
    rows = tuple(
        figures_of(number, group, evaluations, reach=reach, predicted_per_s=per_second)
        for number, (group, evaluations, per_second) in enumerate(
            zip(groups, by_group, paces, strict=True)
        )
    )
    return Comparison(
        part=part,
        reach=reach,
        rows=rows,
        pairs=tuple(pairs_of(groups, by_group)),
        differences=differing([group.runs[0].recipe for group in groups]),
    )


def _untested(pairs: Sequence[RowPair]) -> Iterator[str]:
    """A sentence a reason; of many pairs, how many there are."""
    for why in dict.fromkeys(pair.why_untested for pair in pairs):
        names = [f"{pair.first} and {pair.second}" for pair in pairs if pair.why_untested == why]
        if len(names) > MOST_ANSWERS:
            names = [f"{len(names):,} pairs"]
        yield f"Not tested, because {why}: {'; '.join(names)}."


def check_reach(reach: float | None) -> None:
    """Raise ConfigError unless it is an accuracy as a fraction, or None."""
    if reach is not None and not 0 < reach <= 1:
        raise ConfigError(f"reach has to be an accuracy above 0 and up to 1, got {reach:g}")


def _notes(comparison: Comparison) -> Iterator[str]:
    rows = comparison.rows
    surroundings = {
        row.mark: " or ".join(dict.fromkeys(run.surroundings for run in row.runs)) for row in rows
    }
    if len(set(surroundings.values())) > 1:
        places = "; ".join(f"{mark}: {where}" for mark, where in surroundings.items())
        yield f"The seconds are from different machines or thread counts: {places}."
    seeds = {row.mark: ", ".join(str(run.seed) for run in row.runs) for row in rows}
    if len({frozenset(run.seed for run in row.runs) for row in rows}) > 1:
        listed_seeds = "; ".join(f"{mark}: {listed}" for mark, listed in seeds.items())
        yield f"The rows have different seeds: {listed_seeds}."
