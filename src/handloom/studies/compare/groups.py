"""The rows of a comparison: runs of one recipe, which differ in seed and fold alone."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Any, NamedTuple

from handloom.errors import ConfigError
from handloom.recipes import Recipe
from handloom.recipes.flat import flattened
from handloom.run.results import Run
from handloom.series import MEMBER_FOLDER, identity

WITHIN_A_GROUP = {"seed", "data.fold", "description", "training.threads"}
"""Keys in which the recipes of one group may differ."""
_DIGEST = re.compile(r"[-,][0-9a-f]{8}$")
_SEPARATORS = re.compile(r"([-_. ]+)")
_LEFT_OF_A_SEED = re.compile(r"[-_. ]+(?:seeds?|s)?[-_. ]*$")


class RunKey(NamedTuple):
    """What a run of a row stands for, and what it is paired by."""

    seed: int
    fold: int | None


@dataclass(frozen=True)
class Group:
    """A row: runs that count as one, and what they are called."""

    name: str
    runs: tuple[Run, ...]


def grouped(runs: Iterable[Run | Sequence[Run] | Group]) -> list[Group]:
    """Rows in the order in which they are first named.

    Single runs come together where their recipes are equal but for seed, fold, description and
    threads; a list of runs, or a Group, is a row as it stands. Raises ConfigError where one
    training would stand in a row twice, as two witnesses, and where nothing is given.
    """
    groups: list[Group] = []
    alike: dict[str, list[Run]] = {}
    places: dict[str, int] = {}
    for each in runs:
        if isinstance(each, Run):
            key = _key(each.recipe)
            if key not in places:
                places[key] = len(groups)
                groups.append(Group("", ()))
            alike.setdefault(key, []).append(each)
        elif isinstance(each, Group):
            groups.append(each)
        else:
            groups.append(Group(name_of(each), tuple(each)))
    for key, place in places.items():
        _refuse_twins(alike[key])
        groups[place] = Group(name_of(alike[key]), tuple(alike[key]))
    if not groups or not all(group.runs for group in groups):
        raise ConfigError("there is nothing to compare; give runs, or recipes to train")
    return _told_apart(groups)


def name_of(runs: Sequence[Run]) -> str:
    """What their folders have in common: runs/lenet-1 and runs/lenet-2 are 'lenet'.

    A folder called seed-0 or fold-1-seed-0 goes by the name of the one around it, without the
    digest that comparisons and studies put there. No run: ''.
    """
    names = [_folder_name(run) for run in runs]
    if len(set(names)) <= 1:
        return names[0] if names else ""
    columns = zip(*map(_SEPARATORS.split, names), strict=False)
    words = takewhile(lambda words: len(set(words)) == 1, columns)
    stem = _LEFT_OF_A_SEED.sub("", "".join(word for word, *_ in words))
    return stem or f"{names[0]} and {len(names) - 1} more"


def run_key(run: Run) -> RunKey:
    """The run's seed, and its fold where its recipe divides the data into folds."""
    return RunKey(run.recipe.seed, run.recipe.data.fold)


def differing(recipes: Sequence[Recipe]) -> dict[str, tuple[Any, ...]]:
    """Key paths in which the recipes are not all equal -> the value of each; None where it has
    none. Seed, fold, description and threads do not count."""
    flat = [flattened(recipe) for recipe in recipes]
    keys = dict.fromkeys(key for values in flat for key in values if key not in WITHIN_A_GROUP)
    found = {key: tuple(values.get(key) for values in flat) for key in keys}
    return {key: values for key, values in found.items() if any(v != values[0] for v in values)}


def _key(recipe: Recipe) -> str:
    """What the runs of one row have in common."""
    content = identity(recipe)
    content["data"].pop("fold", None)
    return json.dumps(content, sort_keys=True)


def _folder_name(run: Run) -> str:
    path = run.path.absolute()
    if not MEMBER_FOLDER.fullmatch(path.name):
        return path.name
    return _DIGEST.sub("", path.parent.name)


def _refuse_twins(runs: Sequence[Run]) -> None:
    """Raise ConfigError where two runs are one training."""
    seen: dict[RunKey, Run] = {}
    for run in runs:
        if (other := seen.setdefault(run_key(run), run)) is not run:
            raise ConfigError(
                f"{other.path} and {run.path} are the same training: one recipe with the seed "
                f"{run.recipe.seed}; give one of them"
            )


def _told_apart(groups: list[Group]) -> list[Group]:
    """Of groups with one name, each gets its first run's path for a name."""
    names = [group.name for group in groups]
    return [
        Group(str(group.runs[0].path), group.runs) if names.count(group.name) > 1 else group
        for group in groups
    ]
