"""What a person sees while a training runs: rows and a bar, or plain lines without a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from handloom.cli.output import Voice, console, number, write
from handloom.training.callbacks import Callback, Training
from handloom.training.metrics import is_better

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress
    from rich.status import Status

    from handloom.engines import StepReport
    from handloom.training.history import Row

HEADER = (
    f"{'epoch':>6} {'train loss':>12} {'acc':>7} {'val loss':>11} {'acc':>7}"
    f" {'lr':>11} {'grad':>6} {'images/s':>10}"
)
REFRESH_S = 0.1


def choose_progress(voice: Voice, title: str = "") -> PlainProgress | None:
    """What suits the listener; a person beside a program is shown the bar on standard error."""
    screen = console(stderr=voice is Voice.PROGRAM)
    if voice is not Voice.NOBODY and screen.is_terminal and not screen.is_dumb_terminal:
        return LiveProgress(screen, title)
    return PlainProgress(write_line, title) if voice is Voice.PERSON else None


def write_line(line: str) -> None:
    """Print a line on standard output."""
    write(f"{line}\n")


class PlainProgress(Callback):
    """A table that grows by one line per epoch; an asterisk marks the best so far.

    Without a title it is headed by the run's folder.
    """

    def __init__(self, say: Callable[[str], None], title: str = "") -> None:
        self.say = say
        self.title = title
        self.has_header = False

    def on_fit_start(self, training: Training) -> None:
        """What is trained, on how much, with what."""
        assert training.validation is not None, "a recipe has a validation split"
        path = training.history.path
        title = self.title or ("training" if path is None else str(path.parent))
        self.say(
            f"{title}: {training.engine.model.num_parameters():,} parameters, "
            f"{len(training.train.dataset):,} training images, "
            f"{len(training.validation.dataset):,} validation images"
        )
        for note in training.notes:
            self.say(note)

    def on_epoch_end(self, training: Training) -> None:
        """One row."""
        *earlier, row = training.history.epochs
        self.row(epoch_line(row, best=_beats(training.monitor, row, earlier)))

    def on_evaluation_end(self, training: Training, row: Row) -> None:
        """One row in the middle of an epoch."""
        self.row(mid_epoch_line(row))

    def on_fit_end(self, training: Training) -> None:
        """Why it ended early, if it did."""
        if training.stop_reason:
            self.say(f"stopped: {training.stop_reason}")

    def close(self) -> None:
        """Give the terminal back; also called after an error."""

    def row(self, line: str) -> None:
        """A row of the table, and before the first one its head."""
        if not self.has_header:
            self.say(HEADER)
        self.has_header = True
        self.say(line)


class FolderWatcher(Callback):
    """Where the training writes: a default folder has its name only when the training begins."""

    def __init__(self, path: Path | None) -> None:
        self.path = path

    def on_fit_start(self, training: Training) -> None:
        """Take down the run's folder."""
        if training.history.path is not None:
            self.path = training.history.path.parent


class LiveProgress(PlainProgress):
    """The same rows, and under them a bar with the loss, images a second and the time left."""

    def __init__(self, screen: Console, title: str = "") -> None:
        super().__init__(self._print_above, title)
        self.screen = screen
        self.moving: Progress | Status | None = None

    def on_fit_start(self, training: Training) -> None:
        """Show the bar of all steps of the training."""
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        super().on_fit_start(training)
        self.bar = self.moving = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f}%"),
            TextColumn("{task.fields[pace]}"),
            TimeRemainingColumn(compact=True),
            console=self.screen,
            transient=True,
        )
        total = training.epochs * training.train.steps_per_epoch
        self.task = self.bar.add_task("", total=total, pace="")
        self.bar.start()
        self.shown_at = 0.0

    def on_epoch_start(self, training: Training) -> None:
        """Start measuring this epoch's pace."""
        self.started, self.images = time.perf_counter(), 0

    def on_step_end(self, training: Training, report: StepReport) -> None:
        """Move the bar, ten times a second at most."""
        self.images += training.train.batch_size
        now = time.perf_counter()
        if now - self.shown_at < REFRESH_S:
            return
        self.shown_at = now
        self.bar.update(
            self.task,
            completed=training.step,
            description=f"epoch {training.epoch + 1}/{training.epochs}  loss {report.loss:.4f}",
            pace=f"{self.images / (now - self.started):,.0f} images/s",
        )

    def on_fit_end(self, training: Training) -> None:
        """Change the bar for a word on what comes now."""
        self.close()
        super().on_fit_end(training)
        self.moving = self.screen.status("testing the best weights, drawing the figures")
        self.moving.start()

    def close(self) -> None:
        """Take away what moves."""
        if self.moving is not None:
            self.moving.stop()
            self.moving = None

    def _print_above(self, line: str) -> None:
        self.screen.print(line, highlight=False, markup=False, soft_wrap=True)


def epoch_line(row: Row, *, best: bool) -> str:
    """One epoch as a line under HEADER."""
    return (
        f"{row['epoch']:>5}{'*' if best else ' '} {number(row['train_loss']):>12}"
        f" {row['train_accuracy']:>7.2%} {number(row['val_loss']):>11} {row['val_accuracy']:>7.2%}"
        f" {row['lr']:>11.3g} {number(row['grad_norm'], 2):>6} {row['images_per_s']:>10,.0f}"
    )


def mid_epoch_line(row: Row) -> str:
    """An evaluation in the middle of an epoch as a line under HEADER."""
    step = f"step {row['step']}"
    return f"{'':7}{step:<20} {number(row['val_loss']):>11} {row['val_accuracy']:>7.2%}"


def _beats(monitor: str, row: Row, earlier: list[Row]) -> bool:
    """Whether this epoch is the best so far; one whose score was not a number is beaten by any."""
    if row[monitor] is None:
        return False
    return all(
        other[monitor] is None or is_better(monitor, row[monitor], other[monitor])
        for other in earlier
    )
