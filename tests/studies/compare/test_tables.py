"""Markdown, CSV and LaTeX: every row, every figure, no sign that breaks them."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace

import pytest

from handloom.run.results import Run
from handloom.studies.compare import Comparison, compare
from handloom.studies.compare.tables import FORMATS, as_csv, latex, legend, looks_in_words, markdown


@pytest.fixture(scope="module")
def comparison(good: list[Run], idle: list[Run]) -> Comparison:
    return compare([good, idle], reach=0.9)


def with_name(comparison: Comparison, name: str) -> Comparison:
    first, *others = comparison.rows
    pairs = tuple(replace(pair, first=name) for pair in comparison.pairs)
    return replace(comparison, rows=(replace(first, name=name), *others), pairs=pairs)


def table_of(text: str) -> list[list[str]]:
    """The cells of a Markdown table, an escaped bar being no end of a cell."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]


def test_markdown_has_a_row_a_row(comparison: Comparison) -> None:
    heading, rule, *rows = table_of(markdown(comparison))
    assert set(rule) == {"---", "---:"}
    assert {len(row) for row in (heading, rule, *rows)} == {len(heading)}
    told = dict(zip(heading, rows[0], strict=True))
    figures = comparison.rows[0]
    assert told["accuracy"] == f"{figures.accuracy:.4f} ± {figures.spread:.4f}"
    assert told["95 %"] == f"{figures.interval.low:.4f} to {figures.interval.high:.4f}"
    assert (told["parameters"], told["MACs"], told["tests"]) == ("323", "312", "1 each")
    assert dict(zip(heading, rows[1], strict=True))["to 0.9"] == "never"
    assert f"- {comparison.sentences[0]}" in markdown(comparison).replace("\\", "")


def test_csv_keeps_full_precision(comparison: Comparison) -> None:
    first, second = csv.DictReader(io.StringIO(as_csv(comparison)))
    assert float(first["accuracy"]) == comparison.rows[0].accuracy
    assert float(first["low"]) == comparison.rows[0].interval.low
    assert first["seeds"] == "0 1 2"
    assert second["reached_after"] == ""
    assert int(first["step_bytes"]) == comparison.rows[0].step_bytes


def test_latex_has_as_many_cells_as_columns(comparison: Comparison) -> None:
    text = latex(comparison)
    (columns,) = re.findall(r"\\begin\{tabular\}\{(\w+)\}", text)
    rows = [line for line in text.splitlines() if line.endswith(r" \\")]
    assert len(rows) == 3
    assert {line.count(" & ") + 1 for line in rows} == {len(columns)}
    assert r"$\pm$" in rows[1]
    assert f"% {comparison.sentences[0]}" in text


HOSTILE = r"a|b_c*d`e<f[g\h%i&j$k#l{m}n~o^p"


def test_a_name_breaks_no_table(comparison: Comparison) -> None:
    named = with_name(comparison, HOSTILE)
    _, _, first, _ = table_of(markdown(named))
    assert len(first) == len(table_of(markdown(comparison))[0])
    assert re.sub(r"\\(.)", r"\1", first[1]) == HOSTILE
    row = next(line for line in latex(named).splitlines() if line.startswith("A & "))
    assert row.count(" & ") == latex(comparison).splitlines()[-3].count(" & ")
    unescaped = re.sub(r"\\[%&$#_{}]|\\text\w+\{\}|\$\\pm\$", "", row)
    assert not set(unescaped.removesuffix(r" \\").replace(" & ", "")) & set("%&$#_{}~^\\")
    (told, _) = csv.DictReader(io.StringIO(as_csv(named)))
    assert told["name"] == HOSTILE


def test_the_legend_tells_every_column_that_needs_it(comparison: Comparison) -> None:
    for text in (markdown(comparison), latex(comparison)):
        assert legend(comparison) in text
    told = legend(comparison)
    assert "standard deviation over the runs" in told
    assert "to 0.9: mean number of epochs" in told
    bare = replace(
        comparison,
        reach=None,
        rows=tuple(
            replace(row, runs=row.runs[:1], predicted_per_s=None) for row in comparison.rows
        ),
    )
    assert "standard deviation" not in legend(bare)
    assert "epochs" not in legend(bare)
    assert "predicted" not in legend(bare)


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_ends_its_last_line(comparison: Comparison, name: str) -> None:
    text = FORMATS[name](comparison)
    assert text.endswith("\n")
    assert not text.endswith("\n\n")


@pytest.mark.parametrize(
    ("looks", "told"),
    [
        ((1,), "1"),
        ((3, 3), "3 each"),
        ((1, 2, 1), "1, 2, 1"),
        ((1, 2, 1, 1, 1, 4), "1 to 4"),
    ],
)
def test_looks_are_told_run_by_run(looks: tuple[int, ...], told: str) -> None:
    assert looks_in_words(looks) == told
