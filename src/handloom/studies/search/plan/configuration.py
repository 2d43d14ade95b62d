"""A configuration: one point of a study's space, as a recipe and under a name of its own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from handloom.recipes import Recipe, load_recipe
from handloom.series import digest
from handloom.studies.search.plan.domains import Value
from handloom.studies.search.plan.space import Parameters

_LONGEST_NAME = 80  # characters of a folder's name before its digest


@dataclass(frozen=True)
class Configuration:
    """A point of the space laid over the study's recipe."""

    parameters: Parameters
    recipe: Recipe

    @classmethod
    def of(cls, base: Recipe, parameters: Parameters) -> Configuration:
        """Raises RecipeError where the recipe does not take these values beside each other."""
        return cls(parameters, load_recipe(base, without_empty(parameters)))

    @cached_property
    def key(self) -> str:
        """The name of its folder: readable, and the same for the same recipe, however it is told.

        `lr=0.1,hidden=256-128,4f0c2a9e`; what the digest at the end covers: `series.identity`.
        """
        readable = re.sub(r"[^\w.,=+-]+", "-", name_of(self.parameters))[:_LONGEST_NAME]
        return f"{readable},{digest(self.recipe)}"


def without_empty(overrides: Mapping[str, Value]) -> dict[str, Value]:
    """Overrides as a study tells them: "" takes a key out, since TOML has no word for nothing."""
    return {path: None if value == "" else value for path, value in overrides.items()}


def name_of(parameters: Parameters) -> str:
    """`lr=0.1,hidden=256-128`: parameters in short, for a person and for a folder."""
    short = short_names(parameters)
    return ",".join(f"{short[path]}={written(value)}" for path, value in parameters.items())


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Key paths by as much of their end as tells them apart: `optimizer.lr` is `lr`."""
    paths = list(paths)
    ends = Counter(path.rpartition(".")[2] for path in paths)
    return {
        path: end if ends[end := path.rpartition(".")[2]] == 1 and end != "name" else path
        for path in paths
    }


def written(value: Value) -> str:
    """A value in short: 0.1, true, relu, 256-128; a table with its values alone."""
    if isinstance(value, list | tuple):
        return "-".join(map(written, value))
    if isinstance(value, dict):
        return "-".join(map(written, value.values()))
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else str(value)
