"""docs/diagnose.md: its table is the rules', its program runs, and the advice can be followed."""

from __future__ import annotations

import inspect
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import handloom as hl
from handloom.diagnosis import all_rules
from handloom.recipes.schema.recipe import tables_with

PAGE = (Path(__file__).parents[2] / "docs/diagnose.md").read_text(encoding="utf-8")
TABLE = dict(re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", PAGE, re.MULTILINE))


def test_the_table_has_every_rule_and_no_other() -> None:
    assert TABLE.keys() == {rule.name for rule in all_rules()}
    assert len(TABLE) == 19
    assert "runs nineteen checks" in PAGE


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)
def test_the_source_of_each_is_the_rules_own(rule) -> None:
    told = TABLE[rule.name].split(" | ")[1]
    for source in told.split("; "):
        assert source in rule.source or source.split(" 1994")[0] in rule.source


@pytest.mark.parametrize("rule", all_rules(), ids=lambda rule: rule.name)
def test_every_key_that_is_advised_is_a_recipes(rule) -> None:
    """Where in a recipe a key stands is told right."""
    text = inspect.getsource(inspect.getmodule(type(rule)))
    tables = "data|augment|model|loss|optimizer|schedule|training"
    advised = re.findall(rf"(?<![\w.])({tables})\.([a-z_]+)(?: = |[.,;:)\" ])", text)
    for table, key in {pair for pair in advised if pair[1] != "name"}:
        assert table in tables_with(key), f"{table}.{key}"


def test_the_program_runs(
    stay_healthy: Callable[[str], hl.Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    trained = stay_healthy("digits").path

    def train(recipe: str, run_dir: str) -> hl.Run:
        assert recipe == "digits"
        return hl.open_run(shutil.copytree(trained, run_dir))

    monkeypatch.setattr(hl, "train", train, raising=False)
    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(compile(program, "docs/diagnose.md", "exec"), {"__name__": "page"})
    assert list((tmp_path / "runs/digits/figures").glob("diagnose-*.png"))
