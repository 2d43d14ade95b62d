"""Events for TensorBoard, which draws the curves of trainings while they run."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handloom._files import remove
from handloom._optional import require
from handloom.training.callbacks.base import Callback, Training

if TYPE_CHECKING:
    from handloom.training.history import Row

TAGS = {
    "train_loss": "loss/train",
    "val_loss": "loss/validation",
    "train_accuracy": "accuracy/train",
    "val_accuracy": "accuracy/validation",
    "lr": "optimizer/lr",
    "grad_norm": "optimizer/gradient_norm",
    "images_per_s": "pace/images_per_second",
    "epoch": "pace/epoch",
}
"""Metrics by their tag; TensorBoard draws what has the same word before the slash together."""


@dataclass
class TensorBoard(Callback):
    """Write the history's numbers into `folder` as they come, each at its optimizer step.

    A training that goes on, after a kill too, writes its whole history anew and takes away what
    stood there: the events are those of a training that was never stopped. Raises
    MissingExtraError at the start where tensorboardX is not installed.
    """

    folder: str | Path

    def on_fit_start(self, training: Training) -> None:
        """Nothing is written yet: a resumed training takes up its history after this."""
        self.writer: Any = None
        self.writers = require("tensorboardX", extra="tensorboard")

    def on_epoch_start(self, training: Training) -> None:
        """Begin with all that was measured so far."""
        if self.writer is None:
            self._begin(training.history.rows)

    def on_evaluation_end(self, training: Training, row: Row) -> None:
        """The numbers of an evaluation in the middle of an epoch."""
        self._add(row, time.time())

    def on_epoch_end(self, training: Training) -> None:
        """The numbers of an epoch."""
        self._add(training.history.epochs[-1], time.time())

    def on_fit_end(self, training: Training) -> None:
        """Close the file."""
        if self.writer is not None:
            self.writer.close()

    def _begin(self, rows: list[Row]) -> None:
        folder = Path(self.folder)
        remove(*folder.glob("events.out.tfevents.*"))
        # A purge from step 0 makes a TensorBoard that is watching forget what it had read.
        self.writer = self.writers.SummaryWriter(str(folder), purge_step=0)
        ended = time.time() - sum(row.get("seconds", 0.0) for row in rows)
        for row in rows:
            ended += row.get("seconds", 0.0)
            self._add(row, ended)

    def _add(self, row: Row, at: float) -> None:
        """Write the numbers of a row, measured at the time `at`; what is not finite is left out."""
        for name, tag in TAGS.items():
            if row.get(name) is not None:
                self.writer.add_scalar(tag, row[name], row["step"], walltime=at)
        self.writer.flush()
