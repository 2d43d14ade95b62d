"""handloom recipes."""

from __future__ import annotations

import json
import tomllib

import pytest

from handloom.recipes import Recipe, list_recipes, load_recipe, recipe_text


def test_list_names_each_recipe_once(handloom) -> None:
    outcome = handloom("recipes", "list")
    names = [line.split()[0] for line in outcome.out.splitlines()]
    assert names == list(list_recipes())
    assert json.loads(handloom("recipes", "list", "--json").out) == list_recipes()


def test_show_gives_the_file_as_it_stands(handloom) -> None:
    assert handloom("recipes", "show", "digits").out.rstrip() == recipe_text("digits").rstrip()


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


# -- the plan of a compiled step -------------------------------------------------------------------

SMALL = ["-o", "model.hidden=[12]", "-o", "training.threads=1"]


def test_a_plan_shows_pieces_and_stages(handloom) -> None:
    pytest.importorskip("llvmlite")
    outcome = handloom("recipes", "show", "mnist-mlp-1000", *SMALL, "--plan")
    assert (outcome.code, outcome.err) == (0, "")
    sizes, pace, memory, *_ = outcome.out.splitlines()
    assert sizes.startswith("32 pictures a step, in groups of ")
    assert " 1 thread, vectors of " in sizes
    assert " µs a step, 1.2 Mflop, " in pace
    assert " MB of weights and what the optimizer keeps of them, " in memory
    rows = [line.split() for line in outcome.out.splitlines()]
    assert ["dense", "784", "→", "12"] in [row[:4] for row in rows]
    shares = [float(row[-1].rstrip("%")) for row in rows if row and row[-1].endswith("%")]
    assert sum(shares) == pytest.approx(100, abs=1)
    assert max(map(len, outcome.out.splitlines())) <= 100


def test_a_plan_for_a_program(handloom) -> None:
    pytest.importorskip("llvmlite")
    told = json.loads(handloom("recipes", "show", "mnist-mlp-1000", *SMALL, "--plan", "--json").out)
    assert [piece["parameters"] for piece in told["pieces"]] == [784 * 12 + 12, 12 * 10 + 10]
    assert {"phase", "title", "by_group", "flops", "bytes", "share"} == set(told["stages"][0])
    assert told["seconds"] > 0
