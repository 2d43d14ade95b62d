"""The plan of a compiled step, for people: what was fused, where it lies, what it costs."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from handloom._typing import FloatArray, IntArray, Shape, UInt8Array
from handloom.loom.clock import Clock
from handloom.loom.compiled import Compiled
from handloom.loom.piece import Piece
from handloom.loom.plan import Plan

MEASURED_STEPS = 50
RUNS = 4  # of which the fastest counts
DARK = 0.8  # share of zero pixels in the pictures that a plan is measured on: a digit's


@dataclass(frozen=True)
class PieceLine:
    """One fused piece."""

    title: str
    layers: tuple[str, ...]
    """Paths of the layers in it."""
    output: Shape
    """Of one example."""
    parameters: int
    """Numbers that are trained."""
    parameter_bytes: int
    """Memory of the parameters, with what fills them up to whole vectors, and of what an optimizer
    keeps of each."""
    buffer_bytes: int
    """Memory of the outputs of a batch, and of their errors."""


@dataclass(frozen=True)
class StageLine:
    """One stage of a step."""

    phase: int
    """Within a phase the threads do not meet."""
    title: str
    by_group: bool
    """Whether a thread carries a group of examples through it, and then on to the next."""
    flops: int
    bytes: int
    share: float
    """Of the time of all stages, as the first thread measured it."""


@dataclass(frozen=True)
class Explanation:
    """The plan of a network's training step."""

    pieces: list[PieceLine]
    stages: list[StageLine]
    batch: int
    group: int
    threads: int
    lanes: int
    seconds: float
    """Of one step, measured."""
    parameter_bytes: int
    work_bytes: int


def explain(compiled: Compiled) -> Explanation:
    """Run the step of a network that was compiled with a clock, and tell what it is made of."""
    request = compiled.request
    assert request.timed, "compile it with timed=True"
    native = compiled.program(request)
    plan = native.plan
    assert plan.clock is not None
    pictures, labels = _random_pictures(plan)
    runs = [_measure(compiled, plan.clock, native.work, pictures, labels) for _ in range(RUNS)]
    seconds, ticks = min(runs)
    stages = [
        StageLine(
            phase, stage.title, stage.by_group, stage.flops, stage.bytes, count / max(1, sum(ticks))
        )
        for (phase, stage), count in zip(plan.clock.stages, ticks, strict=True)
    ]
    itemsize = plan.arena.dtype.itemsize
    return Explanation(
        pieces=[_piece_line(piece, plan) for piece in plan.pieces],
        stages=stages,
        batch=request.batch,
        group=plan.sizes.group,
        threads=compiled.crew.threads,
        lanes=plan.sizes.lanes,
        seconds=seconds / MEASURED_STEPS,
        parameter_bytes=compiled.parameters.size * itemsize,
        work_bytes=native.work.size * itemsize,
    )


def _measure(
    compiled: Compiled, clock: Clock, work: FloatArray, pictures: UInt8Array, labels: IntArray
) -> tuple[float, list[int]]:
    """Seconds of MEASURED_STEPS steps, and the ticks of each stage in them."""
    batch = compiled.request.batch
    row = compiled.settings(0.0, 1, labels[:batch])
    settings = np.tile(np.asarray(row, compiled.parameters.dtype), (MEASURED_STEPS, 1))
    rows = np.arange(len(labels))
    before, started = clock.read(work), time.perf_counter()
    compiled.train(pictures, compiled.request.pictures, rows, labels, settings, 0, batch)
    seconds = time.perf_counter() - started
    return seconds, [now - then for now, then in zip(clock.read(work), before, strict=True)]


def _random_pictures(plan: Plan) -> tuple[UInt8Array, IntArray]:
    rng = np.random.default_rng(0)
    count = MEASURED_STEPS * plan.request.batch
    pictures = rng.integers(1, 256, (count, *plan.request.input_shape), np.uint8)
    pictures[rng.random(pictures.shape) < DARK] = 0
    return pictures, rng.integers(0, plan.classes, count)


def _piece_line(piece: Piece, plan: Plan) -> PieceLine:
    itemsize = plan.arena.dtype.itemsize
    output = piece.output
    size = output.values.size + (output.errors.size if output.needs_errors else 0)
    held = sum(stored.block.size for stored in piece.parameters.values())
    return PieceLine(
        title=piece.title,
        layers=piece.paths,
        output=output.shape,
        parameters=sum(int(np.prod(stored.shape)) for stored in piece.parameters.values()),
        parameter_bytes=held * itemsize * (1 + plan.request.states),
        buffer_bytes=size * itemsize,
    )
