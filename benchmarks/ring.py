"""Where a contest takes place: the stage on disk, and what has to be the outcome of a step."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks.agreement import deviation, tolerance
from benchmarks.contestants import Contestant, Field
from benchmarks.stage import Pictures, load_pictures, set_stage
from benchmarks.worker import CHECK_STEPS, Worker, hired, job
from benchmarks.workloads import Workload
from handloom._typing import AnyArray

Arrays = dict[str, AnyArray]


class Answer(NamedTuple):
    """What the first steps have to give, and how far from it one may be."""

    expected: Arrays
    tolerance: float


class Ring:
    """`workload`, staged in `folder`: hires contestants, sets them up, and knows the right answer.

    `pictures` says what they are fed. Raises DataError for damaged data.
    """

    def __init__(
        self,
        workload: Workload,
        entrants: Field,
        folder: Path,
        wanted: Pictures,
        data_dir: Path | None,
    ) -> None:
        self.workload = workload
        self.entrants = entrants
        self.folder = folder
        images, labels, self.pictures = load_pictures(workload.dataset, wanted, data_dir)
        set_stage(folder, workload, images, labels)
        self._first = _read(folder / "weights.npz") if workload.task == "train" else {}
        self._answer = cache(self._compute_answer)

    def hire(self, row: Contestant) -> Worker:
        """A process for the contestant, with nothing to do yet."""
        return hired(row, self.folder / "log")

    def set_up(self, row: Contestant, worker: Worker, dtype: str = "float32") -> str:
        """Put the worker at the start of the workload; returns its note. Raises WorkerError."""
        workload = self.workload.with_relu() if row.relu_only else self.workload
        return worker.ask(
            do="setup",
            job=job(
                task=workload.task,
                folder=str(self.folder),
                threads=row.threads,
                layers=list(workload.layers),
                batch_size=workload.batch_size,
                optimizer=workload.optimizer,
                settings=row.settings,
                dtype=dtype,
            ),
        )["note"]

    def deviation(self, row: Contestant, worker: Worker) -> float:
        """How far a worker that was just set up is from the right answer; raises WorkerError."""
        return deviation(self._outcome(worker), self._answer(row.relu_only).expected, self._first)

    def tolerance(self, row: Contestant) -> float:
        """How far it may be."""
        return self._answer(row.relu_only).tolerance

    def _compute_answer(self, relu_only: bool) -> Answer:
        exact, *rounded = self.entrants.references(relu_only=relu_only)
        with self.hire(exact) as worker:
            self.set_up(exact, worker, "float64")
            expected = self._outcome(worker)
            errors = []
            for row in rounded:
                self.set_up(row, worker)
                errors.append(deviation(self._outcome(worker), expected, self._first))
        return Answer(expected, tolerance(errors))

    def _outcome(self, worker: Worker) -> Arrays:
        path = self.folder / "outcome.npz"
        if self.workload.task == "train":
            worker.ask(do="run", steps=CHECK_STEPS)
        worker.ask(do="save", to=str(path))
        return _read(path)


def _read(path: Path) -> Arrays:
    with np.load(path) as stored:
        return dict(stored)
