"""The matrix product that every dense layer spends its time in, one register tile at a time."""

from __future__ import annotations

from collections.abc import Callable

from handloom.loom.emitter import Emitter
from handloom.loom.machine import Machine
from handloom.loom.value import Index, Pointer, Value


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
    vectors: int,
    unroll: int = 4,
    each_turn: Callable[[Value], None] | None = None,
) -> list[Value]:
    """totals[m · vectors + n] = Σ_k a[m, k] · b[k, n-th vector of columns].

    a[m, k] lies at a[m · a_row + k · a_step], row k of b at b + k · b_step. All rows · vectors sums
    stay in registers for the whole loop; a turn loads `vectors` vectors of b and repeats one number
    of a in all lanes for each row. What becomes of the sums is the caller's affair: that is how
    bias, activation and update cost no pass over memory of their own.
    """
    totals = [e.zero] * (rows * vectors)
    for k in e.unrolled(depth, unroll, totals):
        right = [b.vector(k * b_step + n * e.lanes) for n in range(vectors)]
        if each_turn:
            each_turn(k)
        for m in range(rows):
            left = e.splat(a[m * a_row + k * a_step])
            for n in range(vectors):
                totals[m * vectors + n] = totals[m * vectors + n] + left * right[n]
    return totals


def best_rows(machine: Machine, count: int, vectors: int = 2) -> int:
    """Rows of a tile so that tiles cover `count` rows with the least work.

    A tile costs about its rows plus two: loading b, starting and ending the loop.
    """
    most = machine.tile_rows(vectors)
    return min(range(1, most + 1), key=lambda rows: (-(-count // rows) * (rows + 2), -rows))
