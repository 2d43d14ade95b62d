"""docs/compare.md: its program runs, its options are there, its columns are those of the table."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer

from handloom.cli.app import app
from handloom.studies.compare.tables import ACCURACY, FORMATS, cost_columns

PAGE = (Path(__file__).parents[3] / "docs/compare.md").read_text(encoding="utf-8")


def test_the_program_runs_and_finds_the_difference(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(program, "docs/compare.md", "exec"), names)
    small, large = names["comparison"].rows
    assert (small.name, large.name) == ("hidden-3", "hidden-64")
    assert names["comparison"].pairs[0].is_real


def test_every_option_is_the_command_s() -> None:
    command = typer.main.get_command(app).commands["compare"]  # pyright: ignore[reportAttributeAccessIssue]
    theirs = {name for each in command.params for name in (*each.opts, *each.secondary_opts)}
    assert set(re.findall(r"(?<=[`\s])--[a-z][a-z-]*", PAGE)) <= theirs
    for name in FORMATS:
        assert name in PAGE


def test_every_column_is_explained_or_speaks_for_itself() -> None:
    told = {line.split("|")[1].strip() for line in PAGE.splitlines() if line.startswith("| ")}
    columns = {column.heading for column in (*ACCURACY, *cost_columns(0.975))}
    assert columns - told == {"runs", "loss", "parameters"}
