"""A task: some runs that one process trains one after the other, wherever a pool places it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from handloom.errors import DivergenceError, HandloomError, InUseError, RecipeError, ShapeError
from handloom.recipes import Recipe
from handloom.series.member import Member
from handloom.training.callbacks import Callback, Training

STOPPED = "the study's pruner stopped it"


@dataclass(frozen=True)
class Task:
    """All that a process has to know, as JSON-ready values."""

    key: str
    """Its name in reports: different for all tasks of a pool."""
    root: str
    """The folder of the series."""
    paths: Sequence[str]
    """The folder of each run."""
    recipes: Sequence[dict[str, Any]]
    """The recipe of each run: what it sets, defaults left out."""
    threads: int
    """Of a run that begins, where its recipe names none."""
    metric: str = "val_accuracy"
    """What is reported after each epoch."""
    data_dir: str | None = None

    @classmethod
    def of(
        cls, key: str, members: Sequence[Member], *, threads: int, metric: str = "val_accuracy"
    ) -> Task:
        """The task that trains these members; of all of them, the series and data are the same."""
        first = members[0]
        return cls(
            key=key,
            root=str(first.root.absolute()),
            paths=[str(member.path.absolute()) for member in members],
            recipes=[
                member.recipe.model_dump(mode="json", exclude_none=True, exclude_unset=True)
                for member in members
            ],
            threads=threads,
            metric=metric,
            data_dir=None if first.data_dir is None else str(first.data_dir.absolute()),
        )

    def members(self) -> list[Member]:
        """The runs."""
        data_dir = None if self.data_dir is None else Path(self.data_dir)
        return [
            Member(Recipe.model_validate(recipe), Path(path), Path(self.root), data_dir)
            for path, recipe in zip(self.paths, self.recipes, strict=True)
        ]


@dataclass(frozen=True)
class Progress:
    """An epoch of a task has ended."""

    key: str
    seed: int
    """Of the run that is being trained."""
    epoch: int
    """From 1."""
    epochs: int
    """In all."""
    value: float | None
    """The task's metric after it; None where it is not finite."""


@dataclass(frozen=True)
class Outcome:
    """A task has ended, or could not be continued.

    complete: all runs are finished · pruned: the answer to a Progress was to stop · failed: the
    recipe cannot be trained · aside: something else prevents it now, another process that holds
    the folder, or a machine that kills its process · stopped: nothing can be trained.
    """

    key: str
    state: Literal["complete", "pruned", "failed", "aside", "stopped"]
    why: str = ""
    error: str = ""
    """The name of the HandloomError's class, where there was one."""


Report = Callable[[Progress], bool]
"""Takes what has happened; answers whether to continue."""


def train_task(task: Task, report: Report) -> Outcome:
    """Train what is missing of a task's runs; what was stopped is resumed from its checkpoint."""
    try:
        for member in task.members():
            messenger = Messenger(task.key, member.recipe.seed, task.metric, report)
            member.train(threads=task.threads, callbacks=[messenger])
            if messenger.was_told_to_stop:
                return Outcome(task.key, "pruned")
    except HandloomError as error:
        return Outcome(task.key, _state_of(error), str(error), type(error).__name__)
    return Outcome(task.key, "complete")


def _state_of(error: HandloomError) -> Literal["failed", "aside", "stopped"]:
    if isinstance(error, DivergenceError | RecipeError | ShapeError):
        return "failed"
    return "aside" if isinstance(error, InUseError) else "stopped"


class Messenger(Callback):
    """Reports every epoch of a run, and stops the training where the answer says so."""

    def __init__(self, key: str, seed: int, metric: str, report: Report) -> None:
        self.key = key
        self.seed = seed
        self.metric = metric
        self.report = report
        self.was_told_to_stop = False

    def on_epoch_end(self, training: Training) -> None:
        """Report, and wait for the answer."""
        value = training.history.epochs[-1][self.metric]
        progress = Progress(self.key, self.seed, training.epoch, training.epochs, value)
        if not self.report(progress):
            self.was_told_to_stop = True
            training.request_stop(STOPPED)
