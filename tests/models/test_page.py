"""The page about networks: its figures and its output are what the program tells today."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from handloom.cli.main import main
from handloom.models import shortened
from handloom.recipes import load_recipe
from handloom.run.assemble import summarise_network
from handloom.run.assemble.network import MODELS

PAGE = (Path(__file__).parents[2] / "docs/networks.md").read_text(encoding="utf-8")
ROWS = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if line.startswith("| `name")]


def settings(cell: str) -> dict[str, Any]:
    return tomllib.loads("\n".join(re.findall(r"`([^`]+)`", cell)))


@pytest.mark.parametrize("row", ROWS[:-1], ids=lambda row: row[1])
def test_figures_are_those_of_the_network(row: list[str]) -> None:
    model, _, parameters, multiply_adds, megabytes = row
    summary = summarise_network(load_recipe("fashion-mlp-256", {"model": settings(model)}))
    assert f"{summary.network.parameters:,}" == parameters
    assert shortened(summary.network.multiply_adds) == multiply_adds
    assert f"{summary.memory.outputs / summary.batch / 1e6:.2f}" == megabytes


def test_every_network_has_its_row() -> None:
    assert {settings(row[0])["name"] for row in ROWS[:-1]} | {"sequential"} == set(MODELS)


def test_the_command_prints_what_the_page_shows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (command,) = re.findall(r"```sh\n(.*?)\n```", PAGE, re.DOTALL)
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.setattr(sys, "argv", command.split())
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().out == shown


def test_the_program_runs(capsys: pytest.CaptureFixture[str]) -> None:
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(program, "docs/networks.md", "exec"), names)
    sums, first, *others = capsys.readouterr().out.splitlines()
    assert sums.split()[0] == str(names["network"].num_parameters())
    assert first == "0 Conv2d 3×3 (16, 28, 28) 144"
    assert len(others) == len(names["network"]) - 1
