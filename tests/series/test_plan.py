"""Which runs a series has, and how seeds are written on a command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from handloom.errors import ConfigError
from handloom.recipes import load_recipe
from handloom.series import MEMBER_FOLDER, Series, digest, parse_seeds


def test_a_run_for_each_fold_of_each_seed(bars: Path, tmp_path: Path) -> None:
    members = Series(load_recipe(bars), (3, 0), 2).members(tmp_path)
    assert [member.name for member in members] == [
        "fold-1-seed-3", "fold-2-seed-3", "fold-1-seed-0", "fold-2-seed-0",
    ]  # fmt: skip
    keys = [(m.recipe.seed, m.recipe.data.folds, m.recipe.data.fold) for m in members]
    assert keys == [(3, 2, 1), (3, 2, 2), (0, 2, 1), (0, 2, 2)]
    assert all(MEMBER_FOLDER.fullmatch(member.name) for member in members)


def test_without_folds_the_recipes_own_fold_stays(bars: Path, tmp_path: Path) -> None:
    recipe = load_recipe(bars, {"data.folds": 4, "data.fold": 2})
    (member,) = Series(recipe, (7,)).members(tmp_path / "a" / "b", root=tmp_path)
    assert member.name == "a/b/seed-7"
    assert member.recipe == load_recipe(recipe, {"seed": 7})


@pytest.mark.parametrize(
    ("text", "seeds"),
    [("3", (5, 6, 7)), ("0,1,2", (0, 1, 2)), ("7,", (7,)), (" 4 , 2", (4, 2)), ("1", (5,))],
)
def test_a_count_or_a_list(text: str, seeds: tuple[int, ...]) -> None:
    assert parse_seeds(text, 5) == seeds


@pytest.mark.parametrize(
    "text", ["", "a", "1,1", "1,,2", "-1", "1.5", "0,x", ",", "0", "9" * 30, "10001"]
)
def test_other_seeds_are_refused(text: str) -> None:
    with pytest.raises(ConfigError):
        parse_seeds(text, 0)


def test_a_digest_stands_for_all_but_the_seed(bars: Path) -> None:
    recipe = load_recipe(bars)
    same = {"seed": 9, "description": "Another", "training.threads": 2}
    assert digest(load_recipe(bars, same)) == digest(recipe)
    others = [{"optimizer.lr": 0.1}, {"engine": "loom"}, {"model.hidden": [9]}]
    assert len({digest(recipe), *(digest(load_recipe(bars, other)) for other in others)}) == 4
