"""Keep the weights: the best ones for use, the last ones for going on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from handloom._files import remove
from handloom.training.callbacks.base import Callback, Training
from handloom.training.checkpoint import save_checkpoint
from handloom.training.metrics import is_better, worst

Keep = Literal["all", "best-and-last"] | int


@dataclass
class BestWeights(Callback):
    """Write `best.safetensors` whenever the monitor improves: the weights that predict.

    Without a folder it compares and writes nothing, as in all but the first of several processes.
    """

    folder: Path | None

    def on_fit_start(self, training: Training) -> None:
        """Nothing is best yet."""
        self.best, self.best_epoch = worst(training.monitor), 0

    def on_epoch_end(self, training: Training) -> None:
        """Compare; a tie keeps the earlier epoch. The first epoch's weights are always kept."""
        score = training.history.last(training.monitor)
        better = is_better(training.monitor, score, self.best)
        if self.best_epoch and not better:
            return
        if better:  # else the first epoch's score was not a number
            self.best = score
        self.best_epoch = training.epoch
        if self.folder is not None:
            save_checkpoint(
                self.folder / "best.safetensors",
                training.engine.weights(),
                {"epoch": training.epoch, "step": training.engine.steps},
            )

    def state(self) -> dict[str, Any]:
        """Best score and its epoch."""
        return {"best": self.best, "best_epoch": self.best_epoch}

    def load_state(self, state: dict[str, Any]) -> None:
        """Go on comparing."""
        self.best, self.best_epoch = state["best"], state["best_epoch"]


@dataclass
class Checkpoints(Callback):
    """Write `last.safetensors` after every epoch, from which `--resume` goes on to the same bits.

    `keep` = "all" keeps every epoch as `epoch-NNN` too, a number K the newest K of them. It comes
    after all other callbacks, and writes their states as they are after the epoch.
    """

    comes_last = True
    folder: Path
    keep: Keep = "best-and-last"

    def on_epoch_end(self, training: Training) -> None:
        """Write this epoch's checkpoint, and drop those that are not wanted any more."""
        tensors, state = training.engine.state_dict(), training.state()
        if self.keep != "best-and-last":
            save_checkpoint(self._path(training.epoch), tensors, state)
        if isinstance(self.keep, int):
            for epoch in range(1, training.epoch - self.keep + 1):
                remove(self._path(epoch))
        # At the very end: a training that is killed before it goes through all of this again.
        save_checkpoint(self.folder / "last.safetensors", tensors, state)

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch:03d}.safetensors"
