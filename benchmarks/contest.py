"""One workload: everybody takes the same step, is checked, and is timed in turns."""

from __future__ import annotations

import math
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.contestants import Contestant
from benchmarks.lineup import Lineup
from benchmarks.quiet import SHARE_OF_WAITING, Quiet
from benchmarks.ring import Ring
from benchmarks.scout import choose
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

    @property
    def scouting_seconds(self) -> float:
        """How long a configuration is tried."""
        return self.seconds / 2


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


def hold_contest(
    workload: Workload, lineup: Lineup, rules: Rules, tell: Tell, deadline: float = math.inf
) -> Contest:
    """Check everybody on the workload's first steps, then time those who are right, in turns.

    Each contestant is a process of its own; one works at a time. After `deadline`, of
    time.monotonic, half of the rounds suffice. Raises DataError for damaged data, WorkerError where
    nobody can say what is right.
    """

    def tell_of(text: str) -> None:
        tell(f"{workload.name}: {text}")

    with tempfile.TemporaryDirectory(prefix="handloom-bench-") as temporary, ExitStack() as stack:
        folder = Path(temporary)
        ring = Ring(workload, lineup.entrants, folder, rules.pictures, rules.data_dir)
        rows = choose(ring, lineup.rows[workload.name], rules.scouting_seconds, tell_of)
        entries, ready = [], []
        for row in rows:
            tell_of(f"checking {row.name}, {row.threads} thread{'s' * (row.threads > 1)}")
            worker = stack.enter_context(ring.hire(row))
            entries.append(_checked(ring, row, worker))
            if entries[-1].error is None:
                ready.append((entries[-1], worker))
            else:
                worker.close()
        noisy = _take_turns(ready, rules, tell_of, deadline)
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


def _take_turns(
    ready: list[tuple[Entry, Worker]], rules: Rules, tell: Tell, deadline: float
) -> int:
    """Time them round by round; returns how many turns began on a busy machine."""
    counts = [worker.steps_in(rules.seconds) for _, worker in ready]
    quiet = Quiet(SHARE_OF_WAITING * rules.rounds * len(ready) * rules.seconds)
    noisy = 0
    for number in range(rules.rounds):
        if 2 * number >= rules.rounds and time.monotonic() > deadline:
            break
        tell(f"round {number + 1} of {rules.rounds}")
        for (entry, worker), count in zip(ready, counts, strict=True):
            noisy += not quiet.wait()
            took = worker.ask(do="run", steps=count)
            entry.seconds.append(took["seconds"] / count)
            entry.cpu_seconds.append(took["cpu_seconds"] / count)
    return noisy
