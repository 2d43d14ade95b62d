"""What a person sees while a training runs: rows and a bar, or plain lines without a terminal."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

from handloom.training.callbacks import Callback
from handloom.training.metrics import is_better, worst

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

    from handloom.engines import StepReport
    from handloom.training.history import Row
    from handloom.training.trainer import Trainer

HEADER = " epoch   train loss    acc     val loss    acc          lr   grad   images/s"
REFRESH_S = 0.1


class PlainProgress(Callback):
    """A table that grows by a line an epoch; an asterisk marks the best so far."""

    def __init__(self, console: Console) -> None:
        self.console = console

    def on_fit_start(self, training: Trainer) -> None:
        """The head of the table."""
        self.best = worst(training.monitor)
        self.say(HEADER)

    def on_epoch_end(self, training: Trainer) -> None:
        """One row."""
        score = training.history.last(training.monitor)
        best = is_better(training.monitor, score, self.best)
        self.best = score if best else self.best
        self.say(epoch_line(training.history.epochs[-1], best=best))

    def on_evaluation_end(self, training: Trainer, row: Row) -> None:
        """One row in the middle of an epoch."""
        loss, accuracy = _number(row["val_loss"]), row["val_accuracy"]
        self.say(f"{'':5} step {row['step']:<16} {loss:>12} {accuracy:>7.2%}")

    def on_fit_end(self, training: Trainer) -> None:
        """Why it ended early, if it did."""
        if training.stop_reason:
            self.say(f"stopped: {training.stop_reason}")

    def close(self) -> None:
        """Give the terminal back; also called after an error."""

    def say(self, line: str) -> None:
        """Print one line."""
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)


class LiveProgress(PlainProgress):
    """The same rows, and under them a bar with the loss, pictures a second and the time left."""

    bar: Progress | None = None

    def on_fit_start(self, training: Trainer) -> None:
        """Show the bar of all steps of the training."""
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        bar = self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[pace]}"),
            TimeRemainingColumn(compact=True),
            console=self.console,
            transient=True,
        )
        super().on_fit_start(training)
        total = training.epochs * training.train.steps_per_epoch
        self.task = bar.add_task("", total=total, pace="")
        bar.start()
        self.shown_at = 0.0

    def on_epoch_start(self, training: Trainer) -> None:
        """Start measuring this epoch's pace."""
        self.started, self.images = time.perf_counter(), 0

    def on_step_end(self, training: Trainer, report: StepReport) -> None:
        """Move the bar, ten times a second at most."""
        self.images += training.train.batch_size
        now = time.perf_counter()
        if self.bar is None or now - self.shown_at < REFRESH_S:
            return
        self.shown_at = now
        self.bar.update(
            self.task,
            completed=training.engine.steps,
            description=f"epoch {training.epoch + 1}/{training.epochs}  loss {report.loss:.4f}",
            pace=f"{self.images / (now - self.started):,.0f} images/s",
        )

    def on_fit_end(self, training: Trainer) -> None:
        """Take the bar away."""
        self.close()
        super().on_fit_end(training)

    def close(self) -> None:
        """Take the bar away."""
        if self.bar is not None:
            self.bar.stop()


def epoch_line(row: Row, *, best: bool) -> str:
    """One epoch as a line under HEADER."""
    return (
        f"{row['epoch']:>5}{'*' if best else ' '} {_number(row['train_loss']):>12}"
        f" {row['train_accuracy']:>7.2%} {_number(row['val_loss']):>11} {row['val_accuracy']:>7.2%}"
        f" {row['lr']:>11.3g} {_number(row['grad_norm'], 2):>6} {row['images_per_s']:>10,.0f}"
    )


def _number(value: float | None, digits: int = 4) -> str:
    return "not finite" if value is None or not math.isfinite(value) else f"{value:.{digits}f}"
