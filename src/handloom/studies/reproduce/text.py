"""A reproduction in words: cells of its table, sentences of its conclusions, the Markdown page."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from handloom.studies.reproduce.claims import Verdict
from handloom.studies.reproduce.table import Conclusion, Reproduction, TableRow

COLUMNS = ("configuration", "figure", "published", "ours", "gap", "s")
NAMES = {
    "validation_accuracy": "val acc",
    "validation_loss": "val loss",
    "test_accuracy": "test acc",
    "test_loss": "test loss",
    "lowest_epoch": "lowest epoch",
    "best_epoch": "best epoch",
}
WHOLE = ("parameters", "lowest_epoch", "best_epoch", "epochs", "seconds")
"""Figures that are told without digits after the point, if they are large enough."""


def cells(row: TableRow) -> tuple[str, ...]:
    """A row under COLUMNS; the spread over the seeds stands behind the mean."""
    known = row.published
    published = "" if known is None else _figure(row.what, known.value)
    if known is not None and known.most is not None:
        published = f"{published}-{_figure(row.what, known.most)}"
    ours = _figure(row.what, row.ours)
    if row.spread is not None:
        ours = f"{ours} ± {_figure(row.what, row.spread)}"
    return (
        row.label if row.rank is None else f"{row.rank}. {row.label}",
        NAMES.get(row.what, row.what),
        published,
        ours,
        "" if row.gap is None else _gap(row.what, row.gap),
        f"{row.seconds:,.1f}",
    )


def _figure(what: str, value: float) -> str:
    if not math.isfinite(value):
        return "not finite"
    whole = what in WHOLE and (value >= 100 or value == round(value))
    return f"{value:,.0f}" if whole else f"{value:.{1 if what in WHOLE else 4}f}"


def _gap(what: str, gap: float) -> str:
    if not math.isfinite(gap):
        return "not finite"
    return f"{'+' if gap >= 0 else '-'}{_figure(what, abs(gap))}"


def claimed(conclusion: Conclusion) -> str:
    """The published conclusion, with its figures where it has any."""
    claim = conclusion.claim
    return f"{claim.sentence} ({claim.published})" if claim.published else claim.sentence


def counted_verdicts(reproductions: Iterable[Reproduction]) -> str:
    """'9 held, 2 did not hold, 1 cannot be told': verdicts that occur, with how many have them."""
    verdicts = Counter(
        conclusion.judgement.verdict for each in reproductions for conclusion in each.conclusions
    )
    counts = [f"{verdicts[verdict]} {verdict.value}" for verdict in Verdict if verdicts[verdict]]
    return ", ".join(counts) or "no conclusions"


def as_markdown(reproductions: Sequence[Reproduction]) -> str:
    """Figures, conclusions, and what was reduced or left out, as a page."""
    figures = (
        (f"`{each.experiment.name}`", *cells(row)) for each in reproductions for row in each.rows
    )
    conclusions = (
        (
            f"`{each.experiment.name}`",
            claimed(conclusion),
            f"**{conclusion.judgement.verdict.value}**",
            conclusion.judgement.because,
        )
        for each in reproductions
        for conclusion in each.conclusions
    )
    parts = [
        _table(("experiment", *COLUMNS), figures, numbers=4),
        _table(("experiment", "published conclusion", "", "ours"), conclusions),
        *_remarks(reproductions),
    ]
    return "\n\n".join(parts) + "\n"


def _remarks(reproductions: Iterable[Reproduction]) -> Iterator[str]:
    for each in reproductions:
        if each.remarks:
            remarks = "; ".join(f"{word}: {text}" for word, text in each.remarks.items())
            yield f"`{each.experiment.name}`, {remarks}."


def _table(columns: Sequence[str], rows: Iterable[Sequence[str]], numbers: int = 0) -> str:
    """A table of Markdown, its last columns, so many `numbers`, set right."""
    rules = ["---"] * (len(columns) - numbers) + ["---:"] * numbers
    lines = [columns, rules, *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
