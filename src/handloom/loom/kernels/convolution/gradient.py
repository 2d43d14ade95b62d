"""The convolution's derivatives: by its weights, by its bias and by its input."""

from __future__ import annotations

from itertools import product

from handloom.loom.kernels.convolution.shape import Convolution, Pair, Stretch, meetings, stretches
from handloom.loom.kernels.convolution.tile import WeightTile, tiles
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.lane_sums import store_sums
from handloom.loom.language.program import kernel
from handloom.loom.language.value import Pointer, Value
from handloom.loom.tensor import Arrival, Maps

ABREAST = 8  # filters whose errors are summed at a time: enough to hide how long an addition takes


@kernel
def weight_gradient(
    e: Emitter, errors: Pointer, choice: Pointer, x: Pointer, gradient: Pointer,
    *, shape: Convolution, tile: WeightTile, source: Maps, target: Maps,
) -> None:  # fmt: skip
    """gradient[k, c, i, j] = Σ over pixels and examples of error · x, for one group.

    x points at the first pixel of the first window. A turn loads a block of each filter's errors,
    and each pixel that they meet once. Where errors come from a pooling, their block is its window:
    those of the pixels that did not win are zeros that need not be in memory.
    """
    (kh, kw), (sh, sw), (p, q) = shape.kernel, shape.stride, tile.errors
    taps, lanes = tile.rows * kw, e.lanes
    met = meetings(shape.stride, (tile.rows, kw), tile.errors)
    for first in tiles(e, shape.filters, tile.filters):
        for channel in tiles(e, shape.channels, tile.channels):
            for ky in tiles(e, kh, tile.rows):
                totals = [e.zero] * (tile.filters * tile.channels * taps)
                for row in e.range(0, shape.rows // p, 1, totals):
                    for column in e.range(0, shape.columns // q, 1, totals):
                        wrong = [
                            _block(e, errors, choice, (first + n, row, column), shape, tile, target)
                            for n in range(tile.filters)
                        ]
                        top = row * (p * sh) + ky
                        start = x + (
                            channel * source.plane + top * source.row + column * (q * sw * lanes)
                        )
                        for c, ((i, j), pairs) in product(range(tile.channels), met):
                            pixel = start.vector(c * source.plane + i * source.row + j * lanes)
                            for n, (error, tap) in product(range(tile.filters), pairs):
                                at = (n * tile.channels + c) * taps + tap
                                totals[at] = totals[at] + wrong[n][error] * pixel
                for n, c in product(range(tile.filters), range(tile.channels)):
                    at = (n * tile.channels + c) * taps
                    place = ((first + n) * shape.channels + channel + c) * shape.taps + ky * kw
                    store_sums(e, gradient + place, totals[at : at + taps])


def _block(
    e: Emitter, errors: Pointer, choice: Pointer, at: tuple[Value, Value, Value],
    shape: Convolution, tile: WeightTile, target: Maps,
) -> list[Value]:  # fmt: skip
    """The block of errors of a filter in a row and a column of blocks."""
    (f, row, column), (p, q), (_, rows, columns) = at, tile.errors, shape.output
    if shape.window != (1, 1):
        error = errors.vector(f * target.plane + row * target.row + column * e.lanes)
        which = choice.vector(((f * rows + row) * columns + column) * e.lanes)
        return [e.where(which.equals(float(i)), error, 0.0) for i in range(p * q)]
    start = errors + (f * target.plane + row * (p * target.row) + column * (q * e.lanes))
    return [start.vector(i * target.row + j * e.lanes) for i, j in product(range(p), range(q))]


@kernel
def bias_gradient(e: Emitter, errors: Pointer, gradient: Pointer, *, target: Maps) -> None:
    """gradient[k] = Σ over pixels and examples of the errors, for one group."""
    filters = min(ABREAST, target.channels)
    for first in tiles(e, target.channels, filters):
        totals = [e.zero] * filters
        for row in e.range(0, target.height, 1, totals):
            for column in e.range(0, target.width, 1, totals):
                start = errors + (first * target.plane + row * target.row + column * e.lanes)
                for n in range(filters):
                    totals[n] = totals[n] + start.vector(n * target.plane)
        store_sums(e, gradient + first, totals)


@kernel
def input_gradient(
    e: Emitter, errors: Pointer, weights: Pointer, y: Pointer, below: Pointer,
    *, shape: Convolution, tile: Pair, target: Maps, source: Maps, below_maps: Maps,
    arrival: Arrival,
) -> None:  # fmt: skip
    """below[c, y, x] = Σ over filters and taps of weight · error, delivered to the source.

    Pixel y hears of output row o through row y + before - o · stride of the kernel, if there is
    such a row. A tile is some channels by some neighbouring pixels of a row.
    """
    kh, sh, before = shape.kernel[0], shape.stride[0], shape.before[0]
    channels, pixels = tile
    for row in e.range(shape.height):
        heard = (
            e.max(0, (row + (before - kh + sh)) // sh),
            e.min(shape.rows, (row + before) // sh + 1),
        )
        for first in e.range(0, shape.channels, channels):
            for stretch in stretches(shape, pixels):
                for i in e.range(stretch.count):
                    column = i * pixels + stretch.start
                    taps = weights + first * shape.taps
                    at = row, column
                    totals = _spread(e, errors, taps, at, heard, shape, channels, stretch, target)
                    for (n, pixel), total in totals.items():
                        c, x = first + n, column + pixel
                        place = c * below_maps.plane + row * below_maps.row + x * e.lanes
                        value = y + (c * source.plane + row * source.row + x * e.lanes)
                        arrival.store(e, below, place, total, value)


def _spread(
    e: Emitter, errors: Pointer, weights: Pointer, at: tuple[Value, Value],
    heard: tuple[Value, Value], shape: Convolution, channels: int, stretch: Stretch, target: Maps,
) -> dict[Pair, Value]:  # fmt: skip
    """The sums of one tile, by channel and pixel of the tile."""
    (kw, sw), (row, column) = (shape.kernel[1], shape.stride[1]), at
    totals = [e.zero] * (channels * stretch.pixels)
    for f in e.range(0, shape.filters, 1, totals):
        for out in e.range(*heard, 1, totals):
            ky = row + shape.before[0] - out * shape.stride[0]
            taps = weights + (f * (shape.channels * shape.taps) + ky * kw)
            start = errors + (f * target.plane + out * target.row + column // sw * e.lanes)
            for kx, uses in enumerate(stretch.uses):
                wrong = [(pixel, start.vector(q * e.lanes)) for pixel, q in uses]
                for n in range(channels):
                    tap = e.splat(taps[n * shape.taps + kx])
                    for pixel, error in wrong:
                        i = n * stretch.pixels + pixel
                        totals[i] = totals[i] + tap * error
    return dict(zip(product(range(channels), range(stretch.pixels)), totals, strict=True))
