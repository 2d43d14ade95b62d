"""How tiles cover the result of a convolution, what they depend on, and whether they pay.

Rows and columns of pixels count from the first pixel of the first window.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import product

from handloom.loom.kernels.convolution.shape import Convolution, Pair
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.value import Pointer, Value
from handloom.loom.tensor import Maps

Reader = Callable[[int, int], Value]
"""The vector at a row and a column of a tile."""

PRODUCT = 1.1
"""What a product of spectra costs, its share of loading and storing included. This and the others
are in multiplications of vectors, measured on an AVX-512 processor."""
LANE_SUM = 3.0
"""The sum over the lanes of one vector of a gradient."""
PIXELS = {6: 135, 8: 215}
"""Bᵀ d B of a tile, by the number of points; B m Bᵀ, added to the errors below, costs as much."""
SUMS = {6: 320, 8: 610}
"""Aᵀ m A of a tile with its epilogue, and A E Aᵀ."""


def best_tiling(shape: Convolution) -> Tiling | None:
    """The tiles that cost least; None where there are none that fit.

    They are for square kernels that go pixel by pixel, and hold whole windows of the pooling behind
    them.
    """
    kh, kw = shape.kernel
    if kh != kw or shape.stride != (1, 1) or kh < 2:
        return None
    tilings = [Tiling(shape, points) for points in PIXELS if points > kh]
    fitting = [each for each in tilings if not any(each.size % side for side in shape.window)]
    return min(fitting, key=lambda tiling: tiling.cost(errors_below=True), default=None)


@dataclass(frozen=True)
class Tiling:
    """Tiles of `size` x `size` pixels of y, counted row by row.

    Those on the right and at the bottom may reach beyond y. Each depends on `points` x `points`
    pixels of x.
    """

    shape: Convolution
    points: int

    @property
    def size(self) -> int:
        """Pixels of y on each side of a tile."""
        return self.points + 1 - self.shape.kernel[0]

    @property
    def products(self) -> int:
        """Numbers in the spectrum of a tile."""
        return self.points**2

    def cost(self, *, errors_below: bool) -> float:
        """Of one example, in multiplications: forward, the gradient and perhaps the errors below;
        each of them transforms the pixels, or theirs."""
        channels, filters, times = self.shape.channels, self.shape.filters, 2 + errors_below
        products = self.products * channels * filters
        transforms = PIXELS[self.points] * channels * times + SUMS[self.points] * filters
        return self.tiles * (PRODUCT * products * times + transforms) + LANE_SUM * products

    @property
    def number(self) -> Pair:
        """Tiles from top to bottom, and in a row."""
        return -(-self.shape.rows // self.size), -(-self.shape.columns // self.size)

    @property
    def tiles(self) -> int:
        """All of them."""
        return self.number[0] * self.number[1]

    @property
    def covered(self) -> Pair:
        """Rows and columns of y in all tiles, those beyond y included."""
        down, across = (count * self.size for count in self.number)
        return down, across

    @property
    def reach(self) -> Pair:
        """Rows and columns of pixels that tiles depend on."""
        down, across = (pixels + self.points - self.size for pixels in self.covered)
        return down, across

    @property
    def windows(self) -> Pair:
        """Windows of the pooling in a tile, from top to bottom and in a row."""
        return self.size // self.shape.window[0], self.size // self.shape.window[1]

    @property
    def even(self) -> bool:
        """Whether no tile reaches beyond y."""
        return self.shape.rows % self.size == self.shape.columns % self.size == 0

    def place(self, tile: Value) -> tuple[Value, Value]:
        """Row and column of a tile among the tiles."""
        across = self.number[1]
        return tile // across, tile % across

    def pixels(self, e: Emitter, x: Pointer, tile: Value, source: Maps) -> Reader:
        """The pixels that a tile depends on; what lies beyond the border is read from it."""
        places: list[list[Value]] = []
        axes = zip(
            self.place(tile), (source.height, source.width), self.shape.before, self.reach,
            strict=True,
        )  # fmt: skip
        for at, pixels, before, reach in axes:
            last = before + pixels + source.border - 1
            seen = [at * self.size + i for i in range(self.points)]
            places.append([e.min(i, last) for i in seen] if reach - 1 > last else seen)
        rows, columns = places
        return lambda i, j: (x + rows[i] * source.row).vector(columns[j] * source.lanes)

    def inside(self, row: Value, column: Value) -> AbstractContextManager[None]:
        """What follows happens where this window of a tile lies in y."""
        _, rows, columns = self.shape.output
        if self.even:
            return nullcontext()
        return row.e.when((row < rows) & (column < columns))

    def errors(
        self, e: Emitter, errors: Pointer, choice: Pointer, tile: Value, target: Maps
    ) -> Reader:
        """The errors of a tile, zeros beyond y; those of a pooling at the pixels that won."""
        (wh, ww), (_, rows, columns) = self.shape.window, self.shape.output
        (down, across), (top, left) = self.windows, self.place(tile)
        found: dict[Pair, Value] = {}
        for p, q in product(range(down), range(across)):
            row, column = top * down + p, left * across + q
            if not self.even:
                row, column = e.min(row, rows), e.min(column, columns)
            error = errors.vector(row * target.row + column * e.lanes)
            if (wh, ww) == (1, 1):
                found[p, q] = error
                continue
            if not self.even:
                row, column = e.min(row, rows - 1), e.min(column, columns - 1)
            which = choice.vector((row * columns + column) * e.lanes)
            for i, j in product(range(wh), range(ww)):
                won = which.equals(float(i * ww + j))
                found[p * wh + i, q * ww + j] = e.where(won, error, 0.0)
        return lambda i, j: found[i, j]
