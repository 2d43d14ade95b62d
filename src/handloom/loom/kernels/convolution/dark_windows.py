"""Which windows of a convolution hold nothing but zeros: there a sum has to be zero exactly.

A transform leaves a rounding of zero in its place. That matters at a kink: before the first step
biases are zero, and where pictures have a dark frame, the windows in it lie at the very kink of a
rectifier, in the first layer and in those behind it. Which slope they have, and which pixel of a
pooling wins, would be drawn by lot.
"""

from __future__ import annotations

from functools import reduce
from operator import or_

from handloom.loom.kernels.convolution.shape import Convolution, Pair
from handloom.loom.kernels.convolution.tile import tiles
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import kernel
from handloom.loom.language.value import Pointer, Value
from handloom.loom.tensor import Maps

ACROSS, DEEP = 8, 4
"""Neighbouring pixels that are looked at together, and in how many channels at a time: where all
are lit nobody looks further."""


class DarkWindows:
    """A mask for each window of one group: all bits where it holds a number, none where it is dark.

    `covered` are the rows and columns of y that somebody asks for; those beyond y hold anything.
    The step of the windows is one pixel.
    """

    def __init__(self, shape: Convolution, covered: Pair, lanes: int) -> None:
        (kh, kw), (down, across) = shape.kernel, covered
        self.shape = shape
        self.row = (across + kw - 1) * lanes
        self.size = (down + kh - 1) * self.row

    def find(self, e: Emitter, x: Pointer, mask: Pointer, source: Maps) -> None:
        """Fill the mask, `size` numbers; x points at the first pixel of the first window."""
        find_lit(e, x, mask, shape=self.shape, source=source, row=self.row)


def exact(e: Emitter, total: Value, mask: Pointer, place: Value | int) -> Value:
    """`total`, or zero where the window at this place of the mask is dark."""
    bits = Pointer(e, mask.ir, e.program.bits)
    return e.bits_as(e.bits_as(total, e.program.bits) & bits.vector(place), e.real)


@kernel
def find_lit(
    e: Emitter, x: Pointer, mask: Pointer, *, shape: Convolution, source: Maps, row: int
) -> None:
    """The bits of all channels together, then of neighbours along the rows, then down."""
    (kh, kw), lanes = shape.kernel, e.lanes
    numbers, found = (Pointer(e, each.ir, e.program.bits) for each in (x, mask))
    columns = shape.columns + kw - 1
    across = min(columns, ACROSS)
    for y in e.range(shape.rows + kh - 1):
        for column in tiles(e, columns, across):
            start = numbers + (y * source.row + column * lanes)
            for i, bits in enumerate(_all_channels(e, start, across, shape.channels, source)):
                found[y * row + (column + i) * lanes] = bits
        for column in e.range(shape.columns):
            start = found + (y * row + column * lanes)
            start[0] = reduce(or_, [start.vector(i * lanes) for i in range(kw)])
    for y in e.range(shape.rows):
        for column in e.range(shape.columns):
            start = found + (y * row + column * lanes)
            bits = reduce(or_, [start.vector(i * row) for i in range(kh)])
            lit = e.compare("!=", e.shift_left(bits, 1), 0)  # without the sign: -0 is 0
            start[0] = e.convert(lit, "sext", e.program.bits)


def _all_channels(
    e: Emitter, start: Pointer, across: int, channels: int, source: Maps
) -> list[Value]:
    """The bits of so many pixels, of as many channels as it takes until none of them is dark."""
    deep = min(DEEP, channels)

    def looked_at(first: Value | int) -> list[Value]:
        seen = [start + (first + c) * source.plane for c in range(deep)]
        return [reduce(or_, [at.vector(i * e.lanes) for at in seen]) for i in range(across)]

    state = [e.lift(deep), *looked_at(0)]
    some_are_dark = lambda: e.some(reduce(or_, [bits.equals(0) for bits in state[1:]]))  # noqa: E731
    for _ in e.repeat(lambda: (state[0] < channels) & some_are_dark(), state):
        more = looked_at(e.min(state[0], channels - deep))
        state[:] = [state[0] + deep, *(a | b for a, b in zip(state[1:], more, strict=True))]
    return state[1:]
