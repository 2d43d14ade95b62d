"""What the shell is offered."""

from __future__ import annotations

from pathlib import Path

import pytest

from handloom.cli.options import complete_recipe, complete_run, complete_set


@pytest.fixture
def runs(elsewhere: Path) -> Path:
    for name in ("runs/a", "runs/b", "other/c", "elsewhere/deep/d"):
        (elsewhere / name).mkdir(parents=True)
        (elsewhere / name / "recipe.toml").touch()
    (elsewhere / "runs" / "no-run").mkdir()
    return elsewhere


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("", ["runs/a", "runs/b"]),
        ("ru", ["runs/a", "runs/b"]),
        ("runs", ["runs/a", "runs/b"]),
        ("runs/b", ["runs/b"]),
        ("other/", ["other/c"]),
        ("elsewhere/deep/", ["elsewhere/deep/d"]),
        ("elsewhere/deep/x", []),
    ],
)
def test_runs(typed: str, offered: list[str], runs: Path) -> None:
    assert complete_run(typed) == offered


def test_recipes_and_sets() -> None:
    assert complete_recipe("mnist-l") == ["mnist-lenet"]
    assert complete_recipe("x") == []
    assert complete_set("fash") == ["fashion-mnist"]
    assert "digits" in complete_set("")
