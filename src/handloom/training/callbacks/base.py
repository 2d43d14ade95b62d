"""Callback: what listens to a training. Every hook is empty here; override those you need."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from handloom.data import Batches
    from handloom.engines import Engine, StepReport
    from handloom.training.history import History, Row


class Training(Protocol):
    """What a callback may use of the training that it listens to; a `Trainer` is one."""

    engine: Engine
    train: Batches
    validation: Batches | None
    callbacks: list[Callback]
    history: History
    monitor: str
    """The metric that says which epoch was the best."""
    epochs: int
    """Epochs to train."""
    epoch: int
    """Epochs done."""
    step: int
    """Steps done and reported."""
    notes: tuple[str, ...]
    """Sentences that a person should read before it starts."""
    stop_reason: str | None
    """Why it ends before its last epoch, once it has been asked to."""

    def request_stop(self, reason: str) -> None:
        """End the training after this epoch."""
        ...

    def state(self) -> dict[str, Any]:
        """All that a resumed training needs."""
        ...


class Callback:
    """Listens to a training; may ask it to stop, never raises to steer it.

    What it remembers from epoch to epoch, and acts on, belongs into `state`. A resumed training
    needs the callbacks with a state that it was started with, in the same order; those without one
    may come and go.
    """

    comes_last = False
    """Whether its hooks run after those of all others, as for one that keeps their states."""

    def on_fit_start(self, training: Training) -> None:
        """Before the first epoch; a resumed training restores its callbacks' states after this."""

    def on_epoch_start(self, training: Training) -> None:
        """Before an epoch's first step."""

    def on_step_end(self, training: Training, report: StepReport) -> None:
        """After every step; the engine may have done the next ones already."""

    def on_evaluation_end(self, training: Training, row: Row) -> None:
        """After an evaluation in the middle of an epoch."""

    def on_epoch_end(self, training: Training) -> None:
        """After an epoch's evaluation; its row is in the history, its number counts as done."""

    def on_fit_end(self, training: Training) -> None:
        """After the last epoch."""

    def state(self) -> dict[str, Any]:
        """What has to survive a kill, as JSON-ready values."""
        return {}

    def load_state(self, state: dict[str, Any]) -> None:
        """Take up what `state` gave."""
