"""A comparison as text: its columns, and Markdown, CSV and LaTeX made of them."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from handloom.models import shortened
from handloom.studies.compare.figures import Figures

if TYPE_CHECKING:
    from handloom.studies.compare.comparison import Comparison

FEW = 5
"""Runs whose looks at the test split are listed one by one."""


class Column(NamedTuple):
    """What it is called, and a row's figure as it is read."""

    heading: str
    cell: Callable[[Figures], str]


ACCURACY = (
    Column("runs", lambda row: str(len(row.runs))),
    Column("accuracy", lambda row: _with_spread(row)),
    Column("95 %", lambda row: f"{row.interval.low:.4f} to {row.interval.high:.4f}"),
    Column("loss", lambda row: f"{row.loss:.4f}"),
    Column("tests", lambda row: looks_in_words(row.looks)),
)


def cost_columns(reach: float | None) -> tuple[Column, ...]:
    """What the accuracy costs; `reach` is that whose epoch is told."""
    reached = () if reach is None else (Column(f"to {reach:g}", _reached),)
    return (
        Column("parameters", lambda row: f"{row.parameters:,}"),
        Column("MACs", lambda row: shortened(row.multiply_adds)),
        Column("MB", lambda row: f"{row.step_bytes / 1e6:,.1f}"),
        *reached,
        Column("seconds", lambda row: _round(row.seconds)),
        Column("images/s", _pace),
    )


def legend(comparison: Comparison) -> str:
    """What the columns mean, in a line."""
    several = any(len(row.runs) > 1 for row in comparison.rows)
    meanings = [
        f"accuracy: on the {comparison.part} images"
        + (", mean ± standard deviation over the runs" if several else ""),
        "95 %: confidence interval (t over several runs, Wilson for a single one)",
        "tests: how often each run has been evaluated on the test set",
        "MACs: multiply-adds of the forward pass for one image",
        "MB: weights, gradients, optimizer state, and a batch's outputs in float32, calculated",
    ]
    if comparison.reach is not None:
        meanings.append(
            f"to {comparison.reach:g}: mean number of epochs until the validation accuracy reached "
            "it"
        )
    meanings.append("seconds: training time, as recorded by the run")
    if any(row.predicted_per_s for row in comparison.rows):
        meanings.append(
            "images/s: predictions measured just now, with each network's engine and threads"
        )
    return "; ".join(meanings)


def markdown(comparison: Comparison) -> str:
    """A table, the sentences as a list, and what the columns mean."""
    columns = (*ACCURACY, *cost_columns(comparison.reach))
    lines = [
        ["", "name", *(column.heading for column in columns)],
        ["---", "---", *["---:" for _ in columns]],
        *(_cells(row, columns) for row in comparison.rows),
    ]
    table = "\n".join(f"| {' | '.join(map(_in_markdown, line))} |" for line in lines)
    answers = "\n".join(f"- {_in_markdown(sentence)}" for sentence in comparison.answers)
    notes = "\n\n".join(comparison.notes)
    parts = [table, answers, f"{legend(comparison)}.", notes]
    return "\n\n".join(part for part in parts if part) + "\n"


def latex(comparison: Comparison) -> str:
    """A tabular for the package booktabs; the sentences stand before it as comments."""
    columns = (*ACCURACY, *cost_columns(comparison.reach))
    comments = [*comparison.answers, f"{legend(comparison)}.", *comparison.notes]
    lines = [
        *(f"% {comment}" for comment in comments),
        rf"\begin{{tabular}}{{ll{'r' * len(columns)}}}",
        r"\toprule",
        _latex_row(["", "name", *(column.heading for column in columns)]),
        r"\midrule",
        *(_latex_row(_cells(row, columns)) for row in comparison.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def as_csv(comparison: Comparison) -> str:
    """One row per row, in full precision; of several runs seeds and looks are parted by spaces."""
    text = io.StringIO()
    rows = [_plain(row) for row in comparison.rows]
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


FORMATS: dict[str, Callable[[Comparison], str]] = {
    "markdown": markdown,
    "csv": as_csv,
    "latex": latex,
}


def looks_in_words(looks: Sequence[int]) -> str:
    """'1', '1 each', '1, 2, 1', or '1 to 3' of many."""
    fewest, most = min(looks), max(looks)
    if fewest == most:
        return f"{most} each" if len(looks) > 1 else str(most)
    return ", ".join(map(str, looks)) if len(looks) <= FEW else f"{fewest} to {most}"


def _plain(row: Figures) -> dict[str, Any]:
    return {
        "name": row.name,
        "seeds": " ".join(str(run.seed) for run in row.runs),
        "accuracy": row.accuracy,
        "spread": row.spread,
        "low": row.interval.low,
        "high": row.interval.high,
        "loss": row.loss,
        "pictures": row.pictures,
        "test_looks": " ".join(map(str, row.looks)),
        "parameters": row.parameters,
        "multiply_adds": row.multiply_adds,
        "step_bytes": row.step_bytes,
        "epochs": row.epochs,
        "reached_after": row.reached_after,
        "seconds": row.seconds,
        "predicted_per_s": row.predicted_per_s,
    }


def _cells(row: Figures, columns: Sequence[Column]) -> list[str]:
    return [row.mark, row.name, *(column.cell(row) for column in columns)]


def _with_spread(row: Figures) -> str:
    spread = "" if row.spread is None else f" ± {row.spread:.4f}"
    return f"{row.accuracy:.4f}{spread}"


def _reached(row: Figures) -> str:
    if row.reached_after is not None:
        return f"{row.reached_after:.1f}".removesuffix(".0")
    came = sum(run.reached_after is not None for run in row.runs)
    return f"{came} of {len(row.runs)}" if came else "never"


def _round(seconds: float) -> str:
    return f"{seconds:,.{1 if seconds < 100 else 0}f}"


def _pace(row: Figures) -> str:
    return "" if row.predicted_per_s is None else f"{row.predicted_per_s:,.0f}"


def _in_markdown(cell: str) -> str:
    """A folder's name may have signs that Markdown would take for its own."""
    return "".join(f"\\{sign}" if sign in r"\|*_`<[" else sign for sign in cell)


def _latex_row(cells: Sequence[str]) -> str:
    return " & ".join(map(_in_latex, cells)) + r" \\"


IN_LATEX = {
    "\\": r"\textbackslash{}",
    "±": r"$\pm$",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}


def _in_latex(cell: str) -> str:
    return "".join(IN_LATEX.get(sign, sign) for sign in cell)
