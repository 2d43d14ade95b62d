"""The one loop of a study: whoever has room is given the next trial, until nothing is left."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

from handloom.errors import RunError
from handloom.series import Outcome, Pool, Progress, Series, Task
from handloom.studies.search import Configuration, Study, StudyPlan
from handloom.studies.search.folder import StudyFolder
from handloom.studies.search.listener import TrialListener
from handloom.studies.search.sampling import Proposal, Sampler
from handloom.studies.search.table import write_table
from handloom.studies.search.trial_queue import TrialQueue, curve_of

_TURN_S = 0.5
_WAITING_S = 3.0  # for trials of other processes
_BETWEEN_TABLES_S = 20.0


class StudyRunner:
    """Leads one process's part of a study to its end."""

    def __init__(
        self,
        plan: StudyPlan,
        folder: StudyFolder,
        pool: Pool,
        search: Sampler,
        *,
        data_dir: Path | None = None,
        listener: TrialListener | None = None,
    ) -> None:
        self.plan = plan
        self.folder = folder
        self.pool = pool
        self.search = search
        self.data_dir = data_dir
        self.listener = listener or TrialListener()
        self._under_way: dict[str, Proposal] = {}
        self._set_aside: dict[str, str] = {}
        self._held: set[str] = set()
        self._backlog = TrialQueue(plan, folder, search, self._held, data_dir)
        self._written_at = 0.0

    @property
    def study(self) -> Study:
        """The study as it is now."""
        return Study(self.folder, self.plan)

    def run(self) -> Study:
        """Until every trial has ended; raises RunError where none can be trained."""
        self._backlog.sync()
        self.listener.on_start(self.study, self._backlog.total)
        while True:
            while self.pool.has_room() and (found := self._backlog.next()) is not None:
                self._begin(*found)
            if not self._under_way and not self._others_are_at_it():
                break
            for report in self.pool.reports(_TURN_S if self._under_way else _WAITING_S):
                self._hear(report)
            if self.search.keep_alive(self._under_way.values()):
                self._backlog.sync()
        for key, why in self._set_aside.items():
            self.listener.on_note(f"{key} is waiting to resume: {why}")
        return self.study

    def _others_are_at_it(self) -> bool:
        """Whether another process trains something that might yet fall to this one."""
        if not self.search.is_shared or self._backlog.time_is_up:
            return False
        return any(
            trial.state == "running" and trial.key not in self._held for trial in self.study.trials
        )

    def _begin(self, ticket: Proposal, configuration: Configuration) -> None:
        trial = self.study.trial(configuration.key)
        for epoch, value in enumerate(curve_of(trial), start=1):
            self.search.is_hopeless(ticket, epoch, value)
        self._under_way[trial.key] = ticket
        self._held.add(trial.key)
        self.listener.on_begin(trial)
        members = self._series(configuration).members(
            trial.folder.path, root=self.folder.path, data_dir=self.data_dir
        )
        metric = self.plan.search.metric
        self.pool.begin(Task.of(trial.key, members, threads=self.pool.threads, metric=metric))

    def _series(self, configuration: Configuration) -> Series:
        recipe = configuration.recipe
        if self.data_dir is None:
            recipe = self.folder.located(recipe)
        return Series(recipe, self.plan.search.seeds)

    # -- what is heard of trials ------------------------------------------------------------------

    def _hear(self, report: Progress | Outcome) -> None:
        if isinstance(report, Outcome):
            self._end(report)
            return
        go_on = not self._is_hopeless(report)
        if not go_on:
            # Before the trial hears of it: a kill in between must not make it a whole one.
            why = f"the {self.plan.search.pruner} pruner stopped it after epoch {report.epoch}"
            self._record(report.key, "pruned", why)
        self.pool.answer(report.key, go_on=go_on)
        self.listener.on_progress(report)

    def _is_hopeless(self, report: Progress) -> bool:
        """What survives its first seed is trained with all of them."""
        if report.seed != self.plan.search.seeds[0] or report.epoch == report.epochs:
            return False
        ticket = self._under_way[report.key]
        return self.search.is_hopeless(ticket, report.epoch, report.value)

    def _end(self, outcome: Outcome) -> None:
        ticket = self._under_way.pop(outcome.key)
        if outcome.state == "stopped":
            raise RunError(f"the study cannot continue: {outcome.why}")
        if outcome.state == "aside":
            self._set_aside[outcome.key] = outcome.why
            self.search.dismiss(ticket)
            return
        if outcome.state == "failed":
            self._record(outcome.key, "failed", outcome.why)
        self._held.discard(outcome.key)
        trial = self.study.trial(outcome.key)
        self.search.tell(ticket, trial.value if trial.state == "complete" else None)
        self.listener.on_end(trial)
        if time.monotonic() - self._written_at > _BETWEEN_TABLES_S:
            write_table(self.study)
            self._written_at = time.monotonic()

    def _record(self, key: str, ended: Literal["pruned", "failed"], why: str) -> None:
        folder = self.folder.trial(key)
        folder.write(replace(folder.read(), ended=ended, why=why))
