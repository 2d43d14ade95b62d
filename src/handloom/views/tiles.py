"""Many small arrays laid side by side, and large ones made small: numbers only, no drawing."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from handloom._typing import AnyArray, FloatArray

GAP = 3
"""Pixels between tiles, and around them, unless said otherwise."""


class Grid(NamedTuple):
    """How many tiles are shown, in how many columns, every number as zoom × zoom pixels."""

    num_shown: int
    columns: int
    zoom: int

    @property
    def rows(self) -> int:
        """Rows that the tiles take."""
        return -(-self.num_shown // self.columns)


def fitting_grid(
    count: int, tile: tuple[int, int], room: tuple[int, int], smallest: int = 1
) -> Grid:
    """The grid that shows the most of `count` tiles, these as large as can be, few cells empty.

    `tile` is (height, width) of one tile in numbers, `room` (height, width) in pixels. No tile is
    drawn with a side under `smallest` pixels.
    """
    least = max(1, -(-smallest // min(tile)))
    for shown in range(count, 0, -1):
        zoom, _, columns = max(
            (_zoom(shown, columns, tile, room), -(-shown % columns), columns)
            for columns in range(1, shown + 1)
        )
        if zoom >= least:
            return Grid(shown, columns, zoom)
    return Grid(1, 1, 1)


def _zoom(count: int, columns: int, tile: tuple[int, int], room: tuple[int, int]) -> int:
    rows = -(-count // columns)
    down = (room[0] - GAP * (rows + 1)) // (rows * tile[0])
    across = (room[1] - GAP * (columns + 1)) // (columns * tile[1])
    return max(0, min(down, across))


def mosaic(tiles: AnyArray, columns: int, zoom: int, gap: int = GAP) -> FloatArray:
    """Tiles (N, H, W), row by row, a number zoom × zoom pixels, NaN between and around them."""
    tiles = zoomed(tiles, zoom)
    count, height, width = tiles.shape
    rows = -(-count // columns)
    pixels = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap), np.nan)
    for index, tile in enumerate(tiles):
        top = index // columns * (height + gap) + gap
        left = index % columns * (width + gap) + gap
        pixels[top : top + height, left : left + width] = tile
    return pixels


def zoomed(values: AnyArray, down: int, across: int | None = None) -> AnyArray:
    """Arrays (..., H, W) with every number `down` times down and `across` (or as many) across."""
    return values.repeat(down, axis=-2).repeat(across or down, axis=-1)


def strongest(values: AnyArray, most: tuple[int, int]) -> tuple[FloatArray, tuple[int, int]]:
    """Reduce (R, C) to at most `most` (rows, columns): of each block the value furthest from zero.

    A mean would let thousands of weights of both signs fade to nothing, a pick of every k-th one
    would show patterns that are not there. Returns the reduced array and the block's (rows,
    columns); a NaN in a block stays visible.
    """
    rows, columns = values.shape
    block = (max(1, -(-rows // most[0])), max(1, -(-columns // most[1])))
    r, c = -(-rows // block[0]), -(-columns // block[1])
    padded = np.zeros((r * block[0], c * block[1]))
    padded[:rows, :columns] = values
    blocks = padded.reshape(r, block[0], c, block[1]).swapaxes(1, 2).reshape(r, c, -1)
    size = np.where(np.isnan(blocks), np.inf, np.abs(blocks))
    picked = np.take_along_axis(blocks, size.argmax(axis=2)[..., np.newaxis], axis=2)
    return picked[..., 0], block


def block_means(values: AnyArray, block: int) -> FloatArray:
    """Arrays (..., H, W) with each block × block numbers as their mean; fewer at the far edges.

    NaN counts for nothing; a block of nothing else is NaN.
    """
    if block == 1:
        return values
    known = np.isfinite(values)
    sums = [np.where(known, values, 0.0), known.astype(np.float64)]
    for axis in (-2, -1):
        starts = np.arange(0, values.shape[axis], block)
        sums = [np.add.reduceat(each, starts, axis) for each in sums]
    return np.where(sums[1] > 0, sums[0] / np.maximum(sums[1], 1), np.nan)


def symmetric_limit(values: AnyArray, quantile: float = 0.995) -> float:
    """The size |v| that the fraction `quantile` of the finite values stays within; never zero.

    The ends of a colour map centred at zero: a few giants shall not turn all others white.
    """
    sizes = np.abs(values[np.isfinite(values)])
    return float(np.quantile(sizes, quantile)) or float(sizes.max()) or 1.0 if sizes.size else 1.0
