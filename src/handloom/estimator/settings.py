"""From an estimator's parameters to the recipe that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from handloom.errors import ConfigError
from handloom.recipes import Recipe, make_recipe

ORIGIN = "Classifier"
DEFAULT_WIDTH = 128  # of the one hidden layer of an MLP that was told nothing


def recipe_of(params: Mapping[str, Any], *, seed: int, class_weights: Any = None) -> Recipe:
    """The recipe of `Classifier.get_params()`; `class_weights` (K,) in the order of the classes.

    A parameter that is None leaves its key to the recipe's default. Raises RecipeError, which
    names the recipe's key path.
    """
    told = {name: plain(value) for name, value in params.items()}
    hidden = told["hidden"]
    stopping = {}
    if told["early_stopping"]:
        stopping = {
            "early_stopping_patience": told["patience"],
            "early_stopping_monitor": told["monitor"],
        }
    model = table("architecture", told["architecture"])
    if hidden is None and model.get("name") == "mlp" and "hidden" not in model:
        hidden = DEFAULT_WIDTH
    values = {
        "seed": seed,
        "engine": told["engine"],
        "data": {"name": "X"},
        "augment": told["augment"],
        "model": model
        | given(
            hidden=[hidden] if isinstance(hidden, int) else hidden,
            activation=told["activation"],
            dropout=told["dropout"],
        ),
        "loss": given(name="cross-entropy", class_weights=plain(class_weights)),
        "optimizer": table("optimizer", told["optimizer"])
        | given(lr=told["lr"], weight_decay=told["weight_decay"]),
        "schedule": table("schedule", told["schedule"]),
        "training": given(
            epochs=told["epochs"],
            batch_size=told["batch_size"],
            monitor=told["monitor"],
            threads=told["threads"],
            **stopping,
        ),
    }
    return make_recipe(given(**values), ORIGIN, told["settings"] or {})


def table(parameter: str, value: Any) -> dict[str, Any]:
    """A table of the recipe, told by its name alone or whole; raises ConfigError for neither."""
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, dict) and "name" in value:
        return value
    raise ConfigError(
        f"{parameter} is {value!r}; it has to be a name, or a mapping with a name, as a recipe's "
        "table has it"
    )


def given(**values: Any) -> dict[str, Any]:
    """The values that are not None."""
    return {key: value for key, value in values.items() if value is not None}


def plain(value: Any) -> Any:
    """A value as a recipe knows it: Python's own numbers and lists, in the place of NumPy's."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return value
