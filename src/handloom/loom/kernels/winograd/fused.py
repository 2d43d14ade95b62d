"""What a fused Winograd convolution does to a few tiles of a group: transforms and products.

Spectra lie [product][channel][tile], as a Spectrum tells; a vector is one number of as many
examples as it has lanes. Weights and their gradient lie [tap][channel][filter], transformed
[product][channel][filter], with zeros up to whole vectors of filters.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

from handloom.loom.kernels import tile
from handloom.loom.kernels.activation import Activation
from handloom.loom.kernels.convolution.dark_windows import exact
from handloom.loom.kernels.convolution.forward import largest
from handloom.loom.kernels.convolution.shape import Pair
from handloom.loom.kernels.convolution.tile import tiles
from handloom.loom.kernels.winograd.fused_tiles import Tiling
from handloom.loom.kernels.winograd.tiles import Spectrum
from handloom.loom.kernels.winograd.transform import (
    of_pixels,
    of_weights,
    powers,
    row_of,
    transform,
)
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.lane_sums import lane_sums
from handloom.loom.language.program import kernel
from handloom.loom.language.value import Pointer, Value
from handloom.loom.tensor import Maps

UNROLL = 8
"""Turns of a product's loop that are written out, at most."""


# -- between pixels, errors, weights and their spectra --------------------------------------------


@kernel
def transform_weights(
    e: Emitter, weights: Pointer, spectra: Pointer,
    *, points: int, taps: int, count: int, tap: int, apart: int,
) -> None:  # fmt: skip
    """G g Gᵀ of `count` kernels of taps x taps, which lie `tap` apart, and the products `apart`."""
    for v in e.range(0, count, e.lanes):
        at = lambda i, j: weights.vector(v + (i * taps + j) * tap)  # noqa: E731, B023
        for i, row in transform(of_weights(points, taps), at):
            for j, number in enumerate(row):
                spectra[v + (i * points + j) * apart] = number


@kernel
def transform_gradient(
    e: Emitter, sums: Pointer, gradient: Pointer,
    *, points: int, taps: int, count: int, tap: int, apart: int,
) -> None:  # fmt: skip
    """Gᵀ m G, which lie as their spectra and the kernels do."""
    for v in e.range(0, count, e.lanes):
        at = lambda i, j: sums.vector(v + (i * points + j) * apart)  # noqa: E731, B023
        for i, row in transform(of_weights(points, taps).T, at):
            for j, number in enumerate(row):
                gradient[v + (i * taps + j) * tap] = number


@kernel
def transform_pixels(
    e: Emitter, x: Pointer, spectra: Pointer, first: Value, count: Value,
    *, tiling: Tiling, source: Maps, spectrum: Spectrum,
) -> None:  # fmt: skip
    """Bᵀ d B of `count` tiles from `first` on, and all channels."""
    for c in e.range(tiling.shape.channels):
        for t in e.range(count):
            at = tiling.pixels(e, x + c * source.plane, first + t, source)
            numbers = spectra + (c * spectrum.channel + t * spectrum.tile)
            for i, row in transform(of_pixels(tiling.points), at):
                for j, number in enumerate(row):
                    numbers[(i * tiling.points + j) * spectrum.product] = number


@kernel
def transform_errors(
    e: Emitter, errors: Pointer, choice: Pointer, spectra: Pointer, first: Value, count: Value,
    *, tiling: Tiling, target: Maps, spectrum: Spectrum, row: int,
) -> None:  # fmt: skip
    """Row `row` of A E Aᵀ of some tiles, and all filters."""
    _, rows, columns = tiling.shape.output
    for f in e.range(tiling.shape.filters):
        for t in e.range(count):
            own = errors + f * target.plane, choice + f * (rows * columns * e.lanes)
            at = tiling.errors(e, *own, first + t, target)
            numbers = spectra + (f * spectrum.channel + t * spectrum.tile)
            for j, number in enumerate(row_of(powers(tiling.points, tiling.size), row, at)):
                numbers[j * spectrum.product] = number


@kernel
def transform_sums(
    e: Emitter, sums: Pointer, bias: Pointer, mask: Pointer, y: Pointer, choice: Pointer,
    first: Value, count: Value,
    *, tiling: Tiling, target: Maps, spectrum: Spectrum, activation: Activation, mask_row: int,
    training: bool,
) -> None:  # fmt: skip
    """y = f(maxpool(Aᵀ m A) + bias) of some tiles; choice = which pixel of a window won.

    Only a training asks for mask and choice.
    """
    (wh, ww), (down, across), size = tiling.shape.window, tiling.windows, tiling.size
    filters, rows, columns = tiling.shape.output
    for f in e.range(filters):
        for t in e.range(count):
            m, (top, left) = (
                sums + (f * spectrum.channel + t * spectrum.tile),
                tiling.place(first + t),
            )
            at = lambda i, j: m.vector((i * tiling.points + j) * spectrum.product)  # noqa: E731, B023
            pixels = dict(transform(powers(tiling.points, size).T, at))
            if training:
                light = mask + (top * (size * mask_row) + left * (size * e.lanes))
                for i, j in product(range(size), range(size)):
                    pixels[i][j] = exact(e, pixels[i][j], light, i * mask_row + j * e.lanes)
            for p, q in product(range(down), range(across)):
                row, column = top * down + p, left * across + q
                window = [pixels[p * wh + i][q * ww + j] for i in range(wh) for j in range(ww)]
                best, which = largest(e, window)
                with tiling.inside(row, column):
                    if training and (wh, ww) != (1, 1):
                        choice[((f * rows + row) * columns + column) * e.lanes] = which
                    place = f * target.plane + row * target.row + column * e.lanes
                    y[place] = activation.output(e, best + bias[f])


@kernel
def add_pixels(
    e: Emitter, sums: Pointer, errors: Pointer, first: Value, count: Value,
    *, tiling: Tiling, target: Maps, spectrum: Spectrum,
) -> None:  # fmt: skip
    """errors += B m Bᵀ of some tiles, which overlap; `target` has all pixels that they reach."""
    for c in e.range(target.channels):
        for t in e.range(count):
            row, column = tiling.place(first + t)
            m = sums + (c * spectrum.channel + t * spectrum.tile)
            start = errors + (
                c * target.plane
                + row * (tiling.size * target.row)
                + column * (tiling.size * e.lanes)
            )
            at = lambda i, j: m.vector((i * tiling.points + j) * spectrum.product)  # noqa: E731, B023
            for i, line in transform(of_pixels(tiling.points).T, at):
                for j, number in enumerate(line):
                    place = i * target.row + j * e.lanes
                    start[place] = start.vector(place) + number


# -- products -------------------------------------------------------------------------------------


@kernel
def multiply(
    e: Emitter, weights: Pointer, spectra: Pointer, sums: Pointer, count: Value,
    *, products: int, depth: int, outputs: int, shape: Pair,
    of_weights: Spectrum, of_spectra: Spectrum, of_sums: Spectrum,
) -> None:  # fmt: skip
    """sums[p, o, t] = Σ_k weights[p, k, o] · spectra[p, k, t] for `count` tiles t.

    `shape`: outputs and tiles in a register tile; tiles are rounded up to whole ones of it.
    """
    (rows, width), lanes = shape, e.lanes
    columns = range(0, width * lanes, lanes)
    unroll = max(n for n in range(1, UNROLL + 1) if depth % n == 0)
    for p in e.range(products):
        for t in e.range(0, count, width):
            right = spectra + (p * of_spectra.product + t * lanes)
            for o in tiles(e, outputs, rows):
                left = weights + (p * of_weights.product + o * of_weights.tile)
                totals = tile.product(
                    e, left, of_weights.tile, of_weights.channel, right, of_spectra.channel, depth,
                    rows=rows, columns=columns, unroll=unroll,
                )  # fmt: skip
                target = sums + (p * of_sums.product + o * of_sums.channel + t * lanes)
                for (m, column), total in zip(product(range(rows), columns), totals, strict=True):
                    target[m * of_sums.channel + column] = total


@kernel
def correlate(
    e: Emitter, errors: Pointer, pixels: Pointer, sums: Pointer, count: Value,
    *, products: int, filters: int, blocks: int, channels: int, across: int,
    of_errors: Spectrum, of_pixels: Spectrum, of_sums: Spectrum,
) -> None:  # fmt: skip
    """sums[p, c, f] += Σ_t errors[p, f, t] · pixels[p, c, t], over all lanes, for `count` tiles t.

    There are `blocks` of `filters` filters, of which a vector has room; a register tile is a block
    by `across` channels, a divisor of all.
    """
    for p, block in _pairs(e, products, blocks):
        left = errors + (p * of_errors.product + block * (filters * of_errors.channel))
        for c in e.range(0, channels, across):
            right = pixels + (p * of_pixels.product + c * of_pixels.channel)
            totals = [e.zero] * (across * filters)
            for t in e.range(0, count, 1, totals):
                e.keep_order()
                seen = [right.vector(n * of_pixels.channel + t * e.lanes) for n in range(across)]
                for f in range(filters):
                    error = left.vector(f * of_errors.channel + t * e.lanes)
                    for n, pixel in enumerate(seen):
                        totals[n * filters + f] = totals[n * filters + f] + error * pixel
            row = sums + (p * of_sums.product + c * of_sums.channel + block * filters)
            for n in range(across):
                vectors = totals[n * filters : (n + 1) * filters]
                total = lane_sums(e, [*vectors, *[e.zero] * (e.lanes - filters)])
                place = n * of_sums.channel
                row[place] = row.vector(place) + total


def _pairs(e: Emitter, outer: int, inner: int) -> Iterator[tuple[Value, Value]]:
    """Two loops, one in the other."""
    for i in e.range(outer):
        for j in e.range(inner):
            yield i, j


@kernel
def clear(e: Emitter, numbers: Pointer, *, count: int) -> None:
    """`count` zeros: whole vectors of them."""
    for i in e.range(0, count, e.lanes):
        numbers[i] = e.zero
