"""From an estimator's parameters to the recipe that they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from handloom.errors import ConfigError, RecipeError
from handloom.recipes import Recipe, make_recipe

ORIGIN = "Classifier"
DATA = "X"
ENDING = ("cosine", "linear", "one-cycle")
"""Schedules whose last step is that of the training."""
MOST_EPOCHS = 10**6
DEFAULT_WIDTH = 128  # of the one hidden layer of an MLP that was told nothing


def recipe_of(params: Mapping[str, Any], *, seed: int, class_weights: Any = None) -> Recipe:
    """The recipe of `Classifier.get_params()`; `class_weights` (K,) in the order of the classes.

    A parameter that is None leaves its key to the recipe's default. Raises RecipeError, which
    names the recipe's key path, also for settings that would have no effect.
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
        "data": {"name": DATA},
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
    recipe = make_recipe(given(**values), ORIGIN, told["settings"] or {})
    _check_effect(recipe, has_validation=told["early_stopping"])
    return recipe


def without_end(recipe: Recipe) -> Recipe:
    """The recipe where epochs come one by one, and nobody knows how many.

    Schedules that count steps or epochs from the start continue. One that ends with the last epoch
    has nowhere to end: its rate stays at optimizer.lr. A warm-up is kept.
    """
    schedule = recipe.schedule
    if schedule.name in ENDING:
        constant = Recipe.model_fields["schedule"].default
        schedule = constant.model_copy(update={"warmup_epochs": schedule.warmup_epochs})
    training = recipe.training.model_copy(update={"epochs": MOST_EPOCHS})
    return recipe.model_copy(update={"schedule": schedule, "training": training})


def settled(params: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters that are compared when they may have changed, as plain values."""
    state = params["random_state"]
    if not isinstance(state, int | np.integer | None):
        state = "a RandomState"
    return {
        "normalise": params["normalise"],
        "random_state": plain(state),
        "class_weight": plain(params["class_weight"]),
    }


def check_change(before: Recipe, now: Recipe) -> None:
    """Raise ConfigError where what was learned with one recipe cannot be used with the other."""
    fixed = (
        ("seed", before.seed, now.seed),
        ("model", _structure(before), _structure(now)),
        ("optimizer.name", before.optimizer.name, now.optimizer.name),
    )
    for key, old, new in fixed:
        if old != new:
            raise refusal(key, old, new)


def refusal(name: str, old: Any, new: Any) -> ConfigError:
    """The error for a parameter or a key that may not change between calls of partial_fit."""
    return ConfigError(
        f"{name} has changed since training began, from {old!r} to {new!r}: the state learned so "
        "far would not fit; set it back, or call fit to start over"
    )


def ends_in_softmax(recipe: Recipe) -> bool:
    """Whether the network gives probabilities by itself."""
    layers = recipe.model.model_dump().get("layers") or [{}]
    return layers[-1].get("layer") == "softmax"


def _structure(recipe: Recipe) -> dict[str, Any]:
    """[model] without what has no weights."""
    return recipe.model.model_dump(exclude={"dropout"}, exclude_unset=True)


def _check_effect(recipe: Recipe, *, has_validation: bool) -> None:
    """Raise RecipeError for settings that an estimator does not use."""
    data = recipe.data.model_dump(exclude_defaults=True).keys() - {"name"}
    unused = dict.fromkeys(
        (f"data.{key}" for key in sorted(data)), "the examples are X and y as they are given"
    )
    if recipe.data.name != DATA:
        unused["data.name"] = "the examples are X and y as they are given"
    said, default = recipe.training, type(recipe.training).model_fields
    alone = dict.fromkeys(("checkpoints", "tensorboard"), "an estimator writes no files")
    if not has_validation:
        alone |= dict.fromkeys(
            ("plateau", "evaluate_every", "early_stopping_patience", "early_stopping_monitor"),
            "without early_stopping=True there are no validation examples",
        )
    for key, why in alone.items():
        if getattr(said, key) != default[key].default:
            unused[f"training.{key}"] = why
    for key, why in unused.items():
        raise RecipeError(f"{ORIGIN}: {key} in settings has no effect: {why}; remove it")


def table(parameter: str, value: Any) -> dict[str, Any]:
    """A table of the recipe, told by its name alone or whole; raises ConfigError for neither."""
    if isinstance(value, str):
        return {"name": value}
    if isinstance(value, dict) and "name" in value:
        return value
    raise ConfigError(
        f"{parameter} is {value!r}; it has to be a name, or a mapping with a name, as a recipe's "
        "table does"
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
