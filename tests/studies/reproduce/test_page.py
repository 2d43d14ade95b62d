"""The page about reproducing: its table is that of the experiments."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from handloom.studies.reproduce.rows import EXPERIMENTS

PAGE = (Path(__file__).parents[3] / "docs/reproduce.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `([\w-]+)` \|(.*)\|$", PAGE, re.MULTILINE))


def test_every_experiment_has_its_row_in_the_same_order() -> None:
    assert list(ROWS) == list(EXPERIMENTS)


@pytest.mark.parametrize("row", EXPERIMENTS.values(), ids=lambda row: row.name)
def test_a_row_tells_the_report_and_all_published_figures(row) -> None:
    report, *cells = (cell.strip() for cell in ROWS[row.name].split("|"))
    assert row.source.startswith(f"report {report},")
    told = {float(figure.replace(",", "")) for figure in re.findall(r"\d[\d.,]*\b", cells[0])}
    published = {value for each in row.published for value in (each.value, each.most) if value}
    assert published <= told


@pytest.mark.parametrize("commands", re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL))
def test_its_commands_name_experiments_and_options_that_there_are(commands: str) -> None:
    for line in commands.splitlines():
        program, command, *arguments = line.partition("#")[0].split()
        assert (program, command) == ("handloom", "reproduce")
        names = {word for word in arguments if word in EXPERIMENTS}
        options = {"--quick", "--workers", "2", "--format", "markdown"}
        assert set(arguments) <= names | options
