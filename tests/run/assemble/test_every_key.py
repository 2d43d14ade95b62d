"""Every key of a recipe, set off its default, is seen in what is built from the recipe.

The keys are read off the schema: one that is new fails here until it is said, in keys/, what it is
set to, where that is seen, and as what.
"""

from __future__ import annotations

from pathlib import Path

import keys_of_data
import keys_of_layers
import keys_of_models
import keys_of_rules
import keys_of_training
import pytest
from key import Built, Key, schema

from handloom.recipes.schema import Recipe
from handloom.recipes.schema.table import Table

KEYS: dict[str, Key] = {
    **keys_of_data.KEYS,
    **keys_of_models.KEYS,
    **keys_of_layers.KEYS,
    **keys_of_rules.KEYS,
    **keys_of_training.KEYS,
}
NOT_A_CHOICE = {
    # a table itself: its keys are here one by one
    **{
        f"recipe.Recipe.{table}": "a table"
        for table in (
            "data", "augment", "model", "loss", "optimizer", "schedule", "training", "torch",
        )
    },
    "optimizer.AdamW.decoupled": "it has one value: see test_rules.py for the refusal of the other",
}  # fmt: skip
"""Keys that cannot be set to another value, and why."""


def test_every_key_of_the_schema_is_tried() -> None:
    found = set(schema(Recipe, set()))
    assert len(found) > 150  # it does walk into tables in tables
    assert found - set(KEYS) - set(NOT_A_CHOICE) == set()
    assert {key.partition("=")[0] for key in KEYS} | set(NOT_A_CHOICE) == found


def _all_tables() -> set[type[Table]]:
    known: set[type[Table]] = set()
    list(schema(Recipe, known))
    return known


@pytest.fixture(scope="module")
def pictures(lasting_bars: Path) -> Path:
    """bars.toml, with files beside it that the keys of [data] can name."""
    keys_of_data.write_other_data(lasting_bars.parent)
    return lasting_bars


@pytest.mark.parametrize("name", KEYS)
def test_a_key_is_seen_in_what_is_built(name: str, pictures: Path) -> None:
    key = KEYS[name]
    built = Built(pictures, {**key.beside, key.path: key.value})
    expected = key.expected(built) if callable(key.expected) else key.expected
    assert key.look(built) == expected
    without = Built(pictures, key.beside)
    try:
        unset = key.look(without)
    except (AttributeError, IndexError, KeyError):  # there is nothing to look at
        return
    assert unset != expected
