"""Which of PyTorch's many configurations take part: each is tried once, the best of a kind stay."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import ExitStack

from benchmarks.contestants import AS_IT_COMES, Contestant, Field, is_tuned
from benchmarks.ring import Ring
from benchmarks.worker import Worker, WorkerError

TURNS = 2  # the better one counts

Kind = Callable[[Contestant], bool]


def torch_contestants(ring: Ring, entrants: Field, seconds: float) -> list[Contestant]:
    """PyTorch as it comes, and the quickest configuration of each kind, without doubles.

    The kinds: without its compilers on all threads, with the allocator as it is, and with it
    tuned; compiled; on one thread. Each configuration is timed in turns of about `seconds`. Nobody
    where PyTorch is not wanted; only PyTorch as it comes where nothing of it works: it will say so.
    """
    if not entrants.has_torch:
        return []
    grid = entrants.torch_eager(ring.workload)
    plain = [row for row in grid if row.name == AS_IT_COMES][:1]
    eager = _tried(ring, grid, seconds)
    if not eager:
        return plain
    compiled = _tried(ring, entrants.torch_compiled(ring.workload), seconds)
    everything = entrants.threads
    kinds: list[tuple[list[tuple[float, Contestant]], Kind]] = [
        (eager, lambda row: row.threads == everything and not is_tuned(row)),
        (eager, lambda row: row.threads == everything and is_tuned(row)),
        (compiled, lambda row: row.threads == everything),
        ([*eager, *compiled], lambda row: row.threads == 1),
    ]
    best = [_quickest(times, kind) for times, kind in kinds]
    found = [*plain, *(row for row in best if row is not None)]
    return [row for place, row in enumerate(found) if row not in found[:place]]


def _tried(
    ring: Ring, rows: Iterable[Contestant], seconds: float
) -> list[tuple[float, Contestant]]:
    """(seconds a step, row) of those that work; rows with one environment share a process."""
    times = []
    workers: dict[frozenset[tuple[str, str]], Worker] = {}
    with ExitStack() as stack:
        for row in rows:
            environment = frozenset(row.environment.items())
            if environment not in workers:
                workers[environment] = stack.enter_context(ring.hire(row))
            try:
                times.append((_seconds(ring, row, workers[environment], seconds), row))
            except WorkerError:
                continue  # as where no C++ compiler is at hand
    return times


def _seconds(ring: Ring, row: Contestant, worker: Worker, seconds: float) -> float:
    ring.set_up(row, worker)
    count = worker.steps_in(seconds)
    return min(worker.ask(do="run", steps=count)["seconds"] for _ in range(TURNS)) / count


def _quickest(times: list[tuple[float, Contestant]], kind: Kind) -> Contestant | None:
    fitting = [pair for pair in times if kind(pair[1])]
    return min(fitting, key=lambda pair: pair[0])[1] if fitting else None
