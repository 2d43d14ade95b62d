"""A recipe as one level of key paths."""

from __future__ import annotations

import pytest

from handloom.recipes import list_recipes, load_recipe
from handloom.recipes.flat import flattened


def test_tables_become_paths_and_lists_stay() -> None:
    flat = flattened(load_recipe("digits", {"optimizer.lr": 0.5, "model.hidden": [4, 3]}))
    assert flat["optimizer.lr"] == 0.5
    assert flat["model.hidden"] == (4, 3)
    assert flat["seed"] == 0
    assert flat["torch"] is None


@pytest.mark.parametrize("name", list_recipes())
def test_every_value_is_found_under_its_path(name: str) -> None:
    recipe = load_recipe(name)
    told = recipe.model_dump()
    for path, value in flattened(recipe).items():
        here = told
        for part in path.split("."):
            here = here[part]
        assert here == value
        assert not isinstance(value, dict)
