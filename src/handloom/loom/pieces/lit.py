"""Which pixels are lit: the first layer may skip the zeros, and most of a digit is zeros.

Of MNIST's pixels 81 % are zero. A tile of the forward product needs only the columns in which one
of its rows has something, two fifths of them, and a tile of the gradient only the examples in which
one of its pixels is lit, a little more than a quarter. Zero times a weight adds nothing: the sums
are the same, bit for bit. A list is its length, followed by the numbers of what is lit.

Larger tiles would read less from the cache for each multiplication, smaller ones would skip more:
four by four is best on the processors that were tried.
"""

from __future__ import annotations

from handloom.loom.arena import Arena
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import kernel
from handloom.loom.language.value import INT, Pointer, Value
from handloom.loom.piece import Stage, Step
from handloom.loom.tensor import Tensor

TILE = 4
"""Pixels whose gradients are computed together: few, so that they are often dark together."""
ROWS = 4
"""Examples that are multiplied together, for the same reason."""


@kernel
def lit_columns(
    e: Emitter, x: Pointer, found: Pointer, marks: Pointer, *, row: int, rows: int, columns: int
) -> None:
    """List the columns of x, `rows` rows, that are not all zero; `marks` is room for a row."""
    bits = e.program.bits
    numbers, marked = Pointer(e, x.ir, bits), Pointer(e, marks.ir, bits)
    for c in e.range(0, columns, e.lanes):
        any_bit = numbers.vector(c)
        for m in range(1, rows):
            any_bit = any_bit | numbers.vector(c + m * row)
        marked[c] = any_bit
    count = [e.lift(0)]
    for c in e.range(0, columns, 1, count):
        found[count[0] + 1] = c
        count[0] = count[0] + e.where(marked[c].equals(0), e.lift(0), 1)
    found[0] = count[0]


@kernel
def lit_rows(e: Emitter, x: Pointer, found: Pointer, depth: Value, *, row: int) -> None:
    """List the rows of x, `depth` rows, in which one of the first TILE columns is not zero."""
    bits = e.program.bits
    words = TILE * bits.width // 64
    numbers = Pointer(e, x.ir, INT)
    count = [e.lift(0)]
    for k in e.range(0, depth, 1, count):
        first = k * (row * bits.width // 64)
        any_bit = numbers[first]
        for word in range(1, words):
            any_bit = any_bit | numbers[first + word]
        found[count[0] + 1] = k
        count[0] = count[0] + e.where(any_bit.equals(0), e.lift(0), 1)
    found[0] = count[0]


class Lit:
    """The lists of one tensor of rows, made anew in every step."""

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor
        self.sizes = tensor.sizes
        (self.features,) = tensor.shape
        self.tiles = -(-self.features // TILE)

    def allocate(self, arena: Arena) -> None:
        """Room for both kinds of lists; their numbers are 8 bytes long."""
        self._in_a_number = 8 // arena.dtype.itemsize
        self._line = arena.line
        groups = self.sizes.groups * (self.sizes.group // self.sizes.tile_rows)
        self._columns = arena.work.take(groups * self._column_size)
        self._marks = arena.scratch.take(self.sizes.row)
        if self.sizes.training:
            self._rows = arena.work.take(self.tiles * self._row_size)

    @property
    def _column_size(self) -> int:
        return (self.sizes.row + self._line) * self._in_a_number

    @property
    def _row_size(self) -> int:
        return (self.sizes.batch + self._line) * self._in_a_number

    def columns(self, step: Step, tile: Value) -> Pointer:
        """The list of a tile of examples."""
        return _integers(step.at(self._columns, tile, self._column_size))

    def rows(self, step: Step, tile: Value) -> Pointer:
        """The list of a tile of pixels."""
        return _integers(step.at(self._rows, tile, self._row_size))

    def by_group(self) -> Stage:
        """Make the lists of columns, for each tile of examples."""

        def emit(step: Step, group: Value) -> None:
            row, rows = self.sizes.row, self.sizes.tile_rows
            tiles = self.sizes.group // rows
            for tile in step.e.range(tiles):
                lit_columns(
                    step.e,
                    step.values(self.tensor, group) + tile * (rows * row),
                    self.columns(step, group * tiles + tile),
                    step.at(self._marks),
                    row=row,
                    rows=rows,
                    columns=self.features,
                )

        return Stage("find lit pixels", emit)

    def by_pixels(self) -> Stage:
        """Make the lists of rows, for each tile of pixels."""

        def emit(step: Step) -> None:
            for tile in step.team.share(self.tiles):
                lit_rows(
                    step.e,
                    step.values(self.tensor, 0) + tile * TILE,
                    self.rows(step, tile),
                    self.sizes.batch,
                    row=self.sizes.row,
                )

        return Stage("find lit examples", emit, by_group=False, meets=True)


def _integers(numbers: Pointer) -> Pointer:
    return Pointer(numbers.e, numbers.ir, INT)
