"""How lines cover the rows of a convolution's result, what they depend on, and whether they pay."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import product

from handloom.loom.kernels.convolution.shape import Convolution
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.value import Pointer, Value
from handloom.loom.tensor import Maps

POINTS = 6, 8

PRODUCT, ALONE = 1.05, 1.9
"""What a product of spectra costs, its share of loading included; and what it costs where the
registers hold the sums of one filter only. These and the others are in multiplications of vectors,
measured on an AVX-512 processor and on the same with AVX2."""
LINE = 10
"""Aᵀ m of a line with its epilogue; the same again for A E."""
PIXELS = 30
"""Bᵀ d of a line, once forward and once for the gradient."""
BESIDE = 6
"""Registers for what is not a sum: with fewer, sums leave theirs for a while."""
ROOM = 1 << 14
"""Vectors of a group's spectra: with 64 bytes each, about what a core's own cache holds."""


def best_lines(shape: Convolution, registers: int) -> Lines | None:
    """The lines that cost least; None where there are none that fit.

    They are for kernels that go pixel by pixel, and hold whole windows of the pooling behind them.
    """
    if shape.stride != (1, 1) or shape.kernel[1] < 2:
        return None
    fitting = [
        lines
        for points in POINTS
        if points > shape.kernel[1]
        and not (lines := Lines(shape, points, registers)).size % shape.window[1]
        and lines.rows * lines.row <= ROOM
    ]
    return min(fitting, key=lambda lines: lines.cost, default=None)


@dataclass(frozen=True)
class Lines:
    """Lines of `size` neighbouring pixels of a row of y, each of which depends on as many pixels
    of some rows of x as there are `points`.

    The last of a row may reach beyond y. Spectra are counted in vectors. What is summed up is held
    in `registers`.
    """

    shape: Convolution
    points: int
    registers: int

    @property
    def cost(self) -> float:
        """Of one example, in multiplications: forward and the gradient."""
        lines = self.shape.filters * self.shape.rows * self.number
        seen = self.rows * self.shape.channels * self.number
        product = PRODUCT if self.abreast > 1 else ALONE
        return 2 * (product * self.products + LINE * lines + PIXELS * seen)

    @property
    def products(self) -> int:
        """Of one example, forward; the gradient has as many."""
        return self.shape.rows * self.number * self.shape.filters * self.filter

    @property
    def size(self) -> int:
        """Pixels of y in a line."""
        return self.points + 1 - self.shape.kernel[1]

    @property
    def number(self) -> int:
        """Lines in a row."""
        return -(-self.shape.columns // self.size)

    @property
    def width(self) -> int:
        """Pixels of y in all lines of a row."""
        return self.number * self.size

    @property
    def rows(self) -> int:
        """Rows of pixels that y depends on."""
        return self.shape.rows + self.shape.kernel[0] - 1

    @property
    def channel(self) -> int:
        """From the spectra of a channel to those of the next."""
        return self.number * self.points

    @property
    def row(self) -> int:
        """From the spectra of a row to those of the next."""
        return self.shape.channels * self.channel

    @property
    def filter(self) -> int:
        """Numbers from the transformed weights of a filter to those of the next."""
        return self.shape.channels * self.shape.kernel[0] * self.points

    @property
    def down(self) -> int:
        """Rows of y whose errors are taken together: a window's, else two where they come even."""
        height = self.shape.window[0]
        return 2 if height == 1 and self.shape.rows % 2 == 0 else height

    @property
    def even(self) -> bool:
        """Whether no line reaches beyond y."""
        return self.shape.columns % self.size == 0

    def columns(self, e: Emitter, line: Value) -> list[Value]:
        """The columns of pixels that a line depends on, from the first window's on."""
        shape = self.shape
        last = shape.before[1] + shape.width + shape.border - 1
        seen = [line * self.size + i for i in range(self.points)]
        reaches = self.width + shape.kernel[1] - 2
        return [e.min(i, last) for i in seen] if reaches > last else seen

    def inside(self, column: Value) -> AbstractContextManager[None]:
        """What follows happens where this window of a line lies in y."""
        return nullcontext() if self.even else column.e.when(column < self.shape.output[2])

    @property
    def abreast(self) -> int:
        """Filters whose sums fit into registers together."""
        return min(self.shape.filters, max(1, (self.registers - BESIDE) // self.points))

    @property
    def parts(self) -> tuple[tuple[int, ...], ...]:
        """The points by as many as there are registers for the sums of their gradients, and for
        the errors that they are made of: those of 0 and ∞, of 1 and -1, and so on belong together.
        """
        pairs = [(0, self.points - 1), *((p, p + 1) for p in range(1, self.points - 2, 2))]
        most = (self.registers - 2) // (2 * (self.shape.kernel[0] + self.down))
        count = -(-len(pairs) // max(1, most))
        return tuple(sum(pairs[i::count], ()) for i in range(count))

    def errors(
        self, e: Emitter, errors: Pointer, choice: Pointer, at: tuple[Value, Value, Value],
        target: Maps,
    ) -> list[list[Value]]:  # fmt: skip
        """The errors of some lines below each other, row by row; zeros beyond y.

        `at`: filter, row and line, rows counted by `down`. Those of a pooling are at the pixels
        that won.
        """
        (f, row, line), (wh, ww), (_, rows, columns) = at, self.shape.window, self.shape.output
        found = [[e.zero] * self.size for _ in range(self.down)]
        for p, q in product(range(self.down // wh), range(self.size // ww)):
            above, column = row * (self.down // wh) + p, line * (self.size // ww) + q
            if not self.even:
                column = e.min(column, columns)
            error = errors.vector(f * target.plane + above * target.row + column * e.lanes)
            if (wh, ww) == (1, 1):
                found[p][q] = error
                continue
            if not self.even:
                column = e.min(column, columns - 1)
            which = choice.vector(((f * rows + above) * columns + column) * e.lanes)
            for i, j in product(range(wh), range(ww)):
                won = which.equals(float(i * ww + j))
                found[p * wh + i][q * ww + j] = e.where(won, error, 0.0)
        return found
