"""The convolution itself: every vector holds one pixel of as many examples as it has lanes.

Products are then plain arithmetic on vectors, without shuffles or copies of patches, for any kernel
and any number of channels; weights are read as they lie, one number at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

from handloom.loom.kernels.activation import Activation
from handloom.loom.kernels.convolution.shape import Convolution, Pair
from handloom.loom.kernels.convolution.tile import tiles
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import kernel
from handloom.loom.language.value import Pointer, Value
from handloom.loom.tensor import Maps

UNROLL = 4
"""Taps that a turn over the channels has at least, where kernels are so small."""


@kernel
def forward(
    e: Emitter, x: Pointer, weights: Pointer, bias: Pointer, y: Pointer, choice: Pointer,
    *, shape: Convolution, tile: Pair, source: Maps, target: Maps,
    activation: Activation, keeps_choice: bool,
) -> None:  # fmt: skip
    """y = f(maxpool(x * weights) + bias) of one group; choice = which pixel of a window won.

    x points at the first pixel of the first window; weights are (filters, channels, kh, kw). A tile
    is some filters by the pixels of some windows side by side. f is increasing, so pooling may come
    before it and leaves it less to do.
    """
    (kh, kw), (sh, sw), (wh, ww) = shape.kernel, shape.stride, shape.window
    filters, across = tile
    _, rows, columns = shape.output
    filter_size, lanes = shape.channels * shape.taps, e.lanes
    pixels = [
        i * sh * source.row + (window * ww + j) * sw * lanes
        for window, i, j in product(range(across), range(wh), range(ww))
    ]
    for first in tiles(e, shape.filters, filters):
        for row in e.range(rows):
            for column in tiles(e, columns, across):
                start = x + (row * (wh * sh * source.row) + column * (ww * sw * lanes))
                totals = [e.zero] * (filters * len(pixels))
                for c in e.unrolled(shape.channels, max(1, UNROLL // shape.taps), totals):
                    for ky in e.range(0, kh, 1, totals):
                        patch = start + (c * source.plane + ky * source.row)
                        taps = weights + (first * filter_size + c * shape.taps + ky * kw)
                        for kx in range(kw):
                            seen = [patch.vector(pixel + kx * lanes) for pixel in pixels]
                            for n in range(filters):
                                tap = e.splat(taps[n * filter_size + kx])
                                for i, value in enumerate(seen, n * len(seen)):
                                    totals[i] = totals[i] + tap * value
                for i, (n, window) in enumerate(product(range(filters), range(across))):
                    f, x_of = first + n, column + window
                    best, which = largest(e, totals[i * wh * ww : (i + 1) * wh * ww])
                    if keeps_choice:
                        choice[((f * rows + row) * columns + x_of) * lanes] = which
                    place = f * target.plane + row * target.row + x_of * lanes
                    y[place] = activation.output(e, best + bias[f])


def largest(
    e: Emitter,
    values: Sequence[Value],
    *,
    after: tuple[Value, Value] | None = None,
    number: int = 0,
) -> tuple[Value, Value]:
    """The largest of each lane, and the number of the first that is; they count from `number`.

    `after`: what this gave for those before them.
    """
    best, which = after or (values[0], e.splat(float(number)))
    for i, value in enumerate(values if after else values[1:], number if after else number + 1):
        which = e.where(value > best, float(i), which)
        best = e.max(best, value)
    return best, which


@kernel
def unpool(
    e: Emitter, errors: Pointer, choice: Pointer, unpooled: Pointer,
    *, shape: Convolution, source: Maps, target: Maps,
) -> None:  # fmt: skip
    """Each window's error at the pixel that won, and zeros at the others."""
    (wh, ww), (filters, rows, columns) = shape.window, shape.output
    for f in e.range(filters):
        for row in e.range(rows):
            for column in e.range(columns):
                error = errors.vector(f * source.plane + row * source.row + column * e.lanes)
                which = choice.vector(((f * rows + row) * columns + column) * e.lanes)
                place = f * target.plane + row * (wh * target.row) + column * (ww * e.lanes)
                for i, j in product(range(wh), range(ww)):
                    value = e.where(which.equals(float(i * ww + j)), error, 0.0)
                    unpooled[place + (i * target.row + j * e.lanes)] = value
