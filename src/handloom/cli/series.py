"""What a person sees of a series: a line for each run that ends, and a table of those running."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from handloom.cli.output import Voice, console, number, write
from handloom.series import Listener

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    from handloom.run.results import Run
    from handloom.series import Member, Progress

BETWEEN_LINES_S = 10.0
"""So long nothing is printed, at most, while runs are trained and no terminal shows them."""


@contextmanager
def shown(voice: Voice) -> Iterator[PlainSeries | None]:
    """The listener that suits who reads; a program's user sees the runs on standard error."""
    screen = console(stderr=voice is Voice.PROGRAM)
    listener: PlainSeries | None = None
    if voice is not Voice.NOBODY and screen.is_terminal and not screen.is_dumb_terminal:
        listener = LiveSeries(screen)
    elif voice is Voice.PERSON:
        listener = PlainSeries(lambda line: write(f"{line}\n"))
    try:
        yield listener
    finally:
        if listener is not None:
            listener.close()


class PlainSeries(Listener):
    """A line for each run that ends, and now and then one that says how far a run is."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say
        self.said_at = time.monotonic()

    def on_start(self, members: Sequence[Member], finished: int) -> None:
        """How many runs there are to train."""
        self.total, self.done = len(members), finished
        self.started: dict[str, float] = {}
        there = f", {finished} already finished" if finished else ""
        if finished < self.total:
            self.say(f"{self.total} run{'s' if self.total > 1 else ''}{there}")
            self.say(f"{'run':>9} {'val acc':>9} {'seconds':>9}  name")

    def on_progress(self, member: Member, progress: Progress) -> None:
        """A line, if there was none for a while."""
        if time.monotonic() - self.said_at > BETWEEN_LINES_S:
            self._line(
                f"{'':>9} {number(progress.value):>9} {'':>9}  {member.name}: "
                f"epoch {progress.epoch} of {progress.epochs}"
            )

    def on_end(self, member: Member, run: Run) -> None:
        """The run's line."""
        self.done += 1
        result = run.result
        self._line(
            f"{f'{self.done}/{self.total}':>9} {number(result['validation']['accuracy']):>9} "
            f"{result['seconds']:>9.1f}  {member.name}"
        )

    def close(self) -> None:
        """Release the terminal; also called after an error."""

    def _line(self, line: str) -> None:
        self.say(line)
        self.said_at = time.monotonic()


class LiveSeries(PlainSeries):
    """The same lines, and under them a table of what is running."""

    def __init__(self, screen: Console) -> None:
        super().__init__(
            lambda line: screen.print(line, highlight=False, markup=False, soft_wrap=True)
        )
        self.table = RunningTable(screen, "run")

    def on_start(self, members: Sequence[Member], finished: int) -> None:
        """Show the table."""
        super().on_start(members, finished)
        self.table.start(lambda: f"{self.done} of {self.total} runs")

    def on_begin(self, member: Member) -> None:
        """One more row."""
        self.table.rows[member.name] = RunningRow(member.name, 1, maximise=True)

    def on_progress(self, member: Member, progress: Progress) -> None:
        """Another epoch."""
        self.table.rows[member.name].update(progress)

    def on_end(self, member: Member, run: Run) -> None:
        """One row less, and its line."""
        self.table.rows.pop(member.name, None)
        super().on_end(member, run)

    def close(self) -> None:
        """Remove the table."""
        self.table.close()


class RunningTable:
    """The table of what is running, on a terminal's last lines; its rows are kept by key."""

    def __init__(self, screen: Console, heading: str) -> None:
        self.screen = screen
        self.heading = heading
        self.rows: dict[str, RunningRow] = {}
        self.live: Live | None = None

    def start(self, title: Callable[[], str]) -> None:
        """Show it; `title` says how far everything is, and the time is put behind it."""
        from rich.live import Live

        self.title, self.started = title, time.monotonic()
        self.live = Live(console=self.screen, transient=True, get_renderable=self._render)
        self.live.start()

    def close(self) -> None:
        """Remove it."""
        if self.live is not None:
            self.live.stop()

    def _render(self) -> Table:
        from rich import box
        from rich.table import Table

        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        table = Table(
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            title=f"{self.title()}, {minutes}:{seconds:02}",
            title_justify="left",
            title_style="",
        )
        several = any(row.seeds > 1 for row in self.rows.values())
        for column in (*(["seed"] if several else []), "epoch", "now", "its best"):
            table.add_column(column, justify="right", no_wrap=True)
        table.add_column(self.heading, overflow="fold")
        for row in self.rows.values():
            table.add_row(*row.cells()[0 if several else 1 :])
        return table


class RunningRow:
    """Something that is being trained: a run, or a trial of several seeds."""

    def __init__(self, name: str, seeds: int, *, maximise: bool) -> None:
        self.name = name
        self.seeds = seeds
        self.maximise = maximise
        self.begun: list[int] = []
        self.newest: Progress | None = None
        self.best: float | None = None

    def update(self, progress: Progress) -> None:
        """Take the newest epoch."""
        if progress.seed not in self.begun:
            self.begun.append(progress.seed)
            self.best = None
        self.newest = progress
        if progress.value is not None:
            values = [value for value in (self.best, progress.value) if value is not None]
            self.best = max(values) if self.maximise else min(values)

    def cells(self) -> tuple[str, ...]:
        """Seed, epoch, newest value, best value, name."""
        if self.newest is None:
            return ("", "", "", "", self.name)
        return (
            f"{len(self.begun)}/{self.seeds}",
            f"{self.newest.epoch}/{self.newest.epochs}",
            number(self.newest.value),
            number(self.best),
            self.name,
        )
