"""From a name or a file to a Recipe, and back to TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from handloom._files import check_file
from handloom._reasons import brief, cause, shown_path
from handloom.errors import RecipeError
from handloom.recipes.explain import explain, nearest
from handloom.recipes.overrides import Overrides, apply_overrides
from handloom.recipes.schema import Recipe
from handloom.recipes.schema.data import PATH_KEYS

_MAX_BYTES = 1_000_000  # the longest shipped recipe has under two thousand


def load_recipe(source: str | Path | Recipe, overrides: Overrides = ()) -> Recipe:
    """The recipe of that name, in that file, or given, with `overrides` laid over it, checked.

    A text is a path if it ends in ".toml" or names a folder, and the name of a shipped recipe
    otherwise. Paths of data become absolute: those in a file count from the file's folder, those
    in overrides from the current one. Overrides: see `recipes/overrides.py`.
    Raises: RecipeError, whose one sentence names the file and the key path.
    """
    if isinstance(source, Recipe):
        # Only what was said: a default must not outlive the kind of table that it belongs to.
        said = source.model_dump(mode="json", exclude_none=True, exclude_unset=True)
        origin, values = "the recipe", said
    elif _is_path(source):
        path = Path(source)
        origin, values = str(path), _parse(_read_file(path), str(path))
        _anchor_paths(values, path.absolute().parent)
    else:
        origin, values = f"recipe {source}", _parse(recipe_text(source), f"recipe {source}")
    return make_recipe(values, origin, overrides)


def make_recipe(values: Mapping[str, Any], origin: str, overrides: Overrides = ()) -> Recipe:
    """The recipe of these plain values, as its TOML would be read, with `overrides` over them.

    `origin` is what messages call it. Raises RecipeError as `load_recipe` does.
    """
    try:
        values = apply_overrides(values, overrides)
        _anchor_paths(values, Path.cwd())
        return Recipe.model_validate(values)
    except ValidationError as error:
        raise RecipeError(f"{origin}: {explain(error, values)}") from None
    except RecursionError:
        raise RecipeError(f"{origin} is nested too deeply to be a recipe") from None


def list_recipes() -> dict[str, str]:
    """The shipped recipes: name -> description."""
    return {
        name: tomllib.loads(file.read_text("utf-8")).get("description", "")
        for name, file in _shipped().items()
    }


def recipe_text(source: str | Path) -> str:
    """The TOML text of a shipped recipe or of a file, comments and all; RecipeError if unknown."""
    if _is_path(source):
        return _read_file(Path(source))
    shipped = _shipped()
    if source not in shipped:
        near = nearest(str(source), shipped)
        hint = f"did you mean {near}? " if near else ""
        raise RecipeError(
            f"there is no recipe {brief(source)!r}; {hint}`handloom recipes list` lists all; "
            "for a file of your own, give its path, ending in .toml"
        )
    return shipped[str(source)].read_text("utf-8")


def to_toml(recipe: Recipe) -> str:
    """The recipe with every default spelled out; `load_recipe` of it gives an equal recipe."""
    values = recipe.model_dump(mode="json", exclude_none=True)
    for key, value in values.items():
        if isinstance(value, dict) and "name" in value:
            values[key] = {"name": value.pop("name"), **value}
    return tomli_w.dumps(values)


def _is_path(source: str | Path) -> bool:
    return isinstance(source, Path) or source.endswith(".toml") or Path(source).name != source


def _shipped() -> dict[str, Traversable]:
    folder = resources.files("handloom.recipes") / "shipped"
    files = [file for file in folder.iterdir() if file.name.endswith(".toml")]
    return dict(sorted((file.name.removesuffix(".toml"), file) for file in files))


def _read_file(path: Path) -> str:
    try:
        check_file(path)
        with path.open("rb") as file:
            data = file.read(_MAX_BYTES + 1)
    except OSError as error:
        reason = cause(error)
        reason = reason[:1].lower() + reason[1:]
        raise RecipeError(f"cannot read the recipe {shown_path(path)}: {reason}") from None
    except ValueError:  # a null byte in the name
        raise RecipeError(
            f"cannot read the recipe {shown_path(path)}: not a possible file name"
        ) from None
    if len(data) > _MAX_BYTES:
        raise RecipeError(f"{path} is not a recipe: it is longer than {_MAX_BYTES:,} bytes")
    try:
        return data.decode("utf-8-sig")  # Windows' editors put a mark before the text
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise RecipeError(f"{path} is not UTF-8 text: see line {line}") from None


def _parse(text: str, origin: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise RecipeError(f"{origin} is nested too deeply to be a recipe") from None
    except ValueError as error:  # TOMLDecodeError, or a number of too many digits
        raise RecipeError(f"{origin} is not valid TOML: {_in_plain_words(str(error))}") from None


def _in_plain_words(reason: str) -> str:
    """tomllib's reason, which ends with line and column, where its words are about its insides."""
    for theirs, ours in (
        ("Cannot overwrite a value", "a key is given twice"),
        ("Cannot declare", "a table is given twice:"),
        ("Expected '=' after a key in a key/value pair", "a key needs '=' and a value after it"),
    ):
        reason = reason.replace(theirs, ours)
    return reason[:1].lower() + reason[1:]


def _anchor_paths(values: dict[str, Any], folder: Path) -> None:
    """Make the paths of data absolute; what is no text is left for the check to refuse."""
    data = values.get("data")
    if not isinstance(data, dict):
        return
    for key in PATH_KEYS:
        if isinstance(data.get(key), str) and data[key]:
            data[key] = str(folder / _expanded(Path(data[key])))


def _expanded(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # ~nobody: then it is the name of a folder
        return path
