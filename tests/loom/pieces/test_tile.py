"""The matrix product in registers, against NumPy's."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from covering import covering
from emitted import DTYPES, every_machine, machines, native
from harness import HOST

from handloom._typing import AnyArray
from handloom.loom.kernels.tile import best_rows, product
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import Machine
from handloom.loom.language.program import Real
from handloom.loom.language.value import Pointer, Value


class Case(NamedTuple):
    """`rows` of a times `vectors` vectors of b, over `depth` products."""

    rows: int
    vectors: int
    depth: int
    unroll: int = 4


CASES = [
    Case(1, 1, 1), Case(1, 2, 7), Case(3, 2, 8), Case(6, 1, 5, 2), Case(14, 2, 13), Case(4, 1, 0),
]  # fmt: skip


@covering(
    machine={machine.cpu: machine for machine in machines()},
    real={real: real for real in DTYPES},
    chosen={"all": False, "chosen": True},
    known={"run time": False, "constant": True},
)
def test_a_tile_is_a_matrix_product(
    machine: Machine, real: Real, chosen: bool, known: bool, rng: np.random.Generator
) -> None:
    """All cases in one program: depths known while it is written or only when it runs; all of k,
    or what a list names."""
    lanes = machine.lanes(real)
    widest = max(case.vectors for case in CASES) * (lanes + 3)
    a = rng.normal(size=(14, 13)).astype(DTYPES[real])
    b = rng.normal(size=(13, widest)).astype(DTYPES[real])
    found = np.zeros((len(CASES), 14, widest), DTYPES[real])
    lists = [sorted(rng.permutation(13)[: case.depth].tolist()) for case in CASES]
    list_of_all = np.zeros((len(CASES), 13), np.int64)
    for row, some in zip(list_of_all, lists, strict=True):
        row[: len(some)] = some
    depths = np.array([case.depth for case in CASES])

    def body(
        e: Emitter, a: Pointer, b: Pointer, found: Pointer, some: Pointer, depths: Pointer
    ) -> None:
        for n, case in enumerate(CASES):
            columns = [v * (lanes + 3) for v in range(case.vectors)]  # apart, as in two panels
            totals = product(
                e, a, 13, 1, b, widest, case.depth if known else depths[n],
                rows=case.rows, columns=columns, unroll=case.unroll,
                chosen=some + n * 13 if chosen else None,
            )  # fmt: skip
            for m in range(case.rows):
                for column, total in zip(columns, totals[m * case.vectors :], strict=False):
                    found[(n * 14 + m) * widest + column] = total

    native(machine, real, body)(a, b, found, list_of_all, depths)
    for n, case in enumerate(CASES):
        k = lists[n] if chosen else np.arange(case.depth)
        right = a[: case.rows, k].astype(float) @ b[k].astype(float)
        for v in range(case.vectors):
            column = slice(v * (lanes + 3), v * (lanes + 3) + lanes)
            close(found[n, : case.rows, column], right[:, column], str(case))


def close(found: AnyArray, right: AnyArray, what: str) -> None:
    tolerance = {"float32": 1e-5, "float64": 1e-12}[found.dtype.name]
    np.testing.assert_allclose(found, right, rtol=tolerance, atol=tolerance, err_msg=what)


def test_what_is_left_out_was_zero(rng: np.random.Generator) -> None:
    """The product over a list of what is not zero has the same bits as that over everything."""
    machine, lanes = HOST, HOST.lanes("float")
    a = rng.normal(size=(6, 50)).astype(np.float32)
    a[:, rng.random(50) < 0.7] = 0
    lit = np.flatnonzero(a.any(axis=0))
    b = rng.normal(size=(50, lanes)).astype(np.float32)
    found = np.empty((2, 6, lanes), np.float32)

    def body(e: Emitter, count: Pointer, a: Pointer, b: Pointer, y: Pointer, lit: Pointer) -> None:
        whole = product(e, a, 50, 1, b, lanes, 50, rows=6, columns=[0])
        some = product(e, a, 50, 1, b, lanes, count, rows=6, columns=[0], chosen=lit)
        for i, total in enumerate((*whole, *some)):
            y[i * lanes] = total

    native(machine, "float", body)(len(lit), a, b, found, lit)
    np.testing.assert_array_equal(found[1], found[0])


def test_each_turn_is_told_its_k() -> None:
    seen = np.zeros(11, np.int64)

    def body(e: Emitter, a: Pointer, seen: Pointer) -> None:
        def mark(k: Value) -> None:
            seen[k] = seen[k] + 1

        product(e, a, 0, 0, a, 0, 10, rows=1, columns=[0], each_turn=mark)

    native(HOST, "double", body)(np.zeros(64), seen)
    np.testing.assert_array_equal(seen, [1] * 10 + [0])


@every_machine
@pytest.mark.parametrize("vectors", [1, 2])
def test_tiles_of_the_best_size_cover_all_rows_with_the_least_work(
    machine: Machine, vectors: int
) -> None:
    most = machine.tile_rows(vectors)
    assert vectors * most + vectors + 1 <= machine.registers
    assert best_rows(machine, 1, vectors) == 1
    assert best_rows(machine, most, vectors) == most

    def work(count: int, rows: int) -> int:
        return -(-count // rows) * (rows + 2)

    for count in range(1, 200):
        rows = best_rows(machine, count, vectors)
        assert 1 <= rows <= most
        assert all(work(count, rows) <= work(count, other) for other in range(1, most + 1))
