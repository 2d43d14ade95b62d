"""handloom recipes."""

from __future__ import annotations

import json
import tomllib

from handloom.recipes import Recipe, list_recipes, load_recipe, recipe_text


def test_list_names_each_recipe_once(handloom) -> None:
    outcome = handloom("recipes", "list")
    names = [line.split()[0] for line in outcome.out.splitlines()]
    assert names == list(list_recipes())
    assert json.loads(handloom("recipes", "list", "--json").out) == list_recipes()


def test_show_gives_the_file_as_it_stands(handloom) -> None:
    assert handloom("recipes", "show", "digits").out.startswith(recipe_text("digits").rstrip())


def test_resolved_is_a_recipe_with_every_default(handloom, elsewhere) -> None:
    outcome = handloom("recipes", "show", "digits", "--resolved")
    assert tomllib.loads(outcome.out)["training"]["eval_batch_size"] == 1000
    (elsewhere / "mine.toml").write_text(outcome.out)
    assert load_recipe(elsewhere / "mine.toml") == load_recipe("digits")


def test_changes_are_shown(handloom) -> None:
    outcome = handloom("recipes", "show", "digits", "-o", "optimizer.lr=0.5")
    assert tomllib.loads(outcome.out)["optimizer"]["lr"] == 0.5


def test_json_is_the_resolved_recipe(handloom) -> None:
    told = json.loads(handloom("recipes", "show", "mnist-lenet", "--json").out)
    assert Recipe.model_validate(told) == load_recipe("mnist-lenet")
