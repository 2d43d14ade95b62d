"""Which of the configurations take part: each is tried once, the quickest of a kind stays."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack

from benchmarks.contestants import Contestant
from benchmarks.ring import Ring
from benchmarks.worker import Worker, WorkerError

TURNS = 2  # the better one counts

Kinds = dict[tuple[str, str], list[Contestant]]


def by_kind(rows: Iterable[Contestant]) -> Kinds:
    """The rows of each family and kind, in the order of their first."""
    kinds: Kinds = {}
    for row in rows:
        kinds.setdefault((row.family, row.kind), []).append(row)
    return kinds


def choose(
    ring: Ring, rows: Iterable[Contestant], seconds: float, tell: Callable[[str], None]
) -> list[Contestant]:
    """The quickest row of each kind, without doubles.

    Where a kind has several, each is timed in turns of about `seconds`; rows with one environment
    share a process. Of a kind of which nothing works nobody takes part.
    """
    chosen: list[Contestant] = []
    with ExitStack() as stack:
        workers: dict[tuple[str, frozenset[tuple[str, str]]], Worker] = {}

        def tried(row: Contestant) -> float:
            tell(f"trying {row.name}, {row.threads} thread{'s' * (row.threads > 1)}")
            key = (row.family, frozenset(row.environment.items()))
            if key not in workers:
                workers[key] = stack.enter_context(ring.hire(row))
            try:
                return _seconds(ring, row, workers[key], seconds)
            except WorkerError:
                return float("inf")  # as where no C++ compiler is at hand

        for same in by_kind(rows).values():
            times = [tried(row) if len(same) > 1 else 0.0 for row in same]
            best = same[times.index(min(times))]
            if min(times) < float("inf") and best not in chosen:
                chosen.append(best)
    return chosen


def _seconds(ring: Ring, row: Contestant, worker: Worker, seconds: float) -> float:
    ring.set_up(row, worker)
    count = worker.steps_in(seconds)
    return min(worker.ask(do="run", steps=count)["seconds"] for _ in range(TURNS)) / count
