"""A convolution of one picture by itself: vectors hold neighbouring pixels of a row.

Where every vector holds one pixel of many examples, a single one would leave nearly all lanes
empty. Rows of pixels fill them.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

from handloom.loom.arena import Arena
from handloom.loom.kernels.activation import Activation
from handloom.loom.kernels.convolution.shape import Convolution, Pair
from handloom.loom.kernels.convolution.tile import product_tile, tiles
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import kernel
from handloom.loom.language.value import Pointer, Value
from handloom.loom.piece import Piece, Stage, Step
from handloom.loom.pieces.convolution.direct import ConvPiece
from handloom.loom.pieces.winograd.tiled import WinogradPiece
from handloom.loom.tensor import Maps

Strides = tuple[int, int, int, int]
"""Numbers from one weight to the next by filter, by channel, by row and by column of the kernel."""


@kernel
def convolve_rows(
    e: Emitter, x: Pointer, weights: Pointer, bias: Pointer, y: Pointer,
    *, shape: Convolution, tile: Pair, strides: Strides, source: Maps, target: Maps,
    activation: Activation,
) -> None:  # fmt: skip
    """y = f(x * weights + bias). x points at the first pixel of the first window.

    A tile is some filters by some vectors of neighbouring pixels of a row.
    """
    (kh, kw), (sh, sw), (filters, across) = shape.kernel, shape.stride, tile
    by_filter, by_channel, by_row, by_column = strides
    vectors = range(0, across * e.lanes, e.lanes)
    for first in tiles(e, shape.filters, filters):
        for row in e.range(shape.rows):
            for column in tiles(e, shape.columns, across * e.lanes):
                start = x + (row * (sh * source.row) + column * sw)
                totals = [e.zero] * (filters * across)
                for c in e.range(0, shape.channels, 1, totals):
                    for ky in e.range(0, kh, 1, totals):
                        patch = start + (c * source.plane + ky * source.row)
                        taps = weights + (first * by_filter + c * by_channel + ky * by_row)
                        for kx in range(kw):
                            seen = [patch.vector(kx + i * sw) for i in vectors]
                            for n in range(filters):
                                tap = e.splat(taps[n * by_filter + kx * by_column])
                                for i, pixels in enumerate(seen, n * across):
                                    totals[i] = totals[i] + tap * pixels
                for total, (n, i) in zip(totals, product(range(filters), vectors), strict=True):
                    place = (first + n) * target.plane + row * target.row + column + i
                    y[place] = activation.output(e, total + bias[first + n])


@kernel
def pool_rows(
    e: Emitter, x: Pointer, y: Pointer, *, shape: Convolution, source: Maps, target: Maps
) -> None:
    """y = the largest number of each window of x."""
    (wh, ww), (filters, rows, columns) = shape.window, shape.output
    for f in e.range(filters):
        for row in e.range(rows):
            for column in e.range(columns):
                start = x + (f * source.plane + row * (wh * source.row) + column * ww)
                best = start[0]
                for i, j in list(product(range(wh), range(ww)))[1:]:
                    best = e.max(best, start[i * source.row + j])
                y[f * target.plane + row * target.row + column] = best


class ConvRowsPiece(Piece):
    """What another piece computes forward, for one example; the weights lie as that piece has them.

    f is increasing, so the pooling may come after it as well as before.
    """

    def __init__(self, of: ConvPiece | WinogradPiece) -> None:
        shape = of.shape
        super().__init__(f"{of.title.removesuffix(' Winograd')} by rows", of.place)
        self.of = of
        self.shape = shape
        self.parameters = of.parameters
        self.vector = _vector(of.sizes.lanes, shape)
        machine, across = of.sizes.machine, shape.columns // self.vector
        self.tile = product_tile(machine, shape.filters, across)
        self.whole = Maps(shape.filters, shape.rows, shape.columns, 0, 1)

    def allocate(self, arena: Arena) -> None:
        """What is to be pooled."""
        if self.shape.window != (1, 1):
            self.unpooled = arena.scratch.take(self.whole.group)

    def forward(self) -> list[Stage]:
        """One stage."""
        maps = self.of.source.maps, self.of.output.maps
        numbers = sum(each.size(self.of.sizes) for each in maps)
        flops = 2 * self.shape.multiplications
        return [Stage(self.title, self._forward, flops=flops, bytes=numbers * self.of.itemsize)]

    def _forward(self, step: Step, group: Value) -> None:
        e, of, source, target = step.e, self.of, self.of.source.maps, self.of.output.maps
        (top, left), y = self.shape.before, step.values(of.output, group)
        pools = self.shape.window != (1, 1)
        sums, maps = (step.at(self.unpooled), self.whole) if pools else (y, target)
        with e.vectors_of(self.vector):
            convolve_rows(
                e, step.values(of.source, group) + (-top * source.row - left),
                step.at(of.weights), step.at(of.bias), sums,
                shape=self.shape, tile=self.tile, strides=of.strides, source=source, target=maps,
                activation=of.activation,
            )  # fmt: skip
        if pools:
            pool_rows(e, sums, y, shape=self.shape, source=maps, target=target)


def by_rows(make: Callable[..., ConvPiece | WinogradPiece], *layer: Any, **how: Any) -> Piece:
    """The piece that `make` makes, as one for a single example."""
    return ConvRowsPiece(make(*layer, **how))


def _vector(lanes: int, shape: Convolution) -> int:
    """Numbers of a vector: those that leave fewest lanes without a pixel of the row.

    Half a register takes as long as a whole one where only whole ones cannot be multiplied two at a
    time, so that it counts half. Pixels that are not neighbours are taken one by one.
    """
    if shape.stride[1] > 1:
        return 1
    widths = [n for n in (lanes >> i for i in range(lanes.bit_length())) if n <= shape.columns]
    return min(widths, key=lambda n: -(-shape.columns // n) * max(n, lanes // 2))
