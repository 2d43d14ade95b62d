"""From a name, a file or a folder to a study's plan, and back to TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from handloom._reasons import brief
from handloom.errors import ConfigError, RecipeError, ShapeError
from handloom.recipes import Recipe, load_recipe
from handloom.recipes.explain import explain, nearest
from handloom.recipes.load import recipe_text
from handloom.recipes.overrides import Overrides
from handloom.studies.search.plan.configuration import Configuration, without_empty
from handloom.studies.search.plan.domains import kind_of
from handloom.studies.search.plan.schema import Budget, SearchTable, StudyFile
from handloom.studies.search.plan.space import Parameters, Space

STUDY_FILE = "study.toml"
_NOT_SEARCHED = {
    "seed": "seeds are set in search.seeds",
    "training.threads": "each worker has its share of the cores",
    "description": "a description changes nothing",
}


@dataclass(frozen=True)
class StudyPlan:
    """What a study asks: its recipe, the space around it, and how that is searched."""

    name: str
    description: str
    recipe: Recipe
    """The study's, its overrides laid over it."""
    space: Space
    search: SearchTable
    budget: Budget

    def configuration(self, parameters: Parameters) -> Configuration:
        """A point of the space; RecipeError where its values do not go together."""
        return Configuration.of(self.recipe, parameters)

    def limited(self, *, trials: int | None = None, minutes: float | None = None) -> StudyPlan:
        """The same with another budget where one is given."""
        given = {"trials": trials, "minutes": minutes}
        changed = {key: value for key, value in given.items() if value is not None}
        return replace(self, budget=self.budget.model_copy(update=changed))

    def to_toml(self, recipe_file: str) -> str:
        """study.toml, whose recipe is the file of that name beside it."""
        content: dict[str, Any] = {
            "name": self.name,
            "description": self.description,
            "recipe": recipe_file,
            "search": self.search.model_dump(mode="json", exclude_none=True),
            "budget": self.budget.model_dump(mode="json", exclude_none=True),
            "space": {
                path: domain.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
                for path, domain in self.space.items()
            },
        }
        return tomli_w.dumps(content)

    def recipe_toml(self) -> str:
        """The recipe as far as it says anything: a default must not outlive its kind of table."""
        content = self.recipe.model_dump(mode="json", exclude_none=True, exclude_unset=True)
        return tomli_w.dumps(content)


def load_study(source: str | Path, overrides: Overrides = ()) -> StudyPlan:
    """The plan of a shipped study, in a file (its name ends in .toml), or of a study's folder.

    `overrides` as of a recipe are laid over the study's recipe. Every value of the space is tried
    on the recipe. Raises ConfigError, whose one sentence names the key path.
    """
    origin, text, folder = _find(source)
    table = _parse(text, origin)
    try:
        recipe = load_recipe(_recipe_source(table.recipe, folder), without_empty(table.overrides))
        recipe = load_recipe(recipe, overrides)
    except RecipeError as error:
        raise ConfigError(f"{origin}: {error}") from None
    plan = StudyPlan(
        name=table.name or _stem(source),
        description=table.description,
        recipe=recipe,
        space=Space(table.space),
        search=table.search,
        budget=table.budget,
    )
    _check_space(plan, origin)
    return plan


def list_studies() -> dict[str, str]:
    """The shipped studies: name -> description."""
    return {
        name: tomllib.loads(file.read_text("utf-8")).get("description", "")
        for name, file in _shipped().items()
    }


def _find(source: str | Path) -> tuple[str, str, Path]:
    """What to call it, its text, and the folder from which its recipe's path counts."""
    path = Path(source)
    if path.is_dir() and (path / STUDY_FILE).is_file():
        path = path / STUDY_FILE
    elif not (isinstance(source, Path) or source.endswith(".toml") or path.name != source):
        shipped = _shipped()
        if source in shipped:
            return f"study {source}", shipped[source].read_text("utf-8"), Path.cwd()
        near = nearest(source, shipped)
        hint = f"did you mean {near}? " if near else ""
        raise ConfigError(
            f"there is no study {brief(source)!r}; {hint}`handloom tune --list` lists all; "
            "for a file of your own, give its path, ending in .toml"
        )
    elif path.is_dir():
        raise ConfigError(f"{path} is not a study: it has no {STUDY_FILE}")
    try:
        return str(path), recipe_text(path), path.absolute().parent
    except RecipeError as error:
        raise ConfigError(str(error).replace("the recipe ", "the study ")) from None


def _parse(text: str, origin: str) -> StudyFile:
    try:
        values = _flattened(tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{origin} is not valid TOML: {error}") from None
    try:
        return StudyFile.model_validate(values)
    except ValidationError as error:
        raise ConfigError(f"{origin}: {explain(error, values)}") from None


def _stem(source: str | Path) -> str:
    path = Path(source)
    return path.absolute().name if path.is_dir() else path.stem


def _recipe_source(name: str, folder: Path) -> str | Path:
    """A name as it is; a path from the study's own folder."""
    if name.endswith(".toml") or Path(name).name != name:
        return folder / Path(name).expanduser()
    return name


def _flattened(values: dict[str, Any]) -> dict[str, Any]:
    """The tables whose keys are key paths: `optimizer.lr = …` may stand there without quotes."""
    flat = dict(values)
    if isinstance(flat.get("overrides"), dict):
        flat["overrides"] = _by_path(flat["overrides"])
    if isinstance(flat.get("space"), dict):
        flat["space"] = {
            path: {**domain, "when": _by_path(domain["when"])}
            if isinstance(domain, dict) and isinstance(domain.get("when"), dict)
            else domain
            for path, domain in _by_path(flat["space"], leaf=_is_domain).items()
        }
    return flat


def _is_domain(value: Mapping[str, Any]) -> bool:
    """Whether a table tells a domain, or is none but has no table further down either."""
    inner_tables = any(isinstance(inner, dict) for inner in value.values())
    return kind_of(value) is not None or not inner_tables


def _by_path(values: dict[str, Any], leaf: Any = lambda value: not value) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict) and not leaf(value):
            flat |= {f"{key}.{path}": inner for path, inner in _by_path(value, leaf).items()}
        else:
            flat[key] = value
    return flat


def _check_space(plan: StudyPlan, origin: str) -> None:
    """Try each key's values on the recipe, so that a mistake is said before anything is trained."""
    for path, why in _NOT_SEARCHED.items():
        if path in plan.space:
            raise ConfigError(f"{origin}: space.{path} cannot be searched: {why}")
    for path, point in plan.space.probes():
        try:
            plan.configuration(point)
        except (RecipeError, ShapeError) as error:
            problem = brief(str(error).removeprefix("the recipe: "))
            raise ConfigError(
                f"{origin}: space.{brief(path)} does not fit its recipe: {problem}"
            ) from None


def _shipped() -> dict[str, Traversable]:
    folder = resources.files("handloom.studies.search.plan") / "shipped"
    files = [file for file in folder.iterdir() if file.name.endswith(".toml")]
    return dict(sorted((file.name.removesuffix(".toml"), file) for file in files))
