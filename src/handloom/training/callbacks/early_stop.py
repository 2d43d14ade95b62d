"""Stop when there is nothing left to gain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from handloom.training.callbacks.base import Callback, Training
from handloom.training.metrics import Patience, check_settings


@dataclass
class EarlyStop(Callback):
    """Stop after `patience` epochs in a row in which `monitor` did not improve."""

    monitor: str = "val_loss"
    patience: int = 5  # epochs

    def on_fit_start(self, training: Training) -> None:
        """Start counting anew."""
        self.watched = Patience(self.monitor)

    def on_epoch_end(self, training: Training) -> None:
        """Count an epoch without improvement; ask to stop at `patience` of them."""
        misses = self.watched.watch(training.history.last(self.monitor))
        if misses >= self.patience:
            training.request_stop(f"{self.monitor} has not improved for {misses} epochs")

    def state(self) -> dict[str, Any]:
        """Best score and misses in a row, and of how many it stops."""
        return self.watched.state() | {"patience": self.patience}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on counting; raises CheckpointError for the state of one with other settings."""
        check_settings(state, patience=self.patience)
        self.watched.load_state(state)
