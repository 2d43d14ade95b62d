"""Lower the learning rate when progress stalls."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from handloom.training.callbacks.base import Callback, Training
from handloom.training.metrics import Patience, check_settings


@dataclass
class Plateau(Callback):
    """Multiply the learning rate by `factor` after `patience` epochs without progress in `monitor`.

    The factor acts on top of the schedule, and counting starts anew after each reduction.
    """

    monitor: str = "val_loss"
    factor: float = 0.1
    patience: int = 3  # epochs

    def on_fit_start(self, training: Training) -> None:
        """Start counting anew."""
        self.watched = Patience(self.monitor)

    def on_epoch_end(self, training: Training) -> None:
        """Count an epoch without improvement; lower the rate at `patience` of them."""
        if self.watched.watch(training.history.last(self.monitor)) >= self.patience:
            training.engine.lr_scale *= self.factor
            self.watched.misses = 0

    def state(self) -> dict[str, Any]:
        """Best score and misses in a row; the scale itself lives in the engine's state."""
        return self.watched.state() | {"factor": self.factor, "patience": self.patience}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on counting; raises CheckpointError for the state of one with other settings."""
        check_settings(state, factor=self.factor, patience=self.patience)
        self.watched.load_state(state)
