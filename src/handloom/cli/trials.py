"""What a person sees of a study: a line a trial, what is under way, and at last the best ones."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from handloom.cli.output import Voice, console, number, write
from handloom.studies.search import Listener, short_names, written

if TYPE_CHECKING:
    from rich.console import Console
    from rich.live import Live
    from rich.table import Table

    from handloom.studies.search import Progress, Study, StudyTrial

MOST_ROWS = 20
"""So many of the best are shown; the rest is in trials.csv."""
_LEAST_WIDTH = len("val_accuracy")


def choose_listener(voice: Voice) -> PlainTrials | None:
    """What suits who listens; a person beside a program is shown the trials on standard error."""
    screen = console(stderr=voice is Voice.PROGRAM)
    if voice is not Voice.NOBODY and screen.is_terminal and not screen.is_dumb_terminal:
        return LiveTrials(screen)
    return PlainTrials(lambda line: write(f"{line}\n")) if voice is Voice.PERSON else None


class PlainTrials(Listener):
    """A line for each trial that ends; an asterisk marks the best so far."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    def on_start(self, study: Study, total: int | None) -> None:
        """What is searched, and how much of it is done."""
        self.study, self.total = study, total
        self.done = sum(trial.state != "running" for trial in study.trials)
        self.best = study.best
        many = "configurations" if total is None else f"{total:,} configurations"
        there = f", {self.done:,} of them there already" if self.done else ""
        self.say(f"{study.name}: {many}{there}")
        self.say(f"{'trial':>6} {study.metric:>{_LEAST_WIDTH}} {'seconds':>9}  configuration")

    def on_end(self, trial: StudyTrial) -> None:
        """One line."""
        self.done += 1
        is_best = trial.state == "complete" and self._beats_best(trial)
        if is_best:
            self.best = trial
        value = f"{number(trial.value):>{_LEAST_WIDTH}}" if trial.value is not None else "-"
        ending = "" if trial.state == "complete" else f": {trial.state}, {trial.why}"
        self.say(
            f"{trial.number:>5}{'*' if is_best else ' '} {value:>{_LEAST_WIDTH}} "
            f"{trial.seconds:>9.1f}  {trial.name}{ending}"
        )

    def on_note(self, text: str) -> None:
        """A line."""
        self.say(text)

    def close(self) -> None:
        """Give the terminal back; also called after an error."""

    def _beats_best(self, trial: StudyTrial) -> bool:
        if trial.value is None or self.best is None or self.best.value is None:
            return trial.value is not None
        more = trial.value > self.best.value
        return more if self.study.maximise else trial.value < self.best.value


class LiveTrials(PlainTrials):
    """The same lines, and under them a table of what is under way."""

    def __init__(self, screen: Console) -> None:
        super().__init__(
            lambda line: screen.print(line, highlight=False, markup=False, soft_wrap=True)
        )
        self.screen = screen
        self.running: dict[str, _Running] = {}
        self.live: Live | None = None

    def on_start(self, study: Study, total: int | None) -> None:
        """Begin to show."""
        from rich.live import Live

        super().on_start(study, total)
        self.started = time.monotonic()
        self.live = Live(console=self.screen, transient=True, get_renderable=self._table)
        self.live.start()

    def on_begin(self, trial: StudyTrial) -> None:
        """A row more."""
        self.running[trial.key] = _Running(trial)

    def on_progress(self, progress: Progress) -> None:
        """Another epoch."""
        self.running[progress.key].hear(progress, maximise=self.study.maximise)

    def on_end(self, trial: StudyTrial) -> None:
        """A row less."""
        self.running.pop(trial.key, None)
        super().on_end(trial)

    def close(self) -> None:
        """Take away the table."""
        if self.live is not None:
            self.live.stop()

    def _table(self) -> Table:
        from rich import box
        from rich.table import Table

        of = "" if self.total is None else f" of {self.total:,}"
        best = "" if self.best is None else f", best {number(self.best.value)}: {self.best.name}"
        minutes, seconds = divmod(int(time.monotonic() - self.started), 60)
        table = Table(
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            title=f"{self.done:,}{of} trials after {minutes}:{seconds:02}{best}",
            title_justify="left",
            title_style="",
        )
        for column in ("seed", "epoch", "now", "its best"):
            table.add_column(column, justify="right", no_wrap=True)
        table.add_column("configuration", overflow="fold")
        for running in self.running.values():
            table.add_row(*running.cells())
        return table


class _Running:
    """A trial under way, as a row."""

    def __init__(self, trial: StudyTrial) -> None:
        self.trial = trial
        self.newest: Progress | None = None
        self.best: float | None = None

    def hear(self, progress: Progress, *, maximise: bool) -> None:
        """Take the newest epoch."""
        if self.newest is None or self.newest.seed != progress.seed:
            self.best = None
        self.newest = progress
        if progress.value is not None:
            values = [value for value in (self.best, progress.value) if value is not None]
            self.best = max(values) if maximise else min(values)

    def cells(self) -> tuple[str, ...]:
        """Seed, epoch, newest value, best value, configuration."""
        if self.newest is None:
            return ("", "", "", "", self.trial.name)
        seeds = self.trial.seeds
        return (
            f"{seeds.index(self.newest.seed) + 1}/{len(seeds)}",
            f"{self.newest.epoch}/{self.newest.epochs}",
            number(self.newest.value),
            number(self.best),
            self.trial.name,
        )


def show_study(voice: Voice, study: Study, empty: Mapping[str, str]) -> None:
    """The best trials as a table, and where all of it lies.

    `empty` are the pictures on which there is nothing to see yet, and why.
    """
    paths = list(study.space)
    names = short_names(paths)
    spread = len(study.plan.search.seeds) > 1
    other = "val_loss" if study.maximise else "val_accuracy"
    columns = ["trial", *(names[path] for path in paths), study.metric, *(["±"] if spread else [])]
    voice.say()
    voice.table(
        [*columns, other, "seconds"],
        [
            (
                str(trial.number),
                *(
                    written(trial.parameters[path]) if path in trial.parameters else "·"
                    for path in paths
                ),
                number(trial.value),
                *([number(trial.spread)] if spread else []),
                number(trial.mean(other)),
                f"{trial.seconds:.1f}",
            )
            for trial in study.ranking[:MOST_ROWS]
        ],
    )
    voice.say(f"\n{_counts(study)}")
    voice.say(f"table      {study.folder.table}")
    voice.say(f"pictures   {study.folder.figures}")
    for why in dict.fromkeys(empty.values()):
        names = ", ".join(f"{name}.png" for name in empty if empty[name] == why)
        voice.say(f"           without {names}: {why}")
    if study.best is not None:
        voice.say(f"the best   handloom train {study.folder.best}")


def _counts(study: Study) -> str:
    """48 trials: 40 complete, 8 pruned."""
    states = [trial.state for trial in study.trials]
    told = [f"{states.count(state):,} {state}" for state in dict.fromkeys(states)]
    return f"{len(states):,} trials" + (f": {', '.join(told)}" if told else "")
