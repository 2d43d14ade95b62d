"""Recipes of bars.toml with some of their keys changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handloom.recipes import Recipe, load_recipe


@pytest.fixture
def changed(bars: Path) -> Callable[..., Recipe]:
    """changed(optimizer__lr=1.0): the recipe with optimizer.lr = 1.0."""

    def change(**changes: Any) -> Recipe:
        return load_recipe(bars, {key.replace("__", "."): value for key, value in changes.items()})

    return change
