"""A run of a series: found again if it is finished, resumed if it was stopped, else trained."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from handloom._files import make_folder
from handloom.errors import RunError
from handloom.recipes import Recipe
from handloom.recipes.flat import differences
from handloom.run import RunFolder, session
from handloom.run.results import Run
from handloom.training.callbacks import Callback


@dataclass(frozen=True)
class Member:
    """One run that a series needs: its recipe, and the folder that is the run's."""

    recipe: Recipe
    path: Path
    root: Path
    """The folder of the series: nothing is written through a link that leads out of it."""
    data_dir: Path | None = None
    """Where the data are, if not where the recipe says; as for `run.session.train`."""

    @property
    def name(self) -> str:
        """The folder as seen from the series' own: 'fold-1-seed-0', 'lenet-4f0c2a9e/seed-0'."""
        return self.path.relative_to(self.root).as_posix()

    @property
    def is_finished(self) -> bool:
        """Whether the run is trained and evaluated."""
        folder = RunFolder(self.path)
        return folder.recipe.is_file() and Run(folder).is_finished

    def train(self, *, threads: int | None = None, callbacks: Sequence[Callback] = ()) -> Run:
        """The finished run; only what is missing of it is trained. No figures are drawn.

        `threads` are those of a run that begins, where its recipe names none. One that has begun
        keeps its own engine and threads, so that it ends in the same bits. Raises RunError where
        the folder holds a run of another recipe, and what `run.session.train` raises.
        """
        folder = RunFolder(self.path)
        has_begun = folder.recipe.is_file()
        if has_begun:
            self._check_same_recipe(Run(folder))
            if Run(folder).is_finished:
                return Run(folder)
        make_folder(self.path, within=self.root)
        return session.resume(
            self.path,
            None if has_begun else self._with_threads(threads),
            data_dir=self.data_dir,
            callbacks=callbacks,
            pictures=False,
        )

    def _with_threads(self, threads: int | None) -> Recipe:
        training = self.recipe.training
        update = {"training": training.model_copy(update={"threads": training.threads or threads})}
        return self.recipe.model_copy(update=update)

    def _check_same_recipe(self, run: Run) -> None:
        """A run may decide its threads by itself, and the engine where the recipe says "auto"."""
        free = {"training.threads"} | ({"engine"} if self.recipe.engine == "auto" else set())
        if different := set(differences(self.recipe, run.recipe)) - free:
            raise RunError(
                f"{self.path} holds a run of another recipe: {', '.join(sorted(different))} "
                "differ; remove it to train it again, or choose another folder"
            )


def relocated(recipe: Recipe, runs: Iterable[Path]) -> Recipe:
    """The recipe with the paths of its own data as they are now.

    A series that was moved together with its data finds them by the first of its `runs` that has
    begun. Raises DataError where the data are gone.
    """
    for path in runs:
        run = Run(RunFolder(path))
        if run.folder.data.is_file():
            return run.located(recipe=recipe)
    return recipe
