"""A study that left its folder: what was asked, its trials, the best of them."""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

from handloom.recipes import Recipe
from handloom.run.results import Run, open_run
from handloom.studies.search.folder import StudyFolder, TrialFolder
from handloom.studies.search.plan.configuration import Configuration, name_of
from handloom.studies.search.plan.load import StudyPlan, load_study
from handloom.studies.search.plan.schema import Metric
from handloom.studies.search.plan.space import Parameters, Space
from handloom.training.history import Row
from handloom.training.metrics import is_better, worst

State = Literal["complete", "pruned", "running", "failed"]


@dataclass(frozen=True)
class StudyTrial:
    """One configuration and its runs, one a seed.

    Its figures are those of each run's best weights, the epoch that the recipe's own
    `training.monitor` chose, and means over the seeds that have begun; None where no epoch has
    ended, or where one was not finite.
    """

    folder: TrialFolder
    number: int
    """In the order in which trials were begun, from 1: on screen, in tables, figures and files."""
    parameters: Parameters
    seeds: tuple[int, ...]
    """Those that the study asks for."""
    runs: tuple[Run, ...]
    """Those that have begun."""
    state: State
    """`running` as well when it was broken off and waits to go on."""
    why: str
    """A sentence on why it was pruned or failed."""
    metric: Metric

    @property
    def key(self) -> str:
        """The configuration's name, and that of its folder."""
        return self.folder.key

    @property
    def name(self) -> str:
        """Its parameters in short: lr=0.1,hidden=256-128."""
        return name_of(self.parameters)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """The best epoch of each run that has one, in the order of `runs`."""
        found = (best_row(run.history.epochs, run.recipe.training.monitor) for run in self.runs)
        return tuple(row for row in found if row is not None)

    @property
    def value(self) -> float | None:
        """The mean of what the study maximises or minimises."""
        return self.mean(self.metric)

    @property
    def spread(self) -> float | None:
        """Its standard deviation over seeds, of n - 1; None with fewer than two."""
        return self.deviation(self.metric)

    def mean(self, metric: str) -> float | None:
        """The mean over seeds of a metric at the best epoch."""
        values = self._values(metric)
        return statistics.fmean(values) if values else None

    def deviation(self, metric: str) -> float | None:
        """Its standard deviation over seeds, of n - 1."""
        values = self._values(metric)
        return statistics.stdev(values) if len(values) > 1 else None

    @property
    def seconds(self) -> float:
        """What its epochs took, all seeds together."""
        return sum(row["seconds"] for run in self.runs for row in run.history.epochs)

    @cached_property
    def num_parameters(self) -> int | None:
        """Numbers that are learned in its network; None until a run has ended."""
        ended = (run for run in self.runs if run.is_finished)
        return next((run.result["parameters"] for run in ended), None)

    def _values(self, metric: str) -> list[float]:
        values = [row[metric] for row in self.rows]
        return [] if None in values else values


class Study:
    """A study as its folder tells it, at the moment when it was opened."""

    def __init__(self, folder: StudyFolder, plan: StudyPlan | None = None) -> None:
        self.folder = folder
        self.path = folder.path
        if plan is not None:
            self.plan = plan

    def __repr__(self) -> str:
        return f"Study({str(self.path)!r})"

    @cached_property
    def plan(self) -> StudyPlan:
        """What was asked."""
        return load_study(self.path)

    @property
    def name(self) -> str:
        """The study's name."""
        return self.plan.name

    @property
    def recipe(self) -> Recipe:
        """The recipe around which is searched."""
        return self.plan.recipe

    @property
    def space(self) -> Space:
        """What is searched: a mapping from key path to domain."""
        return self.plan.space

    @property
    def metric(self) -> Metric:
        """What makes one trial better than another: `val_accuracy` or `val_loss`."""
        return self.plan.search.metric

    @property
    def maximise(self) -> bool:
        """Whether more of the metric is better."""
        return self.metric == "val_accuracy"

    @cached_property
    def trials(self) -> list[StudyTrial]:
        """All that were begun, in that order."""
        trials = [self.trial(folder.key) for folder in self.folder.trials()]
        return sorted(trials, key=lambda trial: (trial.number, trial.key))

    @cached_property
    def ranking(self) -> list[StudyTrial]:
        """The complete trials, best first; of equal ones the earlier."""
        valued = [
            (trial.value, trial)
            for trial in self.trials
            if trial.state == "complete" and trial.value is not None
        ]
        sign = -1 if self.maximise else 1
        return [trial for _, trial in sorted(valued, key=lambda pair: sign * pair[0])]

    @property
    def best(self) -> StudyTrial | None:
        """The best complete trial."""
        return next(iter(self.ranking), None)

    def configuration(self, trial: StudyTrial) -> Configuration:
        """The trial's recipe, as a whole."""
        return self.plan.configuration(trial.parameters)

    def trial(self, key: str) -> StudyTrial:
        """The trial of that key as it is now; raises RunError where there is none."""
        folder = self.folder.trial(key)
        record = folder.read()
        seeds = self.plan.search.seeds
        begun = set(folder.begun_seeds())
        runs = tuple(open_run(folder.run(seed)) for seed in seeds if seed in begun)
        finished = len(runs) == len(seeds) and all(run.is_finished for run in runs)
        state: State = record.ended or ("complete" if finished else "running")
        return StudyTrial(
            folder=folder,
            number=record.number,
            parameters=record.parameters,
            seeds=seeds,
            runs=runs,
            state=state,
            why=record.why,
            metric=self.metric,
        )


def open_study(path: str | Path) -> Study:
    """The study in a folder; raises RunError where there is none."""
    return Study(StudyFolder.open(Path(path)))


def best_row(rows: list[Row], monitor: str) -> Row | None:
    """The epoch whose weights a run keeps: the best by `monitor`, the earlier of equal ones."""
    best, score = (rows[0] if rows else None), worst(monitor)
    for row in rows:
        value = math.nan if row[monitor] is None else row[monitor]
        if is_better(monitor, value, score):
            best, score = row, value
    return best
