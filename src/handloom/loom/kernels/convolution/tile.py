"""How the loops of a convolution are cut into tiles whose sums stay in registers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product

from handloom.loom.kernels.convolution.shape import Convolution, Pair
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import Machine
from handloom.loom.language.value import Value

LATENCY = 8
"""Sums that must be in the making at once to keep a processor busy that starts two multiplications
a cycle and needs four or five cycles for each."""
LOAD, REPEAT, TURN = 0.5, 0.25, 1.0
"""What it costs to load a vector, to repeat a number in all lanes, and to go round the loop, in
multiplications of vectors; measured on an AVX-512 processor."""
MOST_ERRORS = 4
"""Errors of a filter that a turn of the weights' derivative handles: more are more code."""


def tiles(e: Emitter, count: int, size: int) -> Iterator[Value]:
    """A loop over where tiles of `size` <= count begin; the last may overlap the one before it.

    What both compute is stored twice: cheaper than tiles of two sizes, which would be two kernels.
    """
    for start in e.range(0, count, size):
        yield e.min(start, count - size) if count % size else start


@cache
def forward_tile(machine: Machine, shape: Convolution) -> Pair:
    """(filters, windows side by side): a turn handles one tap."""
    window, whole = math.prod(shape.window), (shape.filters, shape.columns // shape.window[1])
    filters, across = (range(1, min(size, machine.registers) + 1) for size in whole)
    return min(
        product(filters, across),
        key=lambda tile: _turn(machine, tile[0], tile[1] * window) * _count(whole, tile),
    )


@cache
def input_tile(machine: Machine, shape: Convolution) -> Pair:
    """(channels, neighbouring pixels); the pixels are whole strides.

    The channels divide all channels, since tiles may not overlap: what they compute is added to.
    """
    whole, stride = (shape.channels, shape.width), shape.stride[1]
    channels = [n for n in range(1, shape.channels + 1) if shape.channels % n == 0]
    pixels = range(stride, min(shape.width, machine.registers) + stride, stride)
    return min(
        product(channels, pixels), key=lambda tile: _turn(machine, *tile) * _count(whole, tile)
    )


@cache
def product_tile(machine: Machine, outputs: int, vectors: int) -> Pair:
    """(outputs, vectors) of a product's tile; the vectors divide all vectors."""
    rows = range(1, min(outputs, machine.registers) + 1)
    widths = [n for n in range(1, vectors + 1) if vectors % n == 0]
    return min(
        product(rows, widths),
        key=lambda tile: _turn(machine, *tile) * _count((outputs, vectors), tile),
    )


def channels_across(machine: Machine, filters: int, channels: int) -> int:
    """Channels of a tile that sums errors of `filters` by pixels: the most that divide all."""
    fitting = [n for n in range(2, channels + 1) if n * filters + n + 1 <= machine.registers]
    return max((n for n in fitting if channels % n == 0), default=1)


def _turn(machine: Machine, numbers: int, vectors: int) -> float:
    """What a turn costs that multiplies all `numbers` by all `vectors`, which are held."""
    if numbers * vectors + vectors >= machine.registers:
        return math.inf
    return max(numbers * vectors, LATENCY) + LOAD * vectors + REPEAT * numbers + TURN


@dataclass(frozen=True)
class WeightTile:
    """Filters by channels by rows of the kernel; a turn handles a block of each filter's errors."""

    filters: int
    channels: int
    rows: int
    errors: Pair


@cache
def weight_tile(machine: Machine, shape: Convolution) -> WeightTile:
    """The cheapest. With a pooling the block of errors is its window, else a few pixels of y."""
    most, kw = machine.registers, shape.kernel[1]
    whole = shape.filters, shape.channels, shape.kernel[0]
    blocks = [
        (p, q)
        for p, q in product(range(1, MOST_ERRORS + 1), repeat=2)
        if p * q <= MOST_ERRORS and shape.rows % p == shape.columns % q == 0
    ]
    costs = {}
    for block in [shape.window] if shape.window != (1, 1) else blocks:
        for filters in range(1, min(most, whole[0]) + 1):
            for channels in range(1, min(most // (filters * kw), whole[1]) + 1):
                for rows in range(1, min(most // (filters * channels * kw), whole[2]) + 1):
                    tile = WeightTile(filters, channels, rows, block)
                    cost = _turn_of(tile, shape, most)
                    costs[tile] = cost * _count(whole, (filters, channels, rows))
    return min(costs, key=costs.__getitem__, default=WeightTile(1, 1, 1, shape.window))


def _turn_of(tile: WeightTile, shape: Convolution, registers: int) -> float:
    """What a tile costs for each error of a filter."""
    (p, q), (sh, sw) = tile.errors, shape.stride
    sums = tile.filters * tile.channels * tile.rows * shape.kernel[1]
    errors = tile.filters * p * q
    if sums + errors >= registers:
        return math.inf
    pixels = ((p - 1) * sh + tile.rows) * ((q - 1) * sw + shape.kernel[1]) * tile.channels
    choosing = 2 * errors if shape.window != (1, 1) else 0
    return (max(sums, LATENCY) * p * q + LOAD * (pixels + errors) + choosing + TURN) / (p * q)


def _count(whole: Sequence[int], tile: Sequence[int]) -> int:
    """Tiles that cover the whole."""
    return math.prod(-(-size // part) for size, part in zip(whole, tile, strict=True))
