"""Native loops, written by Python's own for."""

from __future__ import annotations

import numpy as np
import pytest
from emitted import machines, run

from handloom._typing import AnyArray
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.value import Pointer, Value

HOST = machines()[0]
BOUNDS = [(0, 0), (0, 1), (0, 7), (3, 3), (3, 4), (3, 20), (5, 2), (-4, 3)]


def noted(numbers: AnyArray) -> list[int]:
    """What a body has written by `note`."""
    return numbers[1 : 1 + numbers[0]].tolist()


def note(numbers: Pointer, value: Value) -> None:
    """Append an integer: numbers[0] counts them."""
    count = numbers[0] + 1
    numbers[count] = value
    numbers[0] = count


@pytest.mark.parametrize("step", [1, 3, 16])
def test_a_range_counts_as_pythons_does(step: int) -> None:
    """Its bounds known when the code is written, or only when it runs."""
    found = np.zeros((2, len(BOUNDS), 32), np.int64)
    bounds = np.array(BOUNDS)

    def body(e: Emitter, bounds: Pointer, found: Pointer) -> None:
        for n, (start, stop) in enumerate(BOUNDS):
            for i in e.range(start, stop, step):
                note(found + n * 32, i)
            for i in e.range(bounds[2 * n], bounds[2 * n + 1], step):
                note(found + (len(BOUNDS) + n) * 32, i)

    run(HOST, "float", body, bounds, found)
    for way in found:
        assert [noted(row) for row in way] == [list(range(*b, step)) for b in BOUNDS]


def test_a_loop_carries_values() -> None:
    """Fibonacci's numbers: each turn changes two values, which go on after the loop."""
    found = np.zeros(3, np.int64)

    def body(e: Emitter, found: Pointer) -> None:
        pair = [e.lift(0), e.lift(1)]
        for _ in e.range(0, 30, 1, pair):
            pair[:] = [pair[1], pair[0] + pair[1]]
        found[0], found[1] = pair[0], pair[1]
        same = [e.lift(7)]
        for _ in e.range(0, 0, 1, same):
            same[0] = same[0] + 1
        found[2] = same[0]

    run(HOST, "float", body, found)
    assert found.tolist() == [832040, 1346269, 7]


def test_loops_nest_and_carry_pointers_and_vectors() -> None:
    n = HOST.lanes("double")
    matrix = np.arange(6.0 * n).reshape(6, n)
    total = np.zeros(n)

    def body(e: Emitter, matrix: Pointer, total: Pointer) -> None:
        state = [e.zero, matrix]
        for i in e.range(0, 3, 1, state):
            for _ in e.range(0, i, 1, state):
                state[0] = state[0] + state[1].vector()
                state[1] = state[1] + n
        total[0] = state[0]

    run(HOST, "double", body, matrix, total)
    np.testing.assert_array_equal(total, matrix[: 0 + 1 + 2].sum(axis=0))


@pytest.mark.parametrize("factor", [1, 2, 4, 5])
def test_an_unrolled_loop_does_the_same_in_the_same_order(factor: int) -> None:
    counts = np.arange(12)
    found = np.zeros((2, 12, 16), np.int64)
    sums = np.zeros((2, 12), np.int64)

    def body(e: Emitter, counts: Pointer, found: Pointer, sums: Pointer) -> None:
        for n in range(12):
            for way, count in enumerate((n, counts[n])):
                total = [e.lift(0)]
                for i in e.unrolled(count, factor, total):
                    note(found + (way * 12 + n) * 16, i)
                    total[0] = total[0] * 2 + i
                sums[way * 12 + n] = total[0]

    run(HOST, "float", body, counts, found, sums)
    for way in range(2):
        assert [noted(row) for row in found[way]] == [list(range(n)) for n in range(12)]
        right = [sum(i << (n - 1 - i) for i in range(n)) for n in range(12)]
        assert sums[way].tolist() == right


def test_a_loop_goes_on_while_its_test_holds() -> None:
    """Collatz: the number of turns is known to nobody."""
    starts = np.array([1, 6, 27])
    turns = np.zeros(3, np.int64)

    def body(e: Emitter, starts: Pointer, turns: Pointer) -> None:
        for j in range(3):
            state = [starts[j], e.lift(0)]
            for _ in e.repeat(lambda state=state: state[0] > 1, state):
                n = state[0]
                state[0] = e.where((n & 1).equals(0), n // 2, 3 * n + 1)
                state[1] = state[1] + 1
            turns[j] = state[1]

    run(HOST, "float", body, starts, turns)
    assert turns.tolist() == [0, 8, 111]
