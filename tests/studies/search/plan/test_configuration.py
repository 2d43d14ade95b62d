"""Configurations: one name for one recipe, however its values are told."""

from __future__ import annotations

import string

import pytest

from handloom.recipes import load_recipe
from handloom.studies.search import Configuration, name_of, short_names, written

BASE = load_recipe("mnist-mlp-1000")


def key(parameters: dict[str, object], **changes: object) -> str:
    return Configuration.of(load_recipe(BASE, changes), parameters).key


def test_the_same_recipe_has_the_same_name() -> None:
    assert key({"optimizer.weight_decay": 0}) == key({"optimizer.weight_decay": 0.0})
    assert key({"optimizer.lr": 0.1}) == key({"optimizer.lr": 0.1}, seed=5, description="other")
    assert key({"optimizer.lr": 0.1}, **{"training.threads": 3}) == key({"optimizer.lr": 0.1})
    # A value that is the recipe's default says nothing new.
    digest = key({"optimizer.lr": 0.2})[-8:]
    assert key({"optimizer.lr": 0.2, "model.dropout": 0.0})[-8:] == digest


def test_another_recipe_has_another_name() -> None:
    keys = {
        key({"optimizer.lr": 0.1}),
        key({"optimizer.lr": 0.2}),
        key({"optimizer.lr": 0.1}, **{"training.epochs": 7}),
        key({"optimizer.lr": 0.1}, engine="numpy"),
        key({"model.hidden": [64, 32]}),
        key({"model.hidden": [6432]}),
    }
    assert len(keys) == 6


def test_the_name_is_readable_and_fit_for_a_folder() -> None:
    made = key({"optimizer.lr": 0.1, "model.hidden": [256, 128]})
    assert made.startswith("lr=0.1,hidden=256-128,")
    long = key({"data.normalise": "scale", "model.hidden": [7] * 200})
    assert len(long.encode()) < 100
    assert set(long) <= set(string.ascii_letters + string.digits + "_.,=+-")


def test_an_empty_text_takes_a_key_out() -> None:
    made = Configuration.of(BASE, {"model.init": ""})
    assert made.recipe.model.model_dump()["init"] is None


def test_names_are_as_short_as_they_can_be() -> None:
    paths = ["optimizer.lr", "model.name", "schedule.factor", "training.plateau.factor"]
    assert short_names(paths) == {
        "optimizer.lr": "lr",
        "model.name": "model.name",
        "schedule.factor": "schedule.factor",
        "training.plateau.factor": "training.plateau.factor",
    }
    assert name_of({"optimizer.lr": 0.05, "model.hidden": [64, 32]}) == "lr=0.05,hidden=64-32"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1, "0.1"), (1e-05, "1e-05"), (True, "true"), ([3, [4, 5]], "3-4-5"), ({"a": 1}, "1")],
)
def test_values_in_short(value: object, text: str) -> None:
    assert written(value) == text
