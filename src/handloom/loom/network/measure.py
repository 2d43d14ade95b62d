"""Running a step that has a clock in it, and reading the clock."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from handloom._typing import FloatArray, UInt8Array
from handloom.loom.network.clock import BEGIN, END, TICKS
from handloom.loom.network.compiled import Compiled

RUN_SECONDS = 0.01
"""What a measured run should take: so short that some run is disturbed by nobody."""
MOST_RUNS = 30  # of which the fastest counts
ENOUGH_SECONDS = 1.0  # no run begins later


@dataclass(frozen=True)
class Timing:
    """The times of a step and its stages, in seconds."""

    step: float
    stages: FloatArray
    """(stages,): what all threads together spend in each, divided by their number."""
    spans: FloatArray
    """(threads, stages, 2): when each thread began and ended each stage in one step, counted from
    its beginning. Of a thread that has several groups, the last."""


def measure(compiled: Compiled, images: UInt8Array) -> Timing:
    """Train on images (M, C, H, W), chosen at random, with a learning rate of 0.

    The network was compiled with timed=True.
    """
    native = compiled.program(compiled.request)
    clock, threads = native.plan.clock, compiled.crew.threads
    assert clock is not None, "compile it with timed=True"
    _run(compiled, images, 1)  # the first step meets memory that nobody has touched
    steps = max(1, round(RUN_SECONDS / _run(compiled, images, 1)))
    runs: list[float] = []
    read = [(time.perf_counter(), clock.read(native.work, threads))]
    (began, first), now = read[0], read[0][0]
    while not runs or (len(runs) < MOST_RUNS and now < began + ENOUGH_SECONDS):
        runs.append(_run(compiled, images, steps))
        now = time.perf_counter()
        read.append((now, clock.read(native.work, threads)))
    best = int(np.argmin(runs))
    before, after, last = read[best][1], read[best + 1][1], read[-1][1]
    tick = (now - began) / (last[..., END].max() - first[..., END].max())
    ticks = (after - before)[..., TICKS].sum(axis=0)
    spans = after[..., BEGIN : END + 1] - after[..., BEGIN].min()
    return Timing(runs[best] / steps, ticks * (tick / threads / steps), spans * tick)


def _run(compiled: Compiled, images: UInt8Array, steps: int) -> float:
    """Seconds of some steps."""
    request, plan = compiled.request, compiled.plan
    rng = np.random.default_rng(0)
    rows = rng.integers(0, len(images), steps * request.batch)
    labels = rng.integers(0, plan.classes, steps * request.batch)
    row = compiled.settings(0.0, 1, labels[: request.batch])
    settings = np.tile(np.asarray(row, compiled.parameters.dtype), (steps, 1))
    started = time.perf_counter()
    compiled.train(images, request.pictures, rows, labels, settings, 0, request.batch)
    return time.perf_counter() - started
