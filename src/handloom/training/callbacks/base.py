"""Callback: what listens to a training. Every hook is empty here; override those you need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from handloom.engines import StepReport
    from handloom.training.history import Row
    from handloom.training.trainer import Trainer


class Callback:
    """Listens to a training; may ask it to stop, never raises to steer it.

    What it remembers from epoch to epoch, and acts on, belongs into `state`. A resumed training
    needs the callbacks with a state that it was started with, in the same order; those without one
    may come and go.
    """

    comes_last = False
    """Whether its hooks run after those of all others, as for one that keeps their states."""

    def on_fit_start(self, training: Trainer) -> None:
        """Before the first epoch; a resumed training restores its callbacks' states after this."""

    def on_epoch_start(self, training: Trainer) -> None:
        """Before an epoch's first step."""

    def on_step_end(self, training: Trainer, report: StepReport) -> None:
        """After every step; the engine may have done the next ones already."""

    def on_evaluation_end(self, training: Trainer, row: Row) -> None:
        """After an evaluation in the middle of an epoch."""

    def on_epoch_end(self, training: Trainer) -> None:
        """After an epoch's evaluation; its row is in the history, its number counts as done."""

    def on_fit_end(self, training: Trainer) -> None:
        """After the last epoch."""

    def state(self) -> dict[str, Any]:
        """What has to survive a kill, as JSON-ready values."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
