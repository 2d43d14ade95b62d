"""Who is really there: every peer is started once and asked what it offers."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contestants import OURS, Contestant, Field
from benchmarks.job import Row
from benchmarks.worker import Worker, WorkerError, hired
from benchmarks.workloads import Workload

MEASURING = "numpy"
"""Measures the machine's limits, whoever else takes part."""


@dataclass(frozen=True)
class Lineup:
    """Ours and the peers that are installed; `entrants` has those peers only."""

    entrants: Field
    rows: dict[str, list[Contestant]]
    """Of each workload, by its name: in every configuration that is offered."""
    starting: dict[str, float]
    """Seconds that each family takes to start, imports included."""
    roofers: list[Contestant]
    """Who may show what the machine can do."""
    absent: dict[str, str]
    """Peers that cannot be started, and why."""


def line_up(entrants: Field, workloads: Sequence[Workload], tell: Callable[[str], None]) -> Lineup:
    """Start everybody once, ours first. Raises WorkerError where ours cannot be started."""
    rows: dict[str, list[Contestant]] = {workload.name: [] for workload in workloads}
    starting, roofers, absent = {}, [], {}
    with tempfile.TemporaryDirectory(prefix="handloom-bench-") as folder:
        for family in dict.fromkeys((OURS, MEASURING, *entrants.peers)):
            tell(f"starting {family}")
            one = entrants.contestant(family, Row(family, entrants.threads))
            started = time.perf_counter()
            with hired(one, Path(folder) / family) as worker:
                try:
                    offers = [_offer(worker, entrants, workload) for workload in workloads]
                except WorkerError as error:
                    if family == OURS:
                        raise
                    absent[family] = str(error)
                    continue
            starting[family] = time.perf_counter() - started
            for workload, offer in zip(workloads, offers, strict=True):
                if family not in (OURS, *entrants.peers):
                    break
                rows[workload.name] += _contestants(entrants, family, offer["rows"])
            if {"product", "triad"} & set(offers[0]["tasks"]):
                roofers += [
                    entrants.contestant(family, Row(family, threads))
                    for threads in entrants.thread_counts()
                ]
    present = Field(
        entrants.threads,
        tuple(family for family in entrants.peers if family not in absent),
        entrants.isa,
        entrants.pythons,
    )
    return Lineup(present, rows, starting, roofers, absent)


def _offer(worker: Worker, entrants: Field, workload: Workload) -> dict:
    return worker.ask(
        do="offer",
        task=workload.task,
        layers=list(workload.layers),
        threads=list(entrants.thread_counts()),
    )


def _contestants(entrants: Field, family: str, offered: list[dict]) -> Iterator[Contestant]:
    for values in offered:
        relu_only = values.pop("relu_only")
        yield entrants.contestant(family, Row(**values), relu_only=relu_only)
