"""Winograd's transforms for convolutions of r x r taps by tiles of m x m pixels.

A tile of the result, and the n x n pixels that it depends on, n = m + r - 1, stand for values of
polynomials at n points, 0, 1, -1, 2, -2, ... and ∞: there a convolution is n² products, where the
plain sum has (m r)². For n = 6 that is 36 instead of 144 for F(4x4, 3x3), for n = 8 it is 64
instead of 400 for F(4x4, 5x5). With g the kernel (r, r), d the pixels (n, n), E the errors of the
tile (m, m), ∘ number by number:

    y = Aᵀ [(G g Gᵀ) ∘ (Bᵀ d B)] A        ∂loss/∂g = Gᵀ [(A E Aᵀ) ∘ (Bᵀ d B)] G
                                          ∂loss/∂d = B [(G g Gᵀ) ∘ (A E Aᵀ)] Bᵀ

Source: Lavin & Gray, "Fast algorithms for convolutional neural networks", 2016, sec. 4.3, for the
first with n = 6, r = 3. The derivatives are the same trilinear form of g, d and E, seen as a
function of g and of d. For all r the points are the same, and so is B; A and G hold their powers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

import numpy as np

from handloom._typing import FloatArray

FINITE = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
"""The points but for ∞; an even number of points is taken from the front. Each is a power of two:
multiplying by it loses nothing."""


@cache
def powers(points: int, count: int) -> FloatArray:
    """1, x, x², ... of each point, (points, count); at ∞ the highest power is all that counts."""
    finite = np.vander(FINITE[: points - 1], count, increasing=True)
    return np.vstack([finite, np.eye(count)[-1]])


@cache
def of_pixels(points: int) -> FloatArray:
    """Bᵀ (points, points): the coefficients of Π (t - x), x all finite points but the row's own."""
    finite = FINITE[: points - 1]
    rows = [np.poly([y for y in finite if y != x])[::-1] for x in finite]
    return np.vstack([*(np.append(row, 0) for row in rows), np.poly(finite)[::-1]])


@cache
def of_weights(points: int, taps: int) -> FloatArray:
    """G (points, taps): powers, each over Π (x - other x), Lagrange's denominators."""
    finite = FINITE[: points - 1]
    below = [np.prod([x - y for y in finite if y != x]) for x in finite]
    return powers(points, taps) / np.array([*below, 1.0])[:, None]


TILE = 4  # pixels of the result on each side, where kernels are 3x3
POINTS = 6  # on each side of a transformed tile, where kernels are 3x3
PRODUCTS = POINTS * POINTS
ALL_PIXELS = POINTS + 1
"""The product, of 36, of the points 1 and 1: there A E Aᵀ is the sum of a tile's errors."""
BT, G, AT = of_pixels(POINTS), of_weights(POINTS, 3), powers(POINTS, TILE).T


HELD = 20
"""Numbers between the two products with a matrix that are kept in registers, at most."""


def transform(matrix: FloatArray, at: Any) -> Iterator[tuple[int, list[Any]]]:
    """The rows of matrix · x · matrixᵀ with their numbers; at(i, j) gives x[i, j].

    A part of the rows at a time: they fit into the registers, and reading x once more costs less
    than putting what has no room aside.
    """
    columns = matrix.shape[1]
    for part in _parts(matrix):
        turned = [
            multiply(matrix, [at(i, j) for i in range(columns)], part) for j in range(columns)
        ]
        for i, row in zip(part, zip(*turned, strict=True), strict=True):
            yield i, multiply(matrix, row)


def _parts(matrix: FloatArray) -> Sequence[Sequence[int]]:
    """Rows that are computed together, as many as share most of their sums."""
    rows, columns = matrix.shape
    if _has_pairs(matrix):
        return ((0, 1, 2), (3, 4, 5)) if rows == 6 else ((0, 7), (1, 2), (3, 4), (5, 6))
    if rows == 2:
        return ((0, 1),)
    # Even rows take the sums of pairs, odd ones their differences.
    most = HELD // columns
    halves = range(0, rows, 2), range(1, rows, 2)
    return [half[i : i + most] for half in halves for i in range(0, len(half), most)]


def row_of(matrix: FloatArray, i: int, at: Any) -> list[Any]:
    """One row of matrix · x · matrixᵀ, by itself."""
    rows, columns = range(matrix.shape[1]), range(matrix.shape[1])
    turned = [_combine(matrix[i], [at(k, j) for k in rows]) for j in columns]
    return multiply(matrix, turned)


def multiply(
    matrix: FloatArray, vector: Sequence[Any], rows: Sequence[int] | None = None
) -> list[Any]:
    """matrix · vector, where rows, or columns, belong to the points 0, 1, -1, 2, -2, ... and ∞.

    A point and its negative differ in the signs of odd powers alone: even and odd powers are added
    up once for both. With `rows` only those, which hold both or none of a pair.
    """
    rows = range(len(matrix)) if rows is None else rows
    if _has_pairs(matrix):
        mixed = _halved_pairs(matrix)
        numbers = {i: _combine(mixed[i], vector) for i in rows}
        return [_of_pair(numbers, i, len(matrix)) for i in rows]
    mixed = _pairs(vector)
    return [_combine(_halved_pairs(matrix[i]), mixed) for i in rows]


def _has_pairs(matrix: FloatArray) -> bool:
    """Whether it is the rows that belong to points, not the columns."""
    ones, others = abs(matrix[1:-1:2]), abs(matrix[2:-1:2])
    return len(ones) == len(others) > 1 and bool((ones == others).all())


def _pairs(numbers: Any) -> list[Any]:
    """Sums and differences of the pairs 1, -1 and 2, -2 and so on."""
    return [_of_pair(numbers, i, len(numbers)) for i in range(len(numbers))]


def _of_pair(numbers: Any, i: int, count: int) -> Any:
    """Number i of _pairs of `count` numbers: a sum, a difference, or 0's and ∞'s own."""
    if i in (0, count - 1):
        return numbers[i]
    return numbers[i] + numbers[i + 1] if i % 2 else numbers[i - 1] - numbers[i]


def _halved_pairs(numbers: Any) -> list[Any]:
    """The inverse of _pairs."""
    zero, *pairs, infinity = _pairs(numbers)
    return [zero, *(pair / 2 for pair in pairs), infinity]


def _combine(coefficients: Sequence[float], values: Sequence[Any]) -> Any:
    """Σ coefficient · value, beginning with one that needs no multiplication."""
    terms = [(float(c), v) for c, v in zip(coefficients, values, strict=True) if c]
    terms.sort(key=lambda term: term[0] != 1)
    (c, v), *rest = terms
    total = v if c == 1 else c * v
    for c, v in rest:
        total = total + v if c == 1 else total - v if c == -1 else total + c * v
    return total
