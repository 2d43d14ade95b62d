"""The runs of a comparison that recipes are named for: trained where they are not there yet."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handloom._files import check_inside
from handloom.recipes import Recipe, load_recipe
from handloom.run import RunFolder, session
from handloom.run.results import Run, open_run
from handloom.studies.search.plan.configuration import identity
from handloom.training.callbacks import Callback

DIGITS = 8


@dataclass(frozen=True)
class Training:
    """A run that the comparison needs: one recipe with one seed, in a folder of its own."""

    recipe: Recipe
    folder: Path

    @property
    def is_done(self) -> bool:
        """Whether it has been trained to the end."""
        return RunFolder(self.folder).recipe.is_file() and open_run(self.folder).is_finished

    def carry_out(
        self, data_dir: str | Path | None = None, callbacks: Sequence[Callback] = ()
    ) -> Run:
        """Open the run if it is done, go on with it if it was stopped, else train it.

        Its pictures are not drawn: `handloom show` does that.
        """
        if self.is_done:
            return open_run(self.folder)
        check_inside(self.folder, self.folder.parents[1])
        begin = session.resume if self.folder.is_dir() else session.train
        return begin(
            recipe=self.recipe,
            run_dir=self.folder,
            data_dir=data_dir,
            callbacks=callbacks,
            pictures=False,
        )


@dataclass(frozen=True)
class Plan:
    """The trainings of one recipe, a seed each: a row to be."""

    name: str
    trainings: tuple[Training, ...]


def plan_trainings(
    source: str | Path,
    seeds: Sequence[int],
    runs_dir: Path,
    overrides: Mapping[str, Any] | Sequence[str] = (),
) -> Plan:
    """What a recipe comes to over `seeds`, or over its own one; nothing is trained yet.

    The folders are runs_dir/<recipe>-<digest>/seed-<n>: the digest is of all that makes the recipe
    another one, so that a changed recipe never meets the runs of the former. Raises RecipeError for
    a recipe that cannot be.
    """
    recipe = load_recipe(source, overrides)
    name = Path(source).stem
    folder = runs_dir / f"{name}-{digest(recipe)}"
    with_seeds = (load_recipe(recipe, {"seed": seed}) for seed in seeds or [recipe.seed])
    return Plan(name, tuple(Training(each, folder / f"seed-{each.seed}") for each in with_seeds))


def digest(recipe: Recipe) -> str:
    """Eight digits that stand for a recipe whatever its seed."""
    text = json.dumps(identity(recipe), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
