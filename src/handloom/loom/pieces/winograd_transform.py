"""Winograd's transforms for convolutions of r x r taps by tiles of m x m pixels, m + r - 1 = 6.

A tile of the result, and the 6x6 pixels that it depends on, stand for values of polynomials at the
points 0, 1, -1, 2, -2, ∞: there a convolution is 36 products, where the plain sum has 144 for
F(4x4, 3x3) and 100 for F(2x2, 5x5). With g the kernel (r, r), d the pixels (6, 6), E the errors of
the tile (m, m), ∘ number by number:

    y = Aᵀ [(G g Gᵀ) ∘ (Bᵀ d B)] A        ∂loss/∂g = Gᵀ [(A E Aᵀ) ∘ (Bᵀ d B)] G
                                          ∂loss/∂d = B [(G g Gᵀ) ∘ (A E Aᵀ)] Bᵀ

Source: Lavin & Gray, "Fast algorithms for convolutional neural networks", 2016, sec. 4.3, for the
first with r = 3. The derivatives are the same trilinear form of g, d and E, seen as functions of g
and of d. For all r the points are the same, and so is B; A and G hold their powers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from handloom._typing import FloatArray

TILE = 4  # pixels of the result on each side, where kernels are 3x3
POINTS = 6  # on each side of a transformed tile
PRODUCTS = POINTS * POINTS
ALL_PIXELS = POINTS + 1
"""The product, of 36, of the points 1 and 1: there A E Aᵀ is the sum of a tile's errors."""


def powers(count: int) -> FloatArray:
    """1, x, x², ... of each point, (6, count); at ∞ the highest power is all that counts."""
    finite = np.vander([0.0, 1.0, -1.0, 2.0, -2.0], count, increasing=True)
    return np.vstack([finite, np.eye(count)[-1]])


SCALES = np.array([[6], [-4], [-4], [1], [1], [24]]) / 24
"""1 / Π (x - other x) for each point x, over the other finite ones: Lagrange's denominators."""

BT = np.array(
    [
        [4, 0, -5, 0, 1, 0],
        [0, -4, -4, 1, 1, 0],
        [0, 4, -4, -1, 1, 0],
        [0, -2, -1, 2, 1, 0],
        [0, 2, -1, -2, 1, 0],
        [0, 4, 0, -5, 0, 1],
    ],
    float,
)
G, AT = SCALES * powers(3), powers(TILE).T


def transform(matrix: FloatArray, at: Any) -> Iterator[tuple[int, list[Any]]]:
    """The rows of matrix · x · matrixᵀ with their numbers; at(i, j) gives x[i, j].

    Half of the rows at a time: they fit into the registers, and reading x twice costs less than
    putting what has no room aside. Two rows are no more than half of the others.
    """
    rows, columns = matrix.shape
    halves = ((0, 1, 2), (3, 4, 5)) if rows == POINTS else (range(0, rows, 2), range(1, rows, 2))
    for half in ((0, 1),) if rows == 2 else halves:
        turned = [multiply(matrix, [at(i, j) for i in range(columns)]) for j in range(columns)]
        for i in half:
            yield i, multiply(matrix, [column[i] for column in turned])


def row_of(matrix: FloatArray, i: int, at: Any) -> list[Any]:
    """One row of matrix · x · matrixᵀ, by itself."""
    rows, columns = range(matrix.shape[1]), range(matrix.shape[1])
    turned = [_combine(matrix[i], [at(k, j) for k in rows]) for j in columns]
    return multiply(matrix, turned)


def multiply(matrix: FloatArray, vector: Sequence[Any]) -> list[Any]:
    """matrix · vector, where six rows, or six columns, belong to the points 0, 1, -1, 2, -2, ∞.

    A point and its negative differ in the signs of odd powers alone: even and odd powers are added
    up once for both.
    """
    if len(matrix) == POINTS and (abs(matrix[1]) == abs(matrix[2])).all():
        return _pairs([_combine(row, vector) for row in _halved_pairs(matrix)])
    mixed = _pairs(vector)
    return [_combine(_halved_pairs(row), mixed) for row in matrix]


def _pairs(six: Any) -> list[Any]:
    """Sums and differences of the pairs 1, -1 and 2, -2."""
    zero, one, minus_one, two, minus_two, infinity = six
    return [zero, one + minus_one, one - minus_one, two + minus_two, two - minus_two, infinity]


def _halved_pairs(six: FloatArray) -> list[Any]:
    """The inverse of _pairs."""
    zero, *pairs, infinity = _pairs(six)
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
