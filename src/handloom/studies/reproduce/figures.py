"""What trainings gave, as plain numbers: all that a published figure or claim is held against."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from handloom.run.results import Run


@dataclass(frozen=True, slots=True)
class SeedResult:
    """The figures of one run. A run whose data have no test split has None for those of it."""

    seed: int
    validation_accuracy: float
    validation_loss: float
    """Mean over the images; infinite where it was not a finite number."""
    test_accuracy: float | None
    test_loss: float | None
    epochs: int
    best_epoch: int
    """Counted from 1, like all epochs: the one whose weights were kept."""
    seconds: float
    """Of training, validation after each epoch included."""
    parameters: int
    train_losses: tuple[float, ...]
    """One an epoch, as `val_losses`."""
    val_losses: tuple[float, ...]
    pictures: Mapping[str, int]
    """How many the parts "train", "validation" and "test" hold."""

    @property
    def lowest_epoch(self) -> int:
        """The epoch with the lowest validation loss."""
        return self.val_losses.index(min(self.val_losses)) + 1

    @property
    def rise(self) -> float:
        """How far validation loss ends above its lowest, as a share of the lowest."""
        return self.val_losses[-1] / min(self.val_losses) - 1.0


@dataclass(frozen=True, slots=True)
class SubjectResults:
    """What one configuration gave: an outcome a seed, at least one."""

    outcomes: tuple[SeedResult, ...]

    def values(self, what: str) -> dict[int, float]:
        """The figure `what`, an attribute of Outcome, by seed; without the seeds that lack it."""
        by_seed = {outcome.seed: getattr(outcome, what) for outcome in self.outcomes}
        return {seed: value for seed, value in by_seed.items() if value is not None}

    def mean(self, what: str) -> float:
        """Mean of a figure over the seeds; NaN where no seed has it."""
        values = self.values(what).values()
        return statistics.fmean(values) if values else math.nan

    def spread(self, what: str) -> float | None:
        """Standard deviation of a figure over the seeds; None for fewer than two finite ones."""
        values = self.values(what).values()
        is_known = len(values) > 1 and all(map(math.isfinite, values))
        return statistics.stdev(values) if is_known else None

    def pictures(self, what: str) -> int:
        """How many images an accuracy such as "test_accuracy" was taken on."""
        return self.outcomes[0].pictures[what.removesuffix("_accuracy")]

    def overlap(self, what: str) -> float:
        """What `compare.intervals.standard_error` has to know of an accuracy over seeds.

        Each seed validates on images that others train on; the test split is the same for all.
        """
        pictures = self.outcomes[0].pictures
        return 0.0 if what == "test_accuracy" else pictures["validation"] / pictures["train"]


Evidence = Mapping[str, SubjectResults]
"""The figures of an experiment by the labels of its configurations, in the order of its table."""


def outcome_of(run: Run) -> SeedResult:
    """The figures of a finished run; raises RunError where it has not ended."""
    result, epochs = run.result, run.history.epochs
    validation, test = result["validation"], result.get("test", {})
    return SeedResult(
        seed=result["seed"],
        validation_accuracy=validation["accuracy"],
        validation_loss=_loss(validation["loss"]),
        test_accuracy=test.get("accuracy"),
        test_loss=_loss(test["loss"]) if test else None,
        epochs=result["epochs"],
        best_epoch=result["best_epoch"],
        seconds=result["seconds"],
        parameters=result["parameters"],
        train_losses=tuple(_loss(row["train_loss"]) for row in epochs),
        val_losses=tuple(_loss(row["val_loss"]) for row in epochs),
        pictures=run.data["pictures"],
    )


def figures_of(runs: Sequence[Run]) -> SubjectResults:
    """The figures of one configuration's runs, in the order of their seeds."""
    return SubjectResults(tuple(sorted(map(outcome_of, runs), key=lambda outcome: outcome.seed)))


def _loss(kept: float | None) -> float:
    """JSON has no word for infinity: a run tells it as null."""
    return math.inf if kept is None else kept
