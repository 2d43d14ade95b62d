"""One workload: everybody takes the same step, is checked, and is timed in turns."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.contestants import Contestant, Field
from benchmarks.quiet import wait_for_quiet
from benchmarks.ring import Ring
from benchmarks.scout import torch_contestants
from benchmarks.stage import Pictures
from benchmarks.worker import Worker, WorkerError
from benchmarks.workloads import Workload

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Rules:
    """How a contest is held: `rounds` turns for everybody, each about `seconds` long."""

    seconds: float = 0.4
    rounds: int = 9
    pictures: Pictures = "auto"
    data_dir: Path | None = None


@dataclass
class Entry:
    """What became of a contestant; `error` says why it was not timed."""

    contestant: Contestant
    note: str = ""
    deviation: float | None = None
    """From PyTorch in float64, as `agreement.deviation` tells it."""
    seconds: list[float] = field(default_factory=list)
    """Of a step: the mean of each turn."""
    cpu_seconds: list[float] = field(default_factory=list)
    """The same of all threads together."""
    error: str | None = None
    is_wrong: bool = False
    """Whether it was refused for another outcome than PyTorch's."""

    @property
    def median(self) -> float:
        """Seconds a step; infinite where it was not timed."""
        return statistics.median(self.seconds) if self.seconds else float("inf")


@dataclass(frozen=True)
class Contest:
    """The outcome for one workload; `pictures` says what it was fed."""

    workload: Workload
    pictures: str
    entries: list[Entry]
    noisy_turns: int
    """Turns before which other programs did not leave the machine alone."""


def hold_contest(workload: Workload, entrants: Field, rules: Rules, tell: Tell) -> Contest:
    """Check everybody on the workload's first steps, then time those who are right, in turns.

    Each contestant is a process of its own; one works at a time. Raises DataError for damaged
    data, WorkerError where nobody can say what is right.
    """
    with tempfile.TemporaryDirectory(prefix="handloom-bench-") as temporary, ExitStack() as stack:
        ring = Ring(workload, entrants, Path(temporary), rules.pictures, rules.data_dir)
        tell(f"{workload.name}: the best configurations of PyTorch")
        peers = [*torch_contestants(ring, entrants, rules.seconds / 2), *entrants.others()]
        entries, ready = [], []
        for row in [*entrants.ours(), *peers]:
            tell(f"{workload.name}: {row.name}, {row.threads} thread{'s' * (row.threads > 1)}")
            worker = stack.enter_context(ring.hire(row))
            entries.append(_checked(ring, row, worker))
            if entries[-1].error is None:
                ready.append((entries[-1], worker))
            else:
                worker.close()
        noisy = _take_turns(ready, rules, tell)
    return Contest(workload, ring.pictures, entries, noisy)


def _checked(ring: Ring, row: Contestant, worker: Worker) -> Entry:
    """The contestant after the first steps, compared with what they should give."""
    entry = Entry(row)
    try:
        entry.note = ring.set_up(row, worker)
        entry.deviation = ring.deviation(row, worker)
    except WorkerError as error:
        entry.error = str(error)
        return entry
    if not entry.deviation <= (limit := ring.tolerance(row)):
        entry.is_wrong = True
        entry.error = f"not timed: its step is {entry.deviation:.1e} off; at most {limit:.1e} is"
    return entry


def _take_turns(ready: list[tuple[Entry, Worker]], rules: Rules, tell: Tell) -> int:
    """Time them round by round; returns how many turns began on a busy machine."""
    counts = [worker.steps_in(rules.seconds) for _, worker in ready]
    noisy = 0
    for number in range(rules.rounds):
        tell(f"round {number + 1} of {rules.rounds}")
        for (entry, worker), count in zip(ready, counts, strict=True):
            noisy += not wait_for_quiet()
            took = worker.ask(do="run", steps=count)
            entry.seconds.append(took["seconds"] / count)
            entry.cpu_seconds.append(took["cpu_seconds"] / count)
    return noisy
