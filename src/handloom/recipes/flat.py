"""A recipe as one level of key paths, to compare it with others."""

from __future__ import annotations

from typing import Any

from handloom.recipes.schema import Recipe
from handloom.recipes.schema.data import PATH_KEYS


def flattened(recipe: Recipe) -> dict[str, Any]:
    """Key path -> value, as in {'optimizer.lr': 0.1, 'model.hidden': (256, 128), …}."""
    return _leaves(recipe.model_dump())


def differences(one: Recipe, other: Recipe) -> list[str]:
    """Key paths in which two recipes differ.

    The description does not count, nor where data of one kind are: a run keeps what they are.
    """
    first, second = flattened(one), flattened(other)
    paths = {f"data.{key}" for key in PATH_KEYS}
    moved = {key for key in paths if None not in (first.get(key), second.get(key))}
    return sorted(
        key
        for key in first.keys() | second.keys()
        if first.get(key) != second.get(key) and key not in moved | {"description"}
    )


def _leaves(value: Any, path: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {path: value}
    return {
        key: leaf
        for name, inner in value.items()
        for key, leaf in _leaves(inner, f"{path}.{name}" if path else name).items()
    }
