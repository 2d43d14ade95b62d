"""Where the images of one's own are: as the recipe says, under another folder, or by the run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from handloom.errors import DataError
from handloom.recipes import Recipe
from handloom.recipes.schema.data import PATH_KEYS

FOLDER_KEYS = ("idx", "folder")


def located(
    recipe: Recipe,
    data_dir: str | Path | None = None,
    *,
    run: Path | None = None,
    kept: Mapping[str, Any] | None = None,
) -> Recipe:
    """The recipe with the paths of [data] as they are here; a known set's has none.

    With a `data_dir` each path is looked for there by its end, the longest that exists: of
    /old/own/train.npy first old/own/train.npy, at last train.npy; a folder may be `data_dir`
    itself, if it has its name. Without, a path is as the recipe says; where that exists no more,
    as far from the folder `run` as `kept`, its `relative_paths`, says: what is moved together is
    found. Raises DataError where a path is not under `data_dir`, or a run's is nowhere.
    """
    paths = _paths(recipe)
    if data_dir is not None:
        found = {key: _under(Path(data_dir), key, path) for key, path in paths.items()}
    elif run is None:
        return recipe
    else:
        found = {key: _beside(run, key, path, kept or {}) for key, path in paths.items()}
    texts = {key: str(path) for key, path in found.items()}
    return recipe.model_copy(update={"data": recipe.data.model_copy(update=texts)})


def relative_paths(recipe: Recipe, run: Path) -> dict[str, str]:
    """From each path of [data] to the same one seen from the folder `run`, for `located`.

    Without those on another drive.
    """
    found = {}
    for path in _paths(recipe).values():
        try:
            relative = os.path.relpath(path.resolve(), run.resolve())
        except (OSError, ValueError):
            continue
        found[str(path)] = Path(relative).as_posix()
    return found


def _paths(recipe: Recipe) -> dict[str, Path]:
    paths = {key: getattr(recipe.data, key) for key in PATH_KEYS}
    return {key: Path(path) for key, path in paths.items() if path is not None}


def _under(folder: Path, key: str, path: Path) -> Path:
    """The path in `folder` with the longest end of `path`."""
    parts = path.parts[1:] if path.is_absolute() else path.parts
    places = [folder.joinpath(*parts[start:]) for start in range(len(parts))]
    here = folder.absolute()
    if key in FOLDER_KEYS and here.name == path.name:
        places.append(here)
    for place in places:
        if _exists(place):
            return place.absolute()
    if _exists(path):
        instead = "exists; remove the data folder to use it"
    else:
        instead = "does not exist either"
    raise DataError(f"data.{key}: there is no {path.name} in {folder}, and {path} {instead}")


def _beside(run: Path, key: str, path: Path, kept: Mapping[str, Any]) -> Path:
    """The path as it was, or as far from the run as it was."""
    relative = kept.get(str(path))  # none where somebody has changed the recipe's path since
    beside = run.resolve() / relative if isinstance(relative, str) else None
    if _exists(path):
        return path
    if beside is not None and _exists(beside):
        return beside.resolve()
    looked = "" if beside is None or beside.resolve() == path else f", nor is {beside.resolve()}"
    raise DataError(
        f"data.{key}: {path} does not exist{looked}; if the data of {run} were moved, give their "
        "folder with --data-dir"
    )


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # too long a name; a null byte in it
        return False
