"""The matrix product that every dense layer spends its time in, one register tile at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import Machine
from handloom.loom.language.value import Index, Pointer, Value


def product(
    e: Emitter,
    a: Pointer,
    a_row: Index,
    a_step: Index,
    b: Pointer,
    b_step: Index,
    depth: Index,
    *,
    rows: int,
    columns: Sequence[int],
    unroll: int = 4,
    chosen: Pointer | None = None,
    each_turn: Callable[[Value], None] | None = None,
) -> list[Value]:
    """totals[m · len(columns) + n] = Σ_k a[m, k] · b[k, columns[n] : columns[n] + lanes].

    a[m, k] lies at a[m · a_row + k · a_step], row k of b at b + k · b_step. k runs through
    range(depth), or through chosen[0], ..., chosen[depth - 1]: then the others are known to be
    zeros in a. All sums stay in registers for the whole loop; a turn loads a vector of b for each
    of `columns` and repeats one number of a in all lanes for each row. What becomes of the sums is
    the caller's affair: that is how bias, activation and update cost no pass over memory.
    """
    width = len(columns)
    totals = [e.zero] * (rows * width)
    for turn in e.unrolled(depth, unroll, totals):
        e.keep_order()
        k = turn if chosen is None else chosen[turn]
        left_column, right_row = a + k * a_step, b + k * b_step
        right = [right_row.vector(column) for column in columns]
        if each_turn:
            each_turn(turn)
        for m in range(rows):
            left = e.splat(left_column[m * a_row])
            for n in range(width):
                totals[m * width + n] = totals[m * width + n] + left * right[n]
    return totals


def best_rows(machine: Machine, count: int, vectors: int = 2) -> int:
    """Rows of a tile so that tiles cover `count` rows with the least work.

    A tile costs about its rows plus two: loading b, starting and ending the loop.
    """
    most = machine.tile_rows(vectors)
    return min(range(1, most + 1), key=lambda rows: (-(-count // rows) * (rows + 2), -rows))
