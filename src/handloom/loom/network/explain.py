"""The plan of a compiled step, for people: what was fused, where it lies, what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from handloom import nn
from handloom._typing import Shape, UInt8Array
from handloom.loom.network.compiled import Compiled
from handloom.loom.network.measure import measure
from handloom.loom.network.plan import Plan
from handloom.loom.piece import Piece, Stage


@dataclass(frozen=True)
class PieceLine:
    """One fused piece."""

    title: str
    layers: tuple[str, ...]
    """Paths of the layers in it; none where it only rearranges numbers for its neighbours."""
    kinds: tuple[str, ...]
    """Their classes."""
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
    """From 1; within a phase the threads do not meet."""
    piece: str
    """The title of its piece; empty for the pictures and the loss."""
    layers: tuple[str, ...]
    """The paths of its piece's layers."""
    title: str
    by_group: bool
    """Whether a thread carries a group of examples through it, and then on to the next."""
    flops: int
    bytes: int
    seconds: float
    """That all threads together spend in it, divided by their number."""
    share: float
    """Of the step's seconds. While what is missing to 1 passed, threads waited for each other."""


@dataclass(frozen=True)
class Explanation:
    """The plan of a network's training step.

    Where `in_numpy` names what is not compiled, the step is several native calls: then there are
    pieces, but no stages and no time.
    """

    pieces: list[PieceLine]
    no_piece: tuple[str, ...]
    """Layers, by path and class, for which nothing needs to be computed."""
    in_numpy: tuple[str, ...]
    """Layers, loss, optimizer that are not compiled."""
    batch: int
    group: int
    threads: int
    lanes: int
    parameter_bytes: int
    work_bytes: int
    seconds: float = 0.0
    """Of one step, measured."""
    stages: tuple[StageLine, ...] = ()


def explain(compiled: Compiled, images: UInt8Array) -> Explanation:
    """Run the step of a network that was compiled with a clock, and tell what it is made of.

    images: (M, C, H, W), what the step is measured on. It learns nothing from them.
    """
    clock = compiled.program(compiled.request).plan.clock
    timing = measure(compiled, images)
    assert clock is not None, "measure() asks for it"
    stages = tuple(
        _stage_line(phase, stage, float(seconds), timing.step)
        for (phase, stage), seconds in zip(clock.stages, timing.stages, strict=True)
    )
    return replace(outline([compiled]), seconds=timing.step, stages=stages)


def outline(parts: Sequence[Compiled], in_numpy: tuple[str, ...] = ()) -> Explanation:
    """What is known of a network without running it; `parts` is all of it that is compiled."""
    plans = [part.plan for part in parts]
    kinds = {path: type(layer).__name__ for part in parts for path, layer in _layers(part)}
    pieces = [_piece_line(piece, plan, kinds) for plan in plans for piece in plan.pieces]
    fused = {path for piece in pieces for path in piece.layers}
    threads = parts[0].crew.threads
    return Explanation(
        pieces=pieces,
        no_piece=tuple(f"{path} {kind}" for path, kind in kinds.items() if path not in fused),
        in_numpy=in_numpy,
        batch=plans[0].request.batch,
        group=plans[0].sizes.group,
        threads=threads,
        lanes=plans[0].sizes.lanes,
        parameter_bytes=sum(part.parameters.nbytes for part in parts),
        work_bytes=sum(_work_bytes(plan, threads) for plan in plans),
    )


def _layers(part: Compiled) -> Iterator[tuple[str, nn.Layer]]:
    """Every layer that computes something, with its path: no containers that only hold others."""
    for path, layer in part.layers:
        for name, each in layer.named_layers(path):
            if type(each) is not nn.Sequential:
                yield name, each


def _work_bytes(plan: Plan, threads: int) -> int:
    """All memory that is no parameter; the clock's is not counted."""
    scratch = plan.arena.scratch.size - (plan.clock.block.size if plan.clock else 0)
    return (plan.arena.work.size + threads * scratch) * plan.arena.dtype.itemsize


def _stage_line(phase: int, stage: Stage, seconds: float, step: float) -> StageLine:
    piece = stage.piece
    title, layers = ("", ()) if piece is None else (piece.title, piece.paths)
    return StageLine(
        phase=phase,
        piece=title,
        layers=layers,
        title=stage.title.removeprefix(title).removeprefix(": ") or "forward",
        by_group=stage.by_group,
        flops=stage.flops,
        bytes=stage.bytes,
        seconds=seconds,
        share=seconds / step,
    )


def _piece_line(piece: Piece, plan: Plan, kinds: dict[str, str]) -> PieceLine:
    itemsize = plan.arena.dtype.itemsize
    layers = tuple(path for path in piece.paths if path in kinds)
    output = piece.output
    size = output.values.size + (output.errors.size if output.needs_errors else 0)
    held = sum(stored.block.size for stored in piece.parameters.values())
    return PieceLine(
        title=piece.title,
        layers=layers,
        kinds=tuple(kinds[path] for path in layers),
        output=output.shape,
        parameters=sum(int(np.prod(stored.shape)) for stored in piece.parameters.values()),
        parameter_bytes=held * itemsize * (1 + plan.request.states),
        buffer_bytes=size * itemsize,
    )
