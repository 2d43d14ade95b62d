"""Metrics: their names, which way is better, and sums that become means."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from handloom._reasons import brief
from handloom.errors import CheckpointError
from handloom.nn.losses import loss_weight

if TYPE_CHECKING:
    from handloom.data import Epoch
    from handloom.engines import Loss, StepReport


def is_better(monitor: str, score: float, best: float) -> bool:
    """Whether `score` beats `best`: higher for accuracies, lower for losses; NaN never does."""
    if monitor.endswith("accuracy"):
        return score > best
    return score < best


def worst(monitor: str) -> float:
    """The score that any finite one beats."""
    return -math.inf if monitor.endswith("accuracy") else math.inf


@dataclass
class Patience:
    """Counts the epochs in a row in which `monitor` did not improve on its best."""

    monitor: str
    best: float = math.nan
    misses: int = 0

    def __post_init__(self) -> None:
        self.best = worst(self.monitor)

    def watch(self, score: float) -> int:
        """Take one epoch's score; returns the misses in a row, 0 where it is the best so far."""
        if is_better(self.monitor, score, self.best):
            self.best, self.misses = score, 0
        else:
            self.misses += 1
        return self.misses

    def state(self) -> dict[str, Any]:
        """What has to survive a kill."""
        return {"monitor": self.monitor, "best": self.best, "misses": self.misses}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on counting; raises CheckpointError where another metric was watched."""
        check_settings(state, monitor=self.monitor)
        self.best, self.misses = state["best"], state["misses"]


def check_settings(state: dict[str, Any], **settings: Any) -> None:
    """Raise CheckpointError where a callback's state was kept by one with other settings.

    Two of a class may have changed places. Version 0.1.0 kept no settings.
    """
    for name, now in settings.items():
        if (before := state.get(name, now)) != now:
            raise CheckpointError(
                f"the checkpoint holds the state of a callback whose {name} was {brief(before)}, "
                f"and now it is {now}; resume with the callbacks that the training was started "
                "with, in the same order"
            )


def step_weight(loss: Loss, epoch: Epoch, step: int) -> float:
    """What the batch of one step weighs in the loss of its epoch; mixed images weigh 1 each."""
    positions = epoch.positions(step, step + 1)
    if epoch.mixtures is not None:
        return float(len(positions))
    return loss_weight(loss, epoch.batches.dataset.labels[positions])


@dataclass
class RunningMeans:
    """Loss, accuracy and gradient norm over the steps of one epoch, each image counted once.

    The loss is Σ w l / Σ w of all its images, as `nn.losses.loss_weight` has w.
    """

    loss_sum: float = 0.0
    weight: float = 0.0
    correct: int = 0
    images: int = 0
    grad_norm_sum: float = 0.0
    steps: int = 0
    lr: float = math.nan
    """Of the newest step."""

    def add(self, report: StepReport, images: int, weight: float) -> None:
        """Count one step on a batch of `images` images, which weigh `weight` in the loss."""
        self.loss_sum += report.loss * weight
        self.weight += weight
        self.correct += report.correct
        self.images += images
        self.grad_norm_sum += report.grad_norm
        self.steps += 1
        self.lr = report.lr

    def row(self) -> dict[str, float]:
        """The means by their names in the history."""
        return {
            "train_loss": self.loss_sum / self.weight if self.weight else 0.0,
            "train_accuracy": self.correct / self.images,
            "grad_norm": self.grad_norm_sum / self.steps,
        }
