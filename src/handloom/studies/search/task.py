"""One trial: a configuration trained with each of its seeds, wherever a crew places it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from handloom._files import make_folder
from handloom.errors import DivergenceError, HandloomError, InUseError, RecipeError, ShapeError
from handloom.recipes import Recipe, load_recipe
from handloom.run import RunFolder, session
from handloom.run.results import Run
from handloom.studies.search.folder import StudyFolder, TrialFolder
from handloom.training.callbacks import Callback

if TYPE_CHECKING:
    from handloom.training.trainer import Trainer

PRUNED = "the study's pruner gave it up"


@dataclass(frozen=True)
class Task:
    """All that a process has to know to train a trial, as JSON-ready values."""

    folder: str
    """The trial's."""
    recipe: dict[str, Any]
    """The configuration's, as far as it says anything."""
    seeds: tuple[int, ...]
    threads: int
    """Where the recipe leaves them open."""
    metric: str
    data_dir: str | None = None

    @property
    def key(self) -> str:
        """The configuration's name."""
        return Path(self.folder).name


@dataclass(frozen=True)
class Progress:
    """An epoch of a trial has ended."""

    key: str
    seed: int
    epoch: int
    """From 1."""
    epochs: int
    """In all."""
    value: float | None
    """The study's metric after it; None where it is not finite."""


@dataclass(frozen=True)
class Outcome:
    """A trial has ended, or could not go on.

    complete: all seeds are trained · pruned: it was told to stop · failed: this configuration
    cannot be trained · aside: something else keeps it from being trained now, another process that
    holds its folder, or a machine that kills its process · stopped: nothing can be trained.
    """

    key: str
    state: Literal["complete", "pruned", "failed", "aside", "stopped"]
    why: str = ""


Report = Callable[[Progress], bool]
"""Takes what has happened; answers whether to go on."""


def train_trial(task: Task, report: Report) -> Outcome:
    """Train what is missing of a trial; what was broken off goes on from its checkpoint."""
    try:
        for seed in task.seeds:
            if not _train_seed(task, seed, report):
                return Outcome(task.key, "pruned")
    except (DivergenceError, RecipeError, ShapeError) as error:
        return Outcome(task.key, "failed", str(error))
    except InUseError as error:
        return Outcome(task.key, "aside", str(error))
    except HandloomError as error:
        return Outcome(task.key, "stopped", str(error))
    return Outcome(task.key, "complete")


def _train_seed(task: Task, seed: int, report: Report) -> bool:
    """Whether it came to its end; False where it was told to stop."""
    path = TrialFolder(Path(task.folder)).run(seed)
    folder = RunFolder(path)
    begun = folder.recipe.is_file()
    if begun and Run(folder).is_finished:
        return True
    make_folder(path, within=path.parents[2])  # the study
    messenger = _Messenger(task, seed, report)
    # A run that has begun keeps its own threads, for the sake of its bits.
    recipe = None if begun else _recipe(task, seed)
    session.resume(path, recipe, data_dir=task.data_dir, callbacks=[messenger], pictures=False)
    return not messenger.was_told_to_stop


def _recipe(task: Task, seed: int) -> Recipe:
    recipe = Recipe.model_validate(task.recipe)
    threads = recipe.training.threads or task.threads
    if task.data_dir is None:
        recipe = StudyFolder(Path(task.folder).parents[1]).located(recipe)
    return load_recipe(recipe, {"seed": seed, "training.threads": threads})


class _Messenger(Callback):
    """Tells of every epoch, and stops the training where the answer says so."""

    def __init__(self, task: Task, seed: int, report: Report) -> None:
        self.task = task
        self.seed = seed
        self.report = report
        self.was_told_to_stop = False

    def on_epoch_end(self, training: Trainer) -> None:
        """Tell, and listen."""
        row = training.history.epochs[-1]
        progress = Progress(
            self.task.key, self.seed, training.epoch, training.epochs, row[self.task.metric]
        )
        if not self.report(progress):
            self.was_told_to_stop = True
            training.request_stop(PRUNED)
