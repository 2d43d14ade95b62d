"""Overrides: `optimizer.lr=0.05`, laid over a recipe before it is checked.

The value is read as TOML (0.05, true, [256, 128], {…}); what is none is taken as text, so that
`optimizer.name=adam` needs no quotes. Nothing after the sign, or None in a mapping, takes the key
out, which leaves its default; `augment=` takes out the table.

Two changes carry others with them. A new kind (`optimizer.name=adam` over momentum) keeps the keys
that both kinds know and drops the others; a new source of images (`data.folder=…`) replaces the
recipe's. Only keys of the recipe are dropped so, never one that an override gives.
"""

from __future__ import annotations

import copy
import datetime
import tomllib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from handloom.errors import RecipeError
from handloom.recipes.schema.data import SOURCES
from handloom.recipes.schema.recipe import KINDS

Overrides = Mapping[str, Any] | Sequence[str]
KeyPath = tuple[str, ...]


def apply_overrides(values: Mapping[str, Any], overrides: Overrides) -> dict[str, Any]:
    """A changed copy of a recipe's plain values; raises RecipeError for what is no override."""
    changed = copy.deepcopy(dict(values))
    parsed = _parse(overrides)
    for path, value in parsed:
        _put(changed, path, value)
    given = {path for path, value in parsed if value is not None}
    for table in KINDS:
        _drop_keys_of_old_kind(values.get(table), changed.get(table), table, given)
    _drop_old_source(changed.get("data"), given)
    return changed


def _parse(overrides: Overrides) -> list[tuple[KeyPath, Any]]:
    if isinstance(overrides, Mapping):
        return [(_key_path(key), copy.deepcopy(value)) for key, value in overrides.items()]
    if isinstance(overrides, str):
        overrides = [overrides]
    return [_parse_text(text) for text in overrides]


def _parse_text(text: str) -> tuple[KeyPath, Any]:
    key, sign, value = text.partition("=")
    if not sign:
        raise RecipeError(f"override {text!r} has no '='; write it like optimizer.lr=0.05")
    return _key_path(key), _parse_value(value.strip())


def _key_path(key: str) -> KeyPath:
    """('optimizer', 'lr'), by TOML's own rules for dotted and quoted keys."""
    here: Any = None
    if isinstance(key, str) and "\n" not in key and "=" not in key:
        with suppress(ValueError, RecursionError):
            here = tomllib.loads(f"{key} = 0")
    if not here:  # empty when the key begins a comment
        raise RecipeError(f"override key {key!r} is not a key like optimizer.lr")
    path = []
    while isinstance(here, dict):
        ((part, here),) = here.items()
        path.append(part)
    return tuple(path)


def _parse_value(text: str) -> Any:
    if not text:
        return None
    try:
        parsed = tomllib.loads(f"value = {text}")
    except RecursionError:
        raise RecipeError("an override is nested too deeply") from None
    except ValueError:
        return text
    value = parsed.pop("value")
    is_date = isinstance(value, datetime.date | datetime.time)
    return text if parsed or is_date else value  # a folder may be called 2026-01-01


def _put(values: dict[str, Any], path: KeyPath, value: Any) -> None:
    """Set or, for None, remove the key at `path`, making the tables on the way."""
    here: Any = values
    for depth, part in enumerate(path):
        last = depth == len(path) - 1
        if isinstance(here, list):
            key: Any = _index(here, part, path)
        elif isinstance(here, dict):
            key = part
        else:
            raise RecipeError(f"override {'.'.join(path)}: {'.'.join(path[:depth])} is not a table")
        if not last:
            here = here.setdefault(key, {}) if isinstance(here, dict) else here[key]
        elif value is not None:
            here[key] = value
        elif isinstance(here, list) or key in here:
            del here[key]


def _index(values: list[Any], part: str, path: KeyPath) -> int:
    if part.isdecimal() and len(part) < 10 and int(part) < len(values):
        return int(part)
    raise RecipeError(
        f"override {'.'.join(path)}: {part!r} is not an index into a list of {len(values)} "
        "(indices count from 0)"
    )


def _drop_keys_of_old_kind(old: Any, new: Any, table: str, given: set[KeyPath]) -> None:
    if not (isinstance(old, Mapping) and isinstance(new, dict) and (table, "name") in given):
        return
    name = new["name"]
    if name == old.get("name") or not isinstance(name, str) or name not in KINDS[table]:
        return
    named = {path[1] for path in given if path[0] == table and len(path) > 1}
    kept = {*KINDS[table][name].model_fields, *named}
    for key in set(new) - kept:
        del new[key]


def _drop_old_source(data: Any, given: set[KeyPath]) -> None:
    keys = {path[1] for path in given if path[0] == "data" and len(path) > 1}
    if not isinstance(data, dict) or not any(keys & set(group) for group in SOURCES.values()):
        return
    for group in SOURCES.values():
        if not keys & set(group):
            for key in group:
                data.pop(key, None)
