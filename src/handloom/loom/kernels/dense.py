"""A dense layer's three kernels: y = f(x W + b), the errors below it, and the update of W and b.

Weights lie in panels: `width` neighbouring columns (one or two vectors), all rows of them one after
the other. A kernel then reads memory in a straight line, and never packs anything.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from handloom.loom.kernels.activation import Activation
from handloom.loom.kernels.optimizer import Updating
from handloom.loom.kernels.tile import product
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import kernel
from handloom.loom.language.value import Pointer, Value
from handloom.loom.tensor import Arrival

AHEAD = 16  # rows of a panel to ask for before they are needed
SPARSE_AHEAD = 8  # the same, where rows are left out


@kernel
def forward_tile(
    e: Emitter,
    x: Pointer,
    weights: Pointer,
    bias: Pointer,
    y: Pointer,
    depth: Value,
    units: Value,
    *,
    row: int,
    rows: int,
    width: int,
    panels: int,
    panel: int,
    activation: Activation,
) -> None:
    """y = f(x @ weights + bias) for `rows` rows of x and `panels` panels of weights.

    The first `units` columns are units of the layer, the others fill the last panel.
    """
    columns = _columns(e, width, panels, panel)

    def fetch(k: Value) -> None:
        for column in columns:
            e.prefetch(weights, (k + AHEAD) * width + column)

    totals = product(
        e, x, row, 1, weights, width, depth, rows=rows, columns=columns, each_turn=fetch
    )
    _finish(e, totals, bias, y, units, _columns(e, width, panels, width), row, activation)


@kernel
def sparse_tile(
    e: Emitter,
    x: Pointer,
    weights: Pointer,
    bias: Pointer,
    y: Pointer,
    lit: Pointer,
    units: Value,
    *,
    row: int,
    rows: int,
    width: int,
    panels: int,
    panel: int,
    activation: Activation,
) -> None:
    """The same for the columns of x that `lit` lists: the others are zero in all rows."""
    columns = _columns(e, width, panels, panel)

    def fetch(turn: Value) -> None:  # beyond the list stand columns of batches before: no harm
        for column in columns:
            e.prefetch(weights, lit[turn + (1 + SPARSE_AHEAD)] * width + column)

    totals = product(
        e, x, row, 1, weights, width, lit[0],
        rows=rows, columns=columns, chosen=lit + 1, each_turn=fetch,
    )  # fmt: skip
    _finish(e, totals, bias, y, units, _columns(e, width, panels, width), row, activation)


def _columns(e: Emitter, width: int, panels: int, panel: int) -> list[int]:
    """Where each vector of some panels begins, if they lie `panel` numbers apart."""
    return [p * panel + v for p in range(panels) for v in range(0, width, e.lanes)]


def _finish(
    e: Emitter,
    totals: list[Value],
    bias: Pointer,
    y: Pointer,
    units: Value,
    columns: Sequence[int],
    row: int,
    activation: Activation,
) -> None:
    """The epilogue of both: bias and activation, while the sums are in registers.

    Columns that are no units stay zero, for their weights must not move.
    """
    for i, total in enumerate(totals):
        m, column = i // len(columns), columns[i % len(columns)]
        out = activation.output(e, total + bias.vector(column))
        if not activation.keeps_zero:
            left = e.splat(e.convert(units - column, "sitofp", e.real))
            out = e.where(e.counting() < left, out, 0.0)
        y[m * row + column] = out


@kernel
def error_tile(
    e: Emitter,
    errors: Pointer,
    turned: Pointer,
    y: Pointer,
    below: Pointer,
    depth: Value,
    *,
    row: int,
    rows: int,
    width: int,
    arrival: Arrival,
) -> None:
    """below = errors @ weights.T, delivered to the tensor whose values are y."""
    columns = range(0, width, e.lanes)
    totals = product(e, errors, row, 1, turned, width, depth, rows=rows, columns=columns, unroll=2)
    for i, total in enumerate(totals):
        place = i // len(columns) * row + columns[i % len(columns)]
        arrival.store(e, below, place, total, y + place)


@kernel
def update_tile(
    e: Emitter,
    x: Pointer,
    errors: Pointer,
    weights: Pointer,
    settings: Pointer,
    square: Pointer,
    depth: Value,
    *,
    row: int,
    rows: int,
    width: int,
    how: Updating,
) -> None:
    """The gradient x.T @ errors for a tile of weights, and at once their update."""
    totals = product(
        e, x, 1, row, errors, row, depth,
        rows=rows, columns=range(0, width, e.lanes), each_turn=_fetch_weights(e, weights, how, 1),
    )  # fmt: skip
    _update(e, totals, weights, settings, square, how)


@kernel
def sparse_update_tile(
    e: Emitter,
    x: Pointer,
    errors: Pointer,
    weights: Pointer,
    settings: Pointer,
    square: Pointer,
    lit: Pointer,
    *,
    row: int,
    rows: int,
    width: int,
    how: Updating,
) -> None:
    """The same from the rows of x that `lit` lists: the others are zero in this tile."""
    totals = product(
        e, x, 1, row, errors, row, lit[0],
        rows=rows, columns=range(0, width, e.lanes), chosen=lit + 1,
        each_turn=_fetch_weights(e, weights, how, 2),
    )  # fmt: skip
    _update(e, totals, weights, settings, square, how)


def _fetch_weights(
    e: Emitter, weights: Pointer, how: Updating, lines: int
) -> Callable[[Value], None]:
    """Ask, a few lines a turn, for the weights and states that the end of a kernel will need."""

    def fetch(turn: Value) -> None:
        for line in range(lines):
            for s in range(1 + how.states):
                e.prefetch(weights, (turn * lines + line) * e.lanes + s * how.distance)

    return fetch


def _update(
    e: Emitter,
    gradients: list[Value],
    weights: Pointer,
    settings: Pointer,
    square: Pointer,
    how: Updating,
) -> None:
    """The epilogue of both: the optimizer's rule, while the gradients are in registers."""
    update = how.begin(e, settings)
    for i, gradient in enumerate(gradients):
        update(weights, i * e.lanes, gradient)
    update.finish(square)


@kernel
def update_bias(
    e: Emitter,
    errors: Pointer,
    bias: Pointer,
    settings: Pointer,
    square: Pointer,
    depth: Value,
    *,
    row: int,
    how: Updating,
) -> None:
    """The sum of the errors over all rows for a vector of the bias, and at once its update."""
    total = [e.zero]
    for k in e.range(0, depth, 1, total):
        total[0] = total[0] + errors.vector(k * row)
    update = how.begin(e, settings)
    update(bias, 0, total[0])
    update.finish(square)


@kernel
def turn(e: Emitter, panel: Pointer, turned: Pointer, *, columns: int, width: int) -> None:
    """Rows of a panel of weights as columns of a panel of the transposed weights."""
    lanes = e.lanes
    for i in e.range(0, width, lanes):
        for c in e.range(0, columns, lanes):
            square = [panel.vector((i + row) * columns + c) for row in range(lanes)]
            for column, vector in enumerate(e.transpose(square)):
                turned[(c + column) * width + i] = vector
