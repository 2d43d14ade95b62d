"""The subjects of a comparison: folders of runs, and recipes that are trained for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handloom import views
from handloom.errors import RunError
from handloom.recipes import load_recipe
from handloom.run.results import Run, open_run
from handloom.series import Member, Series, digest, parse_seeds
from handloom.studies.compare.comparison import Comparison
from handloom.studies.compare.groups import Group
from handloom.studies.ensemble import is_ensemble, open_ensemble
from handloom.studies.search import open_study
from handloom.studies.search.plan.load import STUDY_FILE


def rows_in(folder: Path) -> list[Run | Group]:
    """A run; an ensemble's members as a row; of a study one row per complete trial, the best first.

    Raises RunError where the folder is none of them, where no trial is complete yet, or a member of
    the ensemble is not.
    """
    if is_ensemble(folder):
        return [Group(folder.absolute().name, open_ensemble(folder).runs)]
    if not (folder / STUDY_FILE).is_file():
        return [open_run(folder)]
    trials = open_study(folder).ranking
    if not trials:
        raise RunError(
            f"{folder}: no trial of this study is complete; continue it with handloom tune"
        )
    return [Group(trial.name, trial.runs) for trial in trials]


@dataclass(frozen=True)
class Planned:
    """A row to be: the members of one recipe's series."""

    name: str
    members: tuple[Member, ...]


def plan_row(
    source: str | Path,
    runs_dir: Path,
    *,
    seeds: str = "",
    overrides: Mapping[str, Any] | Sequence[str] = (),
    data_dir: Path | None = None,
) -> Planned:
    """The row of a recipe over `seeds`, as `parse_seeds` reads them, or over its own seed.

    Nothing is trained yet. The folders are runs_dir/<recipe>-<digest>/seed-<n>: the digest changes
    with everything that makes a recipe another one, so that a changed recipe never meets the runs
    of the former. Raises RecipeError for a recipe that cannot be, ConfigError for such seeds.
    """
    recipe = load_recipe(source, overrides)
    name = Path(source).stem
    chosen = parse_seeds(seeds, recipe.seed) if seeds else (recipe.seed,)
    folder = runs_dir / f"{name}-{digest(recipe)}"
    members = Series(recipe, chosen).members(folder, root=runs_dir, data_dir=data_dir)
    return Planned(name, tuple(members))


def drawn(comparison: Comparison) -> views.Compared:
    """What the image shows."""
    return views.Compared(
        comparison.part,
        tuple(
            views.ComparedRow(
                mark=row.mark,
                name=row.name,
                accuracy=row.accuracy,
                low=row.interval.low,
                high=row.interval.high,
                parameters=row.parameters,
                seconds=row.seconds,
            )
            for row in comparison.rows
        ),
    )
