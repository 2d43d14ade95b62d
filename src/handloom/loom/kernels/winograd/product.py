"""What stands between Winograd's transforms: 36 matrix products, and the sums over the batch."""

from __future__ import annotations

from handloom.loom.kernels.tile import product
from handloom.loom.kernels.winograd.transform import ALL_PIXELS, PRODUCTS
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import Machine
from handloom.loom.language.program import kernel
from handloom.loom.language.value import Pointer, Value

TILES = 2
"""Tiles that are transformed at a time: one for each vector of the products' right side. More would
leave no room in the cache for the transformed weights."""


def tile_rows(machine: Machine, lanes: int) -> int:
    """Rows of the products' register tile, two vectors wide; they divide a vector's lanes."""
    return max(n for n in (1, 2, 4, 8) if n <= machine.tile_rows(TILES) and lanes % n == 0)


@kernel
def multiply(
    e: Emitter,
    weights: Pointer,
    pixels: Pointer,
    sums: Pointer,
    depth: Value,
    outputs: Value,
    *layout: Value,
    rows: int,
) -> None:
    """sums[p, o, t] = Σ_c weights[p, o, c] · pixels[p, c, t] for each of the 36 products p.

    t is a tile and an example. Weights lie [p][block][c][o], in blocks of `lanes` outputs.
    `layout`: numbers from one block of weights to the next, and from one product to the next in
    weights, pixels and sums.
    """
    lanes, width = e.lanes, TILES * e.lanes
    block, weights_next, pixels_next, sums_next = layout
    for p in e.range(PRODUCTS):
        for o in e.range(0, outputs, rows):
            left = weights + (p * weights_next + o // lanes * block + o % lanes)
            right = pixels + p * pixels_next
            columns = range(0, width, lanes)
            totals = product(
                e, left, 1, lanes, right, width, depth, rows=rows, columns=columns, unroll=2
            )
            target = sums + (p * sums_next + o * width)
            for i, total in enumerate(totals):
                target[i * lanes] = total


@kernel
def correlate(
    e: Emitter,
    errors: Pointer,
    pixels: Pointer,
    sums: Pointer,
    depth: Value,
    outputs: Value,
    panels: Value,
    fresh: Value,
    *layout: Value,
    row: int,
    rows: int,
    width: int,
) -> None:
    """sums[p, o, c] += Σ_k errors[p, o, k] · pixels[p, k, c], k = all examples of some tiles.

    Errors lie [p][o][k] with `row` numbers for each o; pixels [p][panel][k][c] and sums
    [p][panel][o][c] in panels of `width` channels. `layout`: numbers from one product to the next
    in each of the three, and from one panel of sums to the next. `fresh`: sums begin here.
    """
    errors_next, pixels_next, sums_next, panel = layout
    for p in e.range(PRODUCTS):
        for c in e.range(panels):
            right = pixels + (p * pixels_next + c * (row * width))
            for o in e.range(0, outputs, rows):
                left = errors + (p * errors_next + o * row)
                columns = range(0, width, e.lanes)
                totals = product(
                    e, left, row, 1, right, width, depth, rows=rows, columns=columns, unroll=2
                )
                target = sums + (p * sums_next + c * panel + o * width)
                for i, total in enumerate(totals):
                    before = e.where(fresh, 0.0, target.vector(i * e.lanes))
                    target[i * e.lanes] = before + total


@kernel
def bias_gradient(
    e: Emitter,
    errors: Pointer,
    sums: Pointer,
    tiles: Value,
    outputs: Value,
    fresh: Value,
    next_product: Value,
    *,
    row: int,
) -> None:
    """sums[o] += Σ of the errors of some tiles, given their transforms."""
    for o in e.range(outputs):
        total = [e.zero]
        for t in e.range(0, tiles, 1, total):
            whole = errors + (next_product * ALL_PIXELS + o * row)
            total[0] = total[0] + whole.vector(t * e.lanes)
        sums[o] = e.where(fresh, e.number(0.0), sums[o]) + e.lane_sum(total[0])


@kernel
def turn(e: Emitter, source: Pointer, target: Pointer, squares: Value, *layout: Value) -> None:
    """Transpose `squares` of lanes x lanes numbers.

    `layout`: numbers from one square, and one row, to the next, in the source and in the target.
    """
    source_next, source_row, target_next, target_row = layout
    for i in e.range(squares):
        square = [source.vector(i * source_next + n * source_row) for n in range(e.lanes)]
        for n, row in enumerate(e.transpose(square)):
            target[i * target_next + n * target_row] = row
