"""docs/contest.md: its recipe is one, its program runs, its commands and files are there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import handloom as hl
from handloom.cli import options, predict, test, train

PAGE = (Path(__file__).parents[3] / "docs/contest.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def test_the_recipe_is_one(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(blocks("toml")[0])
    recipe = hl.load_recipe(tmp_path / "mine.toml")
    assert recipe.data.images == str(tmp_path / "train.npy")


def test_the_program_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    exec(compile(blocks("python")[0], "docs/contest.md", "exec"), names)
    accuracy, predicted = capsys.readouterr().out.splitlines()
    assert float(accuracy) > 0.9
    assert len(re.findall(r"\d", predicted)) == 5
    path = tmp_path / "runs" / "digits"
    listed = set(re.findall(r"^\| `([\w.-]+)`", PAGE, re.MULTILINE)) - {"fold-2-seed-0"}
    assert listed == {each.name for each in path.iterdir() if each.is_file()} - {".lock"}
    assert (path / "fold-2-seed-0" / "result.json").is_file()
    assert np.load(path / "out-of-fold.npy").shape[1] == 10


def test_the_commands_have_the_options_that_the_page_gives_them() -> None:
    known = "".join(
        Path(str(module.__file__)).read_text() for module in (options, predict, test, train)
    )
    for line in "".join(blocks("sh")).splitlines():
        for option in re.findall(r"--([a-z]+)", line if line.startswith("handloom") else ""):
            assert f'"--{option}"' in known or re.search(rf"^    {option}: ", known, re.MULTILINE)
