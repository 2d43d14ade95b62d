"""The shipped recipes, short enough for a test."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from handloom import load_recipe, models
from handloom.recipes import Recipe, list_recipes
from handloom.run import assemble
from handloom.run.assemble import Parts

LARGE = 10_000_000
"""Multiply-adds an image: above it a test is for `--slow`, and its batches are small."""
FEW = 6


def shipped(*, for_torch: bool = True) -> list[Any]:
    """Every recipe's name: `data` where it needs the real images, `slow` where it is large, or
    trains the network of an earlier one by the same rule.

    Those that ask for the torch engine only where that is the subject.
    """
    names = [n for n in list_recipes() if for_torch or load_recipe(n).engine != "torch"]
    return [pytest.param(name, marks=_marks(name)) for name in names]


@cache
def shortened(name: str, sample: float) -> tuple[Recipe, Parts]:
    """The recipe on one thread and a share of its images, with its data.

    A recipe for a user's own images gets Fashion-MNIST in their place.
    """
    values = load_recipe(name).model_dump(mode="json", exclude_none=True, exclude_unset=True)
    values["training"]["threads"] = 1
    data = values["data"]
    if data.get("name") != "digits":
        kept = {"normalise": data["normalise"]} if "normalise" in data else {}
        named = data.get("name", "fashion-mnist")
        values["data"] = {"name": named, "validation": 0.1, "sample": sample, **kept}
    if _is_large(name):
        values["training"]["batch_size"] = FEW
    recipe = Recipe.model_validate(values)
    folder = os.environ.get("HANDLOOM_DATA")
    return recipe, assemble.load_parts(recipe, Path(folder) if folder else None)


def _marks(name: str) -> list[Any]:
    embedded = load_recipe(name).data.name == "digits"
    is_slow = _is_large(name) or _is_variant(name)
    return [pytest.mark.data] * (not embedded) + [pytest.mark.slow] * is_slow


@cache
def _is_variant(name: str) -> bool:
    """Whether the network, its loss and its rule's name are those of a recipe before it."""
    names = list(list_recipes())
    return _essence(name) in map(_essence, names[: names.index(name)])


@cache
def _essence(name: str) -> tuple[Any, Any, str]:
    recipe = load_recipe(name)
    return recipe.model, recipe.loss, recipe.optimizer.name


@cache
def _is_large(name: str) -> bool:
    shape = (1, 28, 28)
    network = assemble.build_model(load_recipe(name), shape, 10)
    return models.summarise(network, shape).multiply_adds > LARGE
