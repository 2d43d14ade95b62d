"""The output of a study: one line per trial, the running ones, and in the end the best ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from handloom.cli.output import Voice, console, number, write
from handloom.cli.series import RunningRow, RunningTable
from handloom.studies.search import TrialListener, short_names, written

if TYPE_CHECKING:
    from rich.console import Console

    from handloom.series import Progress
    from handloom.studies.search import Study, StudyTrial

MOST_ROWS = 20
"""So many of the best are shown; the rest is in trials.csv."""
_LEAST_WIDTH = len("val_accuracy")


def choose_listener(voice: Voice) -> PlainTrials | None:
    """What suits who listens; a person beside a program is shown the trials on standard error."""
    screen = console(stderr=voice is Voice.PROGRAM)
    if voice is not Voice.NOBODY and screen.is_terminal and not screen.is_dumb_terminal:
        return LiveTrials(screen)
    return PlainTrials(lambda line: write(f"{line}\n")) if voice is Voice.PERSON else None


class PlainTrials(TrialListener):
    """A line for each trial that ends; an asterisk marks the best so far."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self.say = say

    def on_start(self, study: Study, total: int | None) -> None:
        """What is searched, and how much of it is done."""
        self.study, self.total = study, total
        self.done = sum(trial.state != "running" for trial in study.trials)
        self.best = study.best
        many = "configurations" if total is None else f"{total:,} configurations"
        there = f", {self.done:,} already finished" if self.done else ""
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
    """The same lines, and under them a table of what is running."""

    def __init__(self, screen: Console) -> None:
        super().__init__(
            lambda line: screen.print(line, highlight=False, markup=False, soft_wrap=True)
        )
        self.table = RunningTable(screen, "configuration")

    def on_start(self, study: Study, total: int | None) -> None:
        """Show the table."""
        super().on_start(study, total)
        self.table.start(self._title)

    def on_begin(self, trial: StudyTrial) -> None:
        """One more row."""
        seeds, maximise = len(trial.seeds), self.study.maximise
        self.table.rows[trial.key] = RunningRow(trial.name, seeds, maximise=maximise)

    def on_progress(self, progress: Progress) -> None:
        """Another epoch."""
        self.table.rows[progress.key].update(progress)

    def on_end(self, trial: StudyTrial) -> None:
        """One row less, and its line."""
        self.table.rows.pop(trial.key, None)
        super().on_end(trial)

    def close(self) -> None:
        """Remove the table."""
        self.table.close()

    def _title(self) -> str:
        of = "" if self.total is None else f" of {self.total:,}"
        best = "" if self.best is None else f", best {number(self.best.value)}: {self.best.name}"
        return f"{self.done:,}{of} trials{best}"


def show_study(voice: Voice, study: Study, empty: Mapping[str, str]) -> None:
    """The best trials as a table, and where all of it lies.

    `empty` are the images on which there is nothing to see yet, and why.
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
    voice.say(f"figures    {study.folder.figures}")
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
