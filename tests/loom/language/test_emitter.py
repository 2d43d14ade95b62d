"""Everything an emitter can write, against NumPy: in both precisions, for each kind of machine."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from emitted import DTYPES, both_reals, every_machine, run
from llvmlite import ir

from handloom._typing import AnyArray
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import Machine
from handloom.loom.language.program import Real
from handloom.loom.language.value import INT, INT32, Pointer, Value

pytestmark = [every_machine, both_reals]

ODD = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 1e-30, 3.5, -2.5]


def pairs(real: Real, machine: Machine) -> tuple[AnyArray, AnyArray]:
    """All pairs of odd numbers, filled up to whole vectors."""
    a, b = (m.ravel() for m in np.meshgrid(ODD, ODD))
    size = -(-a.size // machine.lanes(real)) * machine.lanes(real)
    return np.resize(a, size).astype(DTYPES[real]), np.resize(b, size).astype(DTYPES[real])


def each_vector(e: Emitter, size: int) -> Iterator[Value]:
    yield from e.range(0, size, e.lanes)


BINARY: dict[str, tuple[Callable[[Emitter, Any, Any], Value], Callable[..., AnyArray]]] = {
    "add": (lambda e, a, b: a + b, np.add),
    "subtract": (lambda e, a, b: a - b, np.subtract),
    "multiply": (lambda e, a, b: a * b, np.multiply),
    "divide": (lambda e, a, b: a / b, np.divide),
    "2 + a": (lambda e, a, b: 2.0 + a, lambda a, b: 2 + a),
    "2 - a": (lambda e, a, b: 2.0 - a, lambda a, b: 2 - a),
    "3 a": (lambda e, a, b: 3 * a, lambda a, b: 3 * a),
    "1 / a": (lambda e, a, b: 1.0 / a, lambda a, b: 1 / a),
    "larger": (lambda e, a, b: e.max(a, b), lambda a, b: np.where(a > b, a, b)),
    "smaller": (lambda e, a, b: e.min(a, b), lambda a, b: np.where(a < b, a, b)),
    "larger than 0": (lambda e, a, b: e.max(a, 0.0), lambda a, b: np.where(a > 0, a, 0)),
    "0 or larger": (lambda e, a, b: e.max(0.0, a), lambda a, b: np.where(a < 0, 0, a)),
    "<": (lambda e, a, b: e.where(a < b, 1.0, 0.0), np.less),
    "<=": (lambda e, a, b: e.where(a <= b, 1.0, 0.0), np.less_equal),
    ">": (lambda e, a, b: e.where(a > b, 1.0, 0.0), np.greater),
    ">=": (lambda e, a, b: e.where(a >= b, 1.0, 0.0), np.greater_equal),
    "equals": (lambda e, a, b: e.where(a.equals(b), 1.0, 0.0), np.equal),
    "both": (
        lambda e, a, b: e.where((a < b) & (b > 0.0), a, b),
        lambda a, b: np.where((a < b) & (b > 0), a, b),
    ),
    "either": (
        lambda e, a, b: e.where((a < b) | (b > 0.0), a, b),
        lambda a, b: np.where((a < b) | (b > 0), a, b),
    ),
    "where": (lambda e, a, b: e.where(a > 0.0, a, -1.5), lambda a, b: np.where(a > 0, a, -1.5)),
}


def test_arithmetic_of_vectors_and_scalars(machine: Machine, real: Real) -> None:
    """NaN, infinities and signed zeros included."""
    a, b = pairs(real, machine)
    size = a.size
    vectors, scalars = np.empty((2, len(BINARY), size), a.dtype)

    def body(e: Emitter, a: Pointer, b: Pointer, vectors: Pointer, scalars: Pointer) -> None:
        for n, (emit, _) in enumerate(BINARY.values()):
            for i in each_vector(e, size):
                vectors[n * size + i] = emit(e, a.vector(i), b.vector(i))
            for i in e.range(size):
                scalars[n * size + i] = emit(e, a[i], b[i])

    run(machine, real, body, a, b, vectors, scalars)
    for n, (name, (_, expected)) in enumerate(BINARY.items()):
        with np.errstate(all="ignore"):
            right = np.asarray(expected(a, b), a.dtype)
        zeros = right == 0
        for found in (vectors[n], scalars[n]):
            np.testing.assert_array_equal(found, right, err_msg=name)
            assert (np.signbit(found[zeros]) == np.signbit(right[zeros])).all(), name


def test_a_product_and_a_sum_are_one_instruction_where_there_is_one(
    machine: Machine, real: Real, rng: np.random.Generator
) -> None:
    a, b, c = rng.standard_normal((3, machine.lanes(real))).astype(DTYPES[real])
    c = (-a * b).astype(a.dtype)
    found = np.empty_like(a)

    def body(e: Emitter, a: Pointer, b: Pointer, c: Pointer, found: Pointer) -> None:
        found[0] = a.vector() * b.vector() + c.vector()

    run(machine, real, body, a, b, c, found)
    fuses = machine.cpu != "x86-64"
    for x, y, z, one in zip(a, b, c, found, strict=True):
        exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
        assert one == (a.dtype.type(exact) if fuses else 0.0)


def test_roots_are_exact(machine: Machine, real: Real, rng: np.random.Generator) -> None:
    x = rng.exponential(10, 4 * machine.lanes(real)).astype(DTYPES[real])
    vectors, scalars = np.empty_like(x), np.empty_like(x)

    def body(e: Emitter, x: Pointer, vectors: Pointer, scalars: Pointer) -> None:
        for i in each_vector(e, size):
            vectors[i] = e.sqrt(x.vector(i))
        for i in e.range(size):
            scalars[i] = e.sqrt(x[i])

    size = x.size
    run(machine, real, body, x, vectors, scalars)
    np.testing.assert_array_equal(vectors, np.sqrt(x))
    np.testing.assert_array_equal(scalars, np.sqrt(x))


INTEGERS: dict[str, tuple[Callable[[Any, Any], Value], Callable[[Any, Any], AnyArray]]] = {
    "+": (operator.add, np.add),
    "-": (operator.sub, np.subtract),
    "*": (operator.mul, np.multiply),
    "&": (operator.and_, np.bitwise_and),
    "|": (operator.or_, np.bitwise_or),
    "^": (operator.xor, np.bitwise_xor),
    "7 - 2 a": (lambda a, b: 7 - 2 * a, lambda a, b: 7 - 2 * a),
    "//": (lambda a, b: a // 7, lambda a, b: np.fix(a / 7).astype(np.int64)),
    "%": (lambda a, b: a % 7, lambda a, b: np.fmod(a, 7)),
    ">>": (lambda a, b: a >> 3, lambda a, b: (a.view(np.uint64) >> np.uint64(3)).view(np.int64)),
    "<": (lambda a, b: a.e.where(a < b, a, b), np.minimum),
}


def test_arithmetic_of_integers(machine: Machine, real: Real, rng: np.random.Generator) -> None:
    """Division cuts towards zero, as the processor's does; the shift brings zeros."""
    a, b = rng.integers(-1000, 1000, (2, 50))
    found = np.empty((len(INTEGERS), 50), np.int64)

    def body(e: Emitter, a: Pointer, b: Pointer, found: Pointer) -> None:
        for n, (emit, _) in enumerate(INTEGERS.values()):
            for i in e.range(50):
                found[n * 50 + i] = emit(a[i], b[i])

    run(machine, real, body, a, b, found)
    for n, (name, (_, expected)) in enumerate(INTEGERS.items()):
        np.testing.assert_array_equal(found[n], expected(a, b), err_msg=name)


def test_shifts_and_bits_of_numbers(machine: Machine, real: Real, rng: np.random.Generator) -> None:
    """A power of two, made in the exponent's bits; and a sign, found by shifting."""
    size, mantissa, bias = (32, 23, 127) if real == "float" else (64, 52, 1023)
    kind = ir.IntType(size)
    k = rng.integers(-20, 20, 2 * machine.lanes(real)).astype(f"i{size // 8}")
    powers, signs = np.empty(k.size, DTYPES[real]), np.empty_like(k)

    def body(e: Emitter, k: Pointer, powers: Pointer, signs: Pointer) -> None:
        for i in each_vector(e, signs_size):
            whole = k.vector(i)
            powers[i] = e.bits_as(e.shift_left(whole + bias, mantissa), e.real)
            signs[i] = e.shift_right(whole, size - 1)
        last = k[signs_size - 1]
        powers[signs_size - 1] = e.bits_as(e.shift_left(last + bias, mantissa), e.real)
        bits = e.bits_as(powers[signs_size - 1], kind)
        signs[signs_size - 1] = e.shift_right(bits, mantissa) - bias

    signs_size = k.size
    run(machine, real, body, k, powers, signs)
    np.testing.assert_array_equal(powers, 2.0**k)
    np.testing.assert_array_equal(signs[:-1], -(k[:-1] < 0).astype(k.dtype))
    assert signs[-1] == k[-1]


def test_bytes_become_numbers(machine: Machine, real: Real) -> None:
    pixels = np.arange(256, dtype=np.uint8)
    vectors, scalars = np.empty(256, DTYPES[real]), np.empty(256, DTYPES[real])

    def body(e: Emitter, pixels: Pointer, vectors: Pointer, scalars: Pointer) -> None:
        for i in each_vector(e, 256):
            vectors[i] = e.convert(pixels.vector(i), "uitofp", e.real) * 0.5
        for i in e.range(256):
            scalars[i] = e.convert(pixels[i], "uitofp", e.real) * 0.5

    run(machine, real, body, pixels, vectors, scalars)
    np.testing.assert_array_equal(vectors, np.arange(256) / 2)
    np.testing.assert_array_equal(scalars, np.arange(256) / 2)


def test_numbers_become_integers_and_back(machine: Machine, real: Real) -> None:
    x = np.linspace(-100, 100, 16 * machine.lanes(real)).astype(DTYPES[real])
    there, back = np.empty(x.size, np.int64), np.empty_like(x)

    def body(e: Emitter, x: Pointer, there: Pointer, back: Pointer) -> None:
        for i in e.range(size):
            there[i] = e.convert(x[i], "fptosi", INT)
        for i in each_vector(e, size):
            whole = e.convert(x.vector(i), "fptosi", INT32)
            back[i] = e.convert(whole, "sitofp", e.real)

    size = x.size
    run(machine, real, body, x, there, back)
    np.testing.assert_array_equal(there, x.astype(np.int64))
    np.testing.assert_array_equal(back, np.trunc(x))


def test_lanes_are_added_and_compared(
    machine: Machine, real: Real, rng: np.random.Generator
) -> None:
    rows = rng.standard_normal((9, machine.lanes(real))).astype(DTYPES[real])
    found = np.empty((9, 3), rows.dtype)

    def body(e: Emitter, rows: Pointer, found: Pointer) -> None:
        for i in e.range(9):
            row = rows.vector(i * e.lanes)
            found[i * 3] = e.lane_sum(row)
            found[i * 3 + 1] = e.lane_max(row)
            found[i * 3 + 2] = e.lane_min(row)

    run(machine, real, body, rows, found)
    exact = rows.astype(np.longdouble).sum(axis=1)
    assert (abs(found[:, 0] - exact) <= 4 * np.finfo(rows.dtype).eps * abs(rows).sum(axis=1)).all()
    np.testing.assert_array_equal(found[:, 1], rows.max(axis=1))
    np.testing.assert_array_equal(found[:, 2], rows.min(axis=1))


def test_what_holds_in_some_lane(machine: Machine, real: Real) -> None:
    rows = np.zeros((3, machine.lanes(real)), DTYPES[real])
    rows[1, -1] = rows[2] = 1.0
    found = np.empty(3, rows.dtype)

    def body(e: Emitter, rows: Pointer, found: Pointer) -> None:
        for i in range(3):
            row = rows.vector(i * e.lanes)
            found[i] = e.where(e.some(row > 0.5), e.number(1.0), 0.0)

    run(machine, real, body, rows, found)
    np.testing.assert_array_equal(found, [0, 1, 1])


def test_a_square_is_transposed(machine: Machine, real: Real) -> None:
    n = machine.lanes(real)
    square = np.arange(n * n, dtype=DTYPES[real]).reshape(n, n)
    turned = np.empty_like(square)

    def body(e: Emitter, square: Pointer, turned: Pointer) -> None:
        rows = [square.vector(i * n) for i in range(n)]
        for i, row in enumerate(e.transpose(rows)):
            turned[i * n] = row

    run(machine, real, body, square, turned)
    np.testing.assert_array_equal(turned, square.T)


def test_lanes_are_shuffled_and_counted(machine: Machine, real: Real) -> None:
    n = machine.lanes(real)
    a = np.arange(2 * n, dtype=DTYPES[real])
    found = np.empty((3, n), a.dtype)
    chosen = [(5 * i + 1) % (2 * n) for i in range(n)]

    def body(e: Emitter, a: Pointer, found: Pointer) -> None:
        found[0] = e.shuffle(a.vector(), a.vector(n), chosen)
        found[n] = e.counting()
        found[2 * n] = e.splat(a[3])

    run(machine, real, body, a, found)
    np.testing.assert_array_equal(found, [chosen, np.arange(n), np.full(n, 3)])


def test_constants_keep_all_their_bits(machine: Machine, real: Real) -> None:
    """Tables that would be mistaken for each other: -1 and -2 have the same hash, 0 equals -0."""
    numbers = [1 / 3, -1.0, -2.0, 0.0, -0.0, 1e-40, np.pi * 1e30, np.inf, -np.inf, np.nan]
    n = machine.lanes(real)
    found = np.empty((3, len(numbers), n), DTYPES[real])

    def body(e: Emitter, found: Pointer) -> None:
        for i, number in enumerate(numbers):
            found[i * n] = e.splat(number)
            found[(len(numbers) + i) * n] = e.splat(e.number(number))
            found[(2 * len(numbers) + i) * n] = e.splat(e.table([number])[0])

    run(machine, real, body, found)
    right = np.array(numbers, DTYPES[real])
    for way in found:
        for lane in way.T:
            np.testing.assert_array_equal(lane, right)
            np.testing.assert_array_equal(np.signbit(lane[:-1]), np.signbit(right[:-1]))


def test_memory_is_read_at_any_element_and_asked_for_ahead(
    machine: Machine, real: Real, rng: np.random.Generator
) -> None:
    x = rng.standard_normal(100).astype(DTYPES[real])
    found = np.zeros(100, x.dtype)

    def body(e: Emitter, x: Pointer, found: Pointer) -> None:
        e.prefetch(x, 50)
        (found + 1)[2] = (x + 3).vector(4)

    run(machine, real, body, x, found)
    n = machine.lanes(real)
    np.testing.assert_array_equal(found[3 : 3 + n], x[7 : 7 + n])
    assert not found[:3].any()
    assert not found[3 + n :].any()


def test_shared_integers_and_the_clock(machine: Machine, real: Real) -> None:
    shared, found = np.array([40], np.int64), np.zeros(4, np.int64)

    def body(e: Emitter, shared: Pointer, found: Pointer) -> None:
        before = e.ticks()
        found[0] = e.atomic_add(shared, 2)
        found[1] = e.atomic_load(shared)
        e.pause()
        e.external(*machine.give_way)
        found[2] = e.ticks() - before

    run(machine, real, body, shared, found)
    assert (shared[0], found[0], found[1]) == (42, 40, 42)
    assert found[2] > 0


def test_only_what_holds_is_done(machine: Machine, real: Real) -> None:
    found = np.zeros(10, np.int64)

    def body(e: Emitter, found: Pointer) -> None:
        for i in e.range(10):
            with e.when(i > 6):
                found[i] = i
                with e.when(i.equals(8)):
                    found[i] = 100

    run(machine, real, body, found)
    np.testing.assert_array_equal(found, [0] * 7 + [7, 100, 9])


def test_kinds_that_do_not_fit_are_refused(machine: Machine, real: Real) -> None:
    def body(e: Emitter, x: Pointer) -> None:
        with pytest.raises(AssertionError, match="no such operation for real numbers"):
            _ = x[0] % 2.0
        with pytest.raises(AssertionError, match="no such operation for integers"):
            _ = e.lift(7) / 2

    run(machine, real, body, np.zeros(8, DTYPES[real]))
