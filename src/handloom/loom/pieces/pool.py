"""Pooling: each window of a map gives one number, its largest or its mean.

Pooling right behind a convolution or a batch norm is part of that piece; this is for all others.
Errors go back through a map of scratch memory, where windows that overlap add up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from handloom import nn
from handloom._typing import Shape
from handloom.loom.arena import Arena
from handloom.loom.kernels.activation import Identity
from handloom.loom.kernels.runs import deliver_run, runs, traffic
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import kernel
from handloom.loom.language.value import Pointer, Value
from handloom.loom.piece import Piece, Place, Stage, Step
from handloom.loom.tensor import Arrival, Maps


def covers(layer: nn.Layer, shape: Shape) -> bool:
    """Whether a piece of this file computes `layer` on examples of `shape`."""
    if type(layer) is nn.MaxPool2d or type(layer) is nn.AvgPool2d:
        return len(shape) == 3 and layer.windows.dilation == (1, 1)
    return False


@dataclass(frozen=True)
class Windows:
    """The windows of a pooling: (vertical, horizontal) each, in pixels.

    `counted` is how wide a border counts in a mean; None stands for the maximum.
    """

    picture: tuple[int, int]
    number: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    before: tuple[int, int]
    counted: tuple[int, int] | None

    @property
    def inside(self) -> bool:
        """Whether no window looks beyond the picture."""
        last = (
            (n - 1) * s + k for n, s, k in zip(self.number, self.stride, self.kernel, strict=True)
        )
        fits = all(end <= size for end, size in zip(last, self.picture, strict=True))
        return fits and self.before == (0, 0)

    def corner(self, p: Value, q: Value) -> tuple[Value, Value]:
        """The first row and column of a window."""
        return p * self.stride[0] - self.before[0], q * self.stride[1] - self.before[1]

    def pixels(
        self, e: Emitter, p: Value, q: Value, carry: list[Value]
    ) -> Iterator[tuple[Value, Value]]:
        """Loops over the pixels (y, x) of window (p, q) that lie in the picture, row by row."""
        (top, left), (height, width) = self.corner(p, q), self.kernel
        if self.inside:
            for i in range(height):
                for j in range(width):
                    yield top + i, left + j
            return
        for y in e.range(e.max(0, top), e.min(self.picture[0], top + height), 1, carry):
            for x in e.range(e.max(0, left), e.min(self.picture[1], left + width), 1, carry):
                yield y, x

    def share(self, e: Emitter, p: Value, q: Value) -> Value | float:
        """What one pixel counts in the mean of window (p, q): 1 / their number."""
        assert self.counted is not None
        if self.inside:
            return 1 / math.prod(self.kernel)
        seen = []
        for axis, start in enumerate(self.corner(p, q)):
            border = self.counted[axis]
            end = e.min(start + self.kernel[axis], self.picture[axis] + border)
            seen.append(end - e.max(start, -border))
        return 1.0 / e.convert(seen[0] * seen[1], "sitofp", e.real)


@kernel
def pool_plane(e: Emitter, x: Pointer, y: Pointer, *, w: Windows, maps: Maps, to: Maps) -> None:
    """One channel's windows."""
    for p in e.range(w.number[0]):
        for q in e.range(w.number[1]):
            best = [e.splat(-math.inf) if w.counted is None else e.zero]
            for i, j in w.pixels(e, p, q, best):
                pixel = x.vector(i * maps.row + j * e.lanes)
                best[0] = e.max(best[0], pixel) if w.counted is None else best[0] + pixel
            if w.counted is not None:
                best[0] = best[0] * w.share(e, p, q)
            y[p * to.row + q * e.lanes] = best[0]


@kernel
def spread_plane(
    e: Emitter,
    given: Pointer,
    x: Pointer,
    y: Pointer,
    spread: Pointer,
    *,
    w: Windows,
    maps: Maps,
    out: Maps,
    out_errors: Maps,
) -> None:
    """The errors `given` to one channel's windows, added to their pixels in an empty `spread`.

    A mean's error goes to all pixels alike, a maximum's to the first that equals it: `left` is the
    error until somebody takes it.
    """
    height, width = w.picture
    for i in e.range(0, height * width * e.lanes, e.lanes):
        spread[i] = e.zero
    for p in e.range(w.number[0]):
        for q in e.range(w.number[1]):
            left = [given.vector(p * out_errors.row + q * e.lanes)]
            if w.counted is not None:
                left[0] = left[0] * w.share(e, p, q)
            top = y.vector(p * out.row + q * e.lanes)
            for i, j in w.pixels(e, p, q, left):
                place = (i * width + j) * e.lanes
                taken = left[0]
                if w.counted is None:
                    won = x.vector(i * maps.row + j * e.lanes).equals(top)
                    taken = e.where(won, left[0], 0.0)
                    left[0] = e.where(won, 0.0, left[0])
                spread[place] = spread.vector(place) + taken


class PoolPiece(Piece):
    """MaxPool2d or AvgPool2d, one channel after the other."""

    def __init__(
        self,
        layer: nn.MaxPool2d | nn.AvgPool2d,
        place: Place,
    ) -> None:
        windows = layer.windows
        super().__init__(f"{type(layer).__name__} {layer.describe()}", place)
        counted = None
        if isinstance(layer, nn.AvgPool2d):
            counted = windows.before if layer.count_include_pad else (0, 0)
        picture, number = place.source.maps, place.output.maps
        self.windows = Windows(
            (picture.height, picture.width),
            (number.height, number.width),
            windows.kernel,
            windows.stride,
            windows.before,
            counted,
        )
        self.source = place.source.read()

    def allocate(self, arena: Arena) -> None:
        """A map of errors for each thread."""
        if self.source.needs_errors:
            self.spread = arena.scratch.take(math.prod(self.windows.picture) * self.sizes.lanes)

    def forward(self) -> list[Stage]:
        """One pass, by groups."""

        def emit(step: Step, group: Value) -> None:
            x, y = step.values(self.source, group), step.values(self.output, group)
            maps, to = self.source.maps, self.output.maps
            for c in step.e.range(maps.channels):
                pool_plane(
                    step.e, x + c * maps.plane, y + c * to.plane, w=self.windows, maps=maps, to=to
                )

        size = traffic(self.source, 1) + traffic(self.output, 1)
        return [Stage(self.title, emit, bytes=size)]

    def backward(self) -> list[Stage]:
        """One pass, by groups; each channel's errors are gathered in scratch, then delivered."""
        source, output = self.source, self.output
        if not source.needs_errors:
            return []
        arrival = source.arrival()

        def emit(step: Step, group: Value) -> None:
            e, spread = step.e, step.at(self.spread)
            maps, out, out_errors = source.maps, output.maps, output.error_maps
            for c in e.range(maps.channels):
                x = step.values(source, group) + c * maps.plane
                spread_plane(
                    e, step.errors(output, group) + c * out_errors.plane, x,
                    step.values(output, group) + c * out.plane, spread,
                    w=self.windows, maps=maps, out=out, out_errors=out_errors,
                )  # fmt: skip
                errors = step.errors(source, group) + c * source.error_maps.plane
                self._deliver(step, spread, errors, x, arrival)

        size = traffic(source, 2 + arrival.adds) + traffic(output, 2)
        return [Stage(f"{self.title}: errors below", emit, bytes=size)]

    def _deliver(
        self, step: Step, spread: Pointer, errors: Pointer, values: Pointer, arrival: Arrival
    ) -> None:
        """One channel's errors from scratch."""
        one = replace(self.source.maps, channels=1, border=0)
        layouts = one, self.source.error_maps, self.source.maps
        for run, (start, to, at) in runs(step.e, self.sizes, *layouts):
            deliver_run(
                step.e, spread + start, errors + to, values + at, run,
                arrival=arrival, slope=Identity(),
            )  # fmt: skip
