"""What the machine can do at most, measured: the roof over every workload.

A step cannot be quicker than its operations at the peak rate, nor than its traffic at the bandwidth
of the memory that its weights fit in. Source: Williams, Waterman & Patterson 2009.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.contestants import Contestant
from benchmarks.worker import Worker, WorkerError, hired, job
from benchmarks.workloads import Workload

PRODUCT_SIDES = (512, 1024, 2048)
TRIAD_BYTES = (192_000, 768_000, 3_000_000, 12_000_000, 48_000_000, 384_000_000)  # three arrays
ROUNDS, SECONDS = 3, 0.1  # the best counts: a roof is a maximum


class Bandwidth(NamedTuple):
    """The most bytes a second that moved over arrays of `size` bytes together."""

    size: int
    bytes_per_second: float


@dataclass(frozen=True)
class Roof:
    """What `threads` threads of this machine can do."""

    threads: int
    operations_per_second: float
    """Float32 multiplications and additions; the best square matrix product of anybody."""
    bandwidths: tuple[Bandwidth, ...]
    """By size, from the caches to the memory; the best triad of anybody."""

    def bandwidth(self, working_set: int) -> float:
        """Bytes a second over so many bytes, between the measured sizes by their logarithm."""
        sizes, speeds = zip(*self.bandwidths, strict=True)
        return float(np.interp(np.log(working_set), np.log(sizes), speeds))

    def seconds(self, workload: Workload) -> float:
        """The least time of a step."""
        computing = workload.operations() / self.operations_per_second
        moving = workload.traffic() / self.bandwidth(workload.weight_bytes())
        return max(computing, moving)


def measure_roofs(contestants: list[Contestant], tell: Callable[[str], None]) -> dict[int, Roof]:
    """The roof for each count of threads among `contestants`; NumPy has to be one of them."""
    roofs = {}
    with tempfile.TemporaryDirectory(prefix="handloom-bench-") as folder:
        for threads in sorted({row.threads for row in contestants}):
            tell(f"what this machine can do: {threads} thread{'s' * (threads > 1)}")
            rows = [row for row in contestants if row.threads == threads]
            with ExitStack() as stack:
                workers = [stack.enter_context(hired(row, Path(folder) / "log")) for row in rows]
                roofs[threads] = _roof(workers, threads)
    return roofs


def _roof(workers: list[Worker], threads: int) -> Roof:
    operations = max(
        2 * side**3 / _best_seconds(workers, _job("product", side, threads))
        for side in PRODUCT_SIDES
    )
    bandwidths = tuple(
        Bandwidth(size, size / _best_seconds(workers, _job("triad", size, threads)))
        for size in TRIAD_BYTES
    )
    return Roof(threads, operations, bandwidths)


def _best_seconds(workers: list[Worker], task: dict[str, Any]) -> float:
    """The least seconds a step of any worker that can do the task, taking turns."""
    able = [worker for worker in workers if _is_able(worker, task)]
    counts = [worker.steps_in(SECONDS) for worker in able]
    return min(
        worker.ask(do="run", steps=count)["seconds"] / count
        for _ in range(ROUNDS)
        for worker, count in zip(able, counts, strict=True)
    )


def _is_able(worker: Worker, task: dict[str, Any]) -> bool:
    try:
        worker.ask(do="setup", job=task)
    except WorkerError:
        return False  # its library is missing, which is told where it matters
    return True


def _job(task: str, size: int, threads: int) -> dict[str, Any]:
    return job(task=task, size=size, threads=threads, folder="")
