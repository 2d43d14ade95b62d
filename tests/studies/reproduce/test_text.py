"""A reproduction in words."""

from __future__ import annotations

import pytest

from handloom.studies.reproduce.checks import Beats
from handloom.studies.reproduce.claims import Claim
from handloom.studies.reproduce.experiment import Experiment, Published, SeriesSubject
from handloom.studies.reproduce.table import Reproduction, TableRow, hold_against
from handloom.studies.reproduce.text import COLUMNS, as_markdown, cells, counted_verdicts

EXPERIMENT = Experiment(
    name="pair",
    title="Two of them",
    source="report 0",
    subjects={"a|b": SeriesSubject("digits"), "c": SeriesSubject("digits")},
    published=(Published("a|b", "test_accuracy", 0.92),),
    claims=(Claim("a beats c", "0.92", Beats("a|b", "c")), Claim("c wins", "", Beats("c", "a|b"))),
    note="half as wide",
)


@pytest.fixture
def told(made) -> Reproduction:
    return hold_against(EXPERIMENT, {"a|b": made(0.95), "c": made(0.90)}, "1 seed instead of 3")


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            TableRow(
                "a", None, "test_accuracy", Published("a", "", 0.9806), 0.98274, 0.00096, 3.14
            ),
            ("a", "test acc", "0.9806", "0.9827 ± 0.0010", "+0.0021", "3.1"),
        ),
        (
            TableRow("a", 3, "validation_loss", None, 0.25, None, 1234.5),
            ("3. a", "val loss", "", "0.2500", "", "1,234.5"),
        ),
        (
            TableRow(
                "a", None, "test_accuracy", Published("a", "", 0.9826, 0.9828), 0.98, None, 1.0
            ),
            ("a", "test acc", "0.9826-0.9828", "0.9800", "-0.0026", "1.0"),
        ),
        (
            TableRow("a", None, "seconds", Published("a", "", 2105), 3.25, 0.5, 3.25),
            ("a", "seconds", "2,105", "3.2 ± 0.5", "-2,102", "3.2"),
        ),
        (
            TableRow("a", None, "lowest_epoch", Published("a", "", 20), 41.666, 1.5, 9.0),
            ("a", "lowest epoch", "20", "41.7 ± 1.5", "+21.7", "9.0"),
        ),
        (
            TableRow("a", None, "parameters", None, 199_210, 0.0, 9.0),
            ("a", "parameters", "", "199,210 ± 0", "", "9.0"),
        ),
        (
            TableRow("a", None, "test_loss", Published("a", "", 0.3), float("inf"), None, 9.0),
            ("a", "test loss", "0.3000", "not finite", "not finite", "9.0"),
        ),
    ],
)
def test_cells_of_a_row(row: TableRow, expected: tuple[str, ...]) -> None:
    assert cells(row) == expected
    assert len(expected) == len(COLUMNS)


def test_verdicts_are_counted(told: Reproduction) -> None:
    assert counted_verdicts([told, told]) == "2 held, 2 did not hold"
    assert counted_verdicts([]) == "no conclusions"


def test_markdown_holds_figures_conclusions_and_what_is_less(told: Reproduction) -> None:
    figures, conclusions, remark = as_markdown([told]).split("\n\n")
    for table, columns in ((figures, 7), (conclusions, 4)):
        lines = table.splitlines()
        widths = {line.replace("\\|", "").count("|") for line in lines}
        assert widths == {columns + 1}, "every line has all columns"
        assert set(lines[1]) <= set("|-: ")
    assert "| `pair` | a\\|b | test acc | 0.9200 | 0.9500 | +0.0300 | 10.0 |" in figures
    assert "a beats c (0.92) | **held** |" in conclusions
    assert "c wins | **did not hold** |" in conclusions
    assert remark == "`pair`, note: half as wide; reduced: 1 seed instead of 3.\n"
