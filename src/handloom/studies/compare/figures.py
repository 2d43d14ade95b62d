"""Figures: a row of a comparison, and what each of its runs gives to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median, stdev
from string import ascii_uppercase
from typing import Any

from handloom import _kept as kept
from handloom.models import summarise
from handloom.run.assemble.summary import step_memory
from handloom.run.results import Run
from handloom.studies.compare.evaluation import Evaluation
from handloom.studies.compare.groups import Group
from handloom.studies.compare.intervals import Interval, t_interval, wilson


@dataclass(frozen=True)
class RunFigures:
    """One run, as it was trained and as it does now."""

    path: Path
    seed: int
    fold: int | None
    accuracy: float
    loss: float
    epochs: int
    best_epoch: int
    seconds: float
    """Of training, as it recorded them."""
    reached_after: int | None
    """Whole epochs until the validation accuracy asked for; None where it never came."""
    trained_per_s: float | None
    """Images, the median over its epochs; None for imported weights, which had none."""
    looks: int
    """At its test split, this one counted."""
    surroundings: str
    """Processor and threads of its training."""

    def describe(self) -> dict[str, Any]:
        """JSON-ready."""
        return vars(self) | {"path": str(self.path), "loss": _finite(self.loss)}


@dataclass(frozen=True)
class Figures:
    """A row: what its runs come to. Accuracies are fractions of the images."""

    mark: str
    """A, B, …: how texts and images refer to the row."""
    name: str
    runs: tuple[RunFigures, ...]
    pictures: int
    """That each run was evaluated on."""
    accuracy: float
    """The mean over the runs."""
    spread: float | None
    """Standard deviation over the runs (n - 1); None for a single one."""
    interval: Interval
    """95 %: of several runs by t over their accuracies, of one by Wilson over its images."""
    loss: float
    """The mean over the runs, in the loss's own unit."""
    parameters: int
    multiply_adds: int
    """Of one image's forward pass, in linear and convolution layers."""
    step_bytes: int
    """Of a training step in float32: weights, gradients, what the optimizer keeps, outputs of a
    batch. Calculated; the working memory of an engine and the images come on top."""
    predicted_per_s: float | None
    """Images, here and now, by the first run; None where it was not timed."""

    @property
    def seconds(self) -> float:
        """Of a training, the mean over the runs."""
        return fmean(run.seconds for run in self.runs)

    @property
    def epochs(self) -> float:
        """Of a training, the mean over the runs."""
        return fmean(run.epochs for run in self.runs)

    @property
    def reached_after(self) -> float | None:
        """Epochs until the accuracy asked for, the mean; None unless every run came to it."""
        epochs = [run.reached_after for run in self.runs if run.reached_after is not None]
        return fmean(epochs) if len(epochs) == len(self.runs) else None

    @property
    def looks(self) -> tuple[int, ...]:
        """How often each run's test split has been looked at."""
        return tuple(run.looks for run in self.runs)

    def describe(self) -> dict[str, Any]:
        """JSON-ready."""
        return vars(self) | {
            "interval": self.interval._asdict(),
            "loss": _finite(self.loss),
            "seconds": self.seconds,
            "epochs": self.epochs,
            "reached_after": self.reached_after,
            "runs": [run.describe() for run in self.runs],
        }


def figures_of(
    number: int,
    group: Group,
    evaluations: Sequence[Evaluation],
    *,
    reach: float | None,
    predicted_per_s: float | None,
) -> Figures:
    """The row of a group, the `number`-th from 0; `evaluations` are those of its runs."""
    runs = tuple(_run_figures(evaluation, reach) for evaluation in evaluations)
    accuracies = [run.accuracy for run in runs]
    first, several = group.runs[0], len(runs) > 1
    hits, pictures = int(evaluations[0].is_right.sum()), len(evaluations[0].is_right)
    network = summarise(first.model, first.image_shape)
    return Figures(
        mark=mark_of(number),
        name=group.name,
        runs=runs,
        pictures=pictures,
        accuracy=fmean(accuracies),
        spread=stdev(accuracies) if several else None,
        interval=(
            _within_one(t_interval(accuracies, overlap_of(evaluations)))
            if several
            else wilson(hits, pictures)
        ),
        loss=fmean(run.loss for run in runs),
        parameters=network.parameters,
        multiply_adds=network.multiply_adds,
        step_bytes=step_memory(first.recipe, first.model, network, first.image_shape).total,
        predicted_per_s=predicted_per_s,
    )


def overlap_of(evaluations: Sequence[Evaluation]) -> float:
    """Images validated on over images trained on, where every seed drew its own validation
    part; 0 where all saw the same images. See `intervals.standard_error`."""
    if len({evaluation.fingerprint for evaluation in evaluations}) == 1:
        return 0.0
    run = evaluations[0].run
    return len(evaluations[0].is_right) / _distinct_pictures(run)


def mark_of(number: int) -> str:
    """A, B, …, Z, A1, B1, …"""
    turn, letter = divmod(number, len(ascii_uppercase))
    return ascii_uppercase[letter] + (str(turn) if turn else "")


def _run_figures(evaluation: Evaluation, reach: float | None) -> RunFigures:
    run = evaluation.run
    rows, result = run.history.epochs, run.result
    enough = (row["epoch"] for row in rows if reach is not None and _reaches(row, reach))
    return RunFigures(
        path=run.path,
        seed=run.recipe.seed,
        fold=run.recipe.data.fold,
        accuracy=evaluation.accuracy,
        loss=evaluation.loss,
        epochs=result["epochs"],
        best_epoch=result["best_epoch"],
        seconds=result["seconds"],
        reached_after=next(enough, None),
        trained_per_s=median(row["images_per_s"] for row in rows) if rows else None,
        looks=run.looks,
        surroundings=_surroundings(run),
    )


def _reaches(row: dict[str, Any], accuracy: float) -> bool:
    return row["val_accuracy"] is not None and row["val_accuracy"] >= accuracy


def _surroundings(run: Run) -> str:
    environment = run.folder.read_json(run.folder.environment, kept.ENVIRONMENT)
    threads = environment["threads"]
    return f"{environment['processor']}, {threads} thread{'' if threads == 1 else 's'}"


def _distinct_pictures(run: Run) -> int:
    """That it was trained on, copies by augmentation not counted."""
    augment = run.recipe.augment
    copies = augment.copies if augment is not None and augment.mode == "append" else 0
    return run.data["pictures"]["train"] // (1 + copies)


def _within_one(interval: Interval) -> Interval:
    return Interval(max(0.0, interval.low), min(1.0, interval.high))


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
