"""From pydantic's list of problems to one sentence: the key path, what came, what is allowed."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from handloom.recipes.schema.recipe import KINDS, tables_with

_LONGEST = 50  # characters of a value or a key that are shown


def explain(error: ValidationError, values: Any) -> str:
    """The first problem of `values` (what was validated), and how many more there are."""
    try:
        first, *others = error.errors(include_url=False)
    except UnicodeEncodeError as unwritable:  # pydantic's sentence would have such a key in it
        return f"{shown(unwritable.object)} is not UTF-8 text"
    tell = _TELLERS.get(first["type"], _anything_else)
    sentence = tell(first, _key_path(first["loc"], values))
    if not others:
        return sentence
    return f"{sentence} (and {len(others)} more problem{'s' if len(others) > 1 else ''})"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that `name` was probably meant to be."""
    return next(iter(difflib.get_close_matches(name, known, n=1)), None)


def shown(value: Any, depth: int = 0) -> str:
    """A value as it would stand in the file, cut short; `depth` is that of the lists around it."""
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, int) and abs(value) >= 2**64:
        return "a huge number"  # Python refuses to print thousands of digits
    if isinstance(value, list | tuple):
        if depth > _LONGEST:  # their brackets alone are all that is shown
            return "[…]"
        items = ", ".join(shown(item, depth + 1) for item in value[:9])
        text = f"[{items}{', …' if value[9:] else ''}]"
    elif isinstance(value, str | bool):
        text = json.dumps(value, ensure_ascii=not str(value).isprintable())
    else:
        text = str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _key_path(location: Iterable[Any], values: Any) -> str:
    """The place as the user wrote it: pydantic's has the kinds of tables in between."""
    keys = []
    tag = None
    for part in location:
        if part == tag:
            tag = None
            continue
        in_table = isinstance(values, Mapping) and part in values
        in_list = isinstance(values, list) and isinstance(part, int) and part < len(values)
        if in_table or in_list:
            keys.append(_name(part))
            values = values[part]
            tag = _kind(values)
    return ".".join(keys)


def _kind(values: Any) -> Any:
    """What pydantic puts after a table that comes in kinds; it may be the name of a key as well."""
    if not isinstance(values, Mapping):
        return None
    return next((values[key] for key in ("name", "layer") if key in values), None)


def _name(key: object) -> str:
    text = str(key)
    return text if text.isprintable() and len(text) <= _LONGEST else shown(text)


def _join(path: str, key: object) -> str:
    return f"{path}.{_name(key)}" if path else _name(key)


# -- one teller for each type of problem ----------------------------------------------------------


def _not_allowed(problem: ErrorDetails, path: str) -> str:
    return f"{path} is {shown(problem['input'])}; it has to be {problem['msg']}"


def _not_a_choice(problem: ErrorDetails, path: str) -> str:
    return _choice(path, problem["input"], problem["msg"].split(", "))


def _not_a_literal(problem: ErrorDetails, path: str) -> str:
    return _choice(path, problem["input"], _quoted(problem, "expected"))


def _unknown_kind(problem: ErrorDetails, path: str) -> str:
    (tag,) = _quoted(problem, "discriminator")
    return _choice(_join(path, tag), problem["input"][tag], _quoted(problem, "expected_tags"))


def _no_kind(problem: ErrorDetails, path: str) -> str:
    (tag,) = _quoted(problem, "discriminator")
    known = f"; it has to be one of {', '.join(KINDS[path])}" if path in KINDS else ""
    return f"{_join(path, tag)} is missing{known}"


def _no_table(problem: ErrorDetails, path: str) -> str:
    got = problem["input"]
    hint = ""
    if path in KINDS and isinstance(got, str) and got in KINDS[path]:
        hint = f"; did you mean {path}.name = {shown(got)}?"
    return f"{path or 'a recipe'} is {shown(got)}; it has to be a table{hint}"


def _unknown_key(problem: ErrorDetails, path: str) -> str:
    context = problem.get("ctx", {})
    key, known = context["key"], context["known"].split(", ")
    if kinds := [name for name, kind in KINDS.get(path, {}).items() if key in kind.model_fields]:
        return f"{_join(path, key)} is only for {path}.name = {' or '.join(map(shown, kinds))}"
    if near := nearest(key, known):
        return f"{_join(path, key)} is unknown; did you mean {_join(path, near)}?"
    if homes := tables_with(key):
        return f"{_join(path, key)} is unknown; did you mean {homes[0]}.{key}?"
    owner = path or context["told_as"]
    return f"{_join(path, key)} is unknown; {owner} has the keys {', '.join(known)}"


def _missing(problem: ErrorDetails, path: str) -> str:
    return f"{_join(path, problem['loc'][-1])} is missing"


def _no_list(problem: ErrorDetails, path: str) -> str:
    return f"{path} is {shown(problem['input'])}; it has to be a list, such as [256, 128]"


def _wrong_length(problem: ErrorDetails, path: str) -> str:
    context = problem.get("ctx", {})
    bound = (
        f"at least {context['min_length']}"
        if "min_length" in context
        else f"at most {context['max_length']}"
    )
    return f"{path} has {len(problem['input'])} entries; it has to have {bound}"


def _conflict(problem: ErrorDetails, path: str) -> str:
    return f"{path}: {problem['msg']}" if path else problem["msg"]


def _anything_else(problem: ErrorDetails, path: str) -> str:
    return f"{path or 'the recipe'} is {shown(problem['input'])}: {problem['msg'].lower()}"


_TELLERS: dict[str, Callable[[ErrorDetails, str], str]] = {
    "not_allowed": _not_allowed,
    "not_a_choice": _not_a_choice,
    "literal_error": _not_a_literal,
    "union_tag_invalid": _unknown_kind,
    "union_tag_not_found": _no_kind,
    "model_type": _no_table,
    "model_attributes_type": _no_table,
    "dict_type": _no_table,
    "unknown_key": _unknown_key,
    "missing": _missing,
    "tuple_type": _no_list,
    "too_short": _wrong_length,
    "too_long": _wrong_length,
    "conflict": _conflict,
}


def _choice(path: str, got: Any, names: list[str]) -> str:
    near = nearest(got, names) if isinstance(got, str) else None
    hint = f"; did you mean {shown(near)}?" if near else ""
    allowed = f"one of {', '.join(names)}" if len(names) > 1 else names[0]
    return f"{path} is {shown(got)}; it has to be {allowed}{hint}"


def _quoted(problem: ErrorDetails, key: str) -> list[str]:
    """The names in one of pydantic's own lists: "'a', 'b' or 'c'"."""
    return re.findall(r"'([^']*)'", problem.get("ctx", {})[key])
