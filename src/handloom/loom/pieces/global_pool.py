"""Global average pooling: the mean of each channel, as rows."""

from __future__ import annotations

from dataclasses import replace

from handloom import nn
from handloom._typing import Shape
from handloom.loom.arena import Arena
from handloom.loom.kernels.runs import runs, traffic
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import kernel
from handloom.loom.language.value import Pointer, Value
from handloom.loom.piece import Piece, Place, Stage, Step
from handloom.loom.pieces.flatten import flatten, unflatten
from handloom.loom.tensor import Arrival, Maps


def covers(layer: nn.Layer, shape: Shape) -> bool:
    """Whether a piece of this file computes `layer` on examples of `shape`."""
    return type(layer) is nn.GlobalAvgPool2d and len(shape) == 3


@kernel
def mean_plane(e: Emitter, x: Pointer, y: Pointer, *, maps: Maps) -> None:
    """The mean of one channel; four sums, or each addition would wait for the one before."""
    sums = [e.zero] * 4
    for i in e.range(0, maps.height, 1, sums):
        for turn, j in enumerate(e.unrolled(maps.width, 4, sums)):
            sums[turn % 4] = sums[turn % 4] + x.vector(i * maps.row + j * e.lanes)
    total = (sums[0] + sums[1]) + (sums[2] + sums[3])
    y[0] = total * (1 / (maps.height * maps.width))


@kernel
def share_out(
    e: Emitter, given: Pointer, errors: Pointer, values: Pointer, run: Value,
    *, pixels: int, arrival: Arrival,
) -> None:  # fmt: skip
    """A channel's error, shared out among its pixels, of which these are a run."""
    share = given.vector() * (1 / pixels)
    for i in e.range(0, run, e.lanes):
        arrival.store(e, errors, i, share, values + i)


class GlobalAvgPoolPiece(Piece):
    """Each channel becomes a map of one pixel, and such maps are flattened."""

    reads_maps = True

    def __init__(
        self,
        layer: nn.GlobalAvgPool2d,
        place: Place,
    ) -> None:
        super().__init__("global average pool", place)
        self.source = place.source.read()
        self.dots = Maps(place.source.shape[0], 1, 1, 0, place.sizes.abreast)

    def allocate(self, arena: Arena) -> None:
        """The maps of one pixel, of the group that a thread is at."""
        self.scratch = arena.scratch.take(self.dots.group)

    def forward(self) -> list[Stage]:
        """One pass, by groups."""

        def emit(step: Step, group: Value) -> None:
            e, dots, maps = step.e, step.at(self.scratch), self.source.maps
            x, y = step.values(self.source, group), step.values(self.output, group)
            for c in e.range(maps.channels):
                mean_plane(e, x + c * maps.plane, dots + c * self.dots.plane, maps=maps)
            flatten(e, dots, self.dots, y, self.sizes.row)

        return [Stage(self.title, emit, bytes=traffic(self.source, 1))]

    def backward(self) -> list[Stage]:
        """One pass, by groups."""
        source, row = self.source, self.sizes.row
        if not source.needs_errors:
            return []
        arrival = source.arrival()

        def emit(step: Step, group: Value) -> None:
            e, dots = step.e, step.at(self.scratch)
            given = step.errors(self.output, group)
            unflatten(e, given, row, dots, self.dots, dots, self.dots, Arrival())
            maps, error_maps = source.maps, source.error_maps
            for c in e.range(maps.channels):
                values = step.values(source, group) + c * maps.plane
                errors = step.errors(source, group) + c * error_maps.plane
                for run, (at, to) in runs(e, self.sizes, replace(maps, channels=1), error_maps):
                    share_out(
                        e, dots + c * self.dots.plane, errors + to, values + at, run,
                        pixels=maps.height * maps.width, arrival=arrival,
                    )  # fmt: skip

        return [Stage(f"{self.title}: errors below", emit, bytes=traffic(source, 1 + arrival.adds))]
