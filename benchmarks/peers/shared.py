"""What the process of every contestant shares: its talk with the driver, the pictures, the clock.

A worker is a program of its own. It knows NumPy and the one library that it stands for, so that it
runs under any interpreter which has those two, and the house knows no worker: they meet over a
pipe. The driver writes one JSON object a line, the worker answers each with one:

    {"do": "setup", "job": {…}}    -> {"note": "torch 2.13.0, AVX512"}   anew, at the first weights
    {"do": "run", "steps": 100}    -> {"seconds": 0.05, "cpu_seconds": 0.1}
    {"do": "save", "to": PATH}     -> {}    the weights, or the outputs for the first batch (.npz)

or with {"error": "…"}. What a library prints goes to standard error.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np


@dataclass(frozen=True)
class Job:
    """What is to be done, in plain values: see `bench.workloads` and `bench.stage`."""

    task: str
    folder: str
    threads: int
    layers: list[dict[str, Any]]
    batch_size: int
    size: int
    optimizer: dict[str, Any]
    settings: dict[str, Any]
    dtype: str
    check_steps: int
    """Batches at the start that come in the data's own order: what the driver compares."""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Job:
        """The keys are the fields."""
        return cls(**{field.name: values[field.name] for field in fields(cls)})

    def pictures(self) -> tuple[np.ndarray, np.ndarray]:
        """Images (N, 1, 28, 28) uint8 and labels (N,) int64."""
        folder = Path(self.folder)
        return np.load(folder / "images.npy"), np.load(folder / "labels.npy")

    def weights(self) -> dict[str, np.ndarray]:
        """The first weights by name ("1.weight"), in the order of the layers."""
        with np.load(Path(self.folder) / "weights.npz") as stored:
            return {name: stored[name].astype(self.dtype) for name in stored.files}

    def weights_of(self, layer: int) -> dict[str, np.ndarray]:
        """The first weights of one layer, by their name within it."""
        prefix = f"{layer}."
        return {
            name.removeprefix(prefix): value
            for name, value in self.weights().items()
            if name.startswith(prefix)
        }

    def batches(self, count: int) -> Iterator[np.ndarray]:
        """Rows (batch_size,) of `count` pictures without end: a new order for each epoch."""
        size = self.batch_size
        yield from np.arange(self.check_steps * size).reshape(-1, size)
        rng = np.random.default_rng(1)
        while True:
            order = rng.permutation(count)
            yield from order[: count // size * size].reshape(-1, size)

    def slices(self, count: int) -> Iterator[slice]:
        """Batches of `count` pictures as they lie, without end."""
        while True:
            for first in range(0, count - self.batch_size + 1, self.batch_size):
                yield slice(first, first + self.batch_size)


class Runner(Protocol):
    """A job that stands ready."""

    note: str
    """Versions and the like, for the report."""

    def run(self, steps: int) -> None:
        """Do so many steps, and return when they are done."""
        ...

    def result(self) -> dict[str, np.ndarray]:
        """The trained weights by name, or {"outputs": (batch_size, K)} for the first batch."""
        ...


class Unable(Exception):
    """The library cannot do this job; the message says why."""


def serve(tasks: Mapping[str, Callable[[Job], Runner]]) -> None:
    """Do what the driver says until it hangs up; `tasks` makes runners, by the job's task."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever a library prints is no answer
    runner: Runner | None = None
    for line in sys.stdin:
        request = json.loads(line)
        try:
            if request["do"] == "setup":
                runner = None  # let go of the old one first
                gc.collect()
                job = Job.from_json(request["job"])
                if job.task not in tasks:
                    raise Unable(f"does no {job.task}")
                runner = tasks[job.task](job)
                answer: dict[str, Any] = {"note": runner.note}
            elif runner is None:
                raise Unable("there is no job yet")
            elif request["do"] == "run":
                answer = _timed(runner, request["steps"])
            else:
                result: dict[str, Any] = runner.result()
                np.savez(request["to"], **result)
                answer = {}
        except Exception as error:
            if not isinstance(error, Unable):
                sys.excepthook(type(error), error, error.__traceback__)
            answer = {"error": _in_a_line(error)}
        answers.write(json.dumps(answer) + "\n")


def _timed(runner: Runner, steps: int) -> dict[str, float]:
    cpu, wall = time.process_time(), time.perf_counter()
    runner.run(steps)
    return {
        "seconds": time.perf_counter() - wall,
        "cpu_seconds": time.process_time() - cpu,
    }


def _in_a_line(error: Exception) -> str:
    first = (str(error).strip().splitlines() or [""])[0]
    return first if isinstance(error, Unable) else f"{type(error).__name__}: {first}"
