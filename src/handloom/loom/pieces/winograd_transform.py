"""Winograd's transforms for 3x3 convolutions by tiles of 4x4 pixels, F(4x4, 3x3).

A tile of the result, and the 6x6 pixels that it depends on, stand for values of polynomials at the
points 0, 1, -1, 2, -2, ∞: there a convolution is 36 products where the plain sum has 144. With g
the kernel (3, 3), d the pixels (6, 6), E the errors of the tile (4, 4), ∘ number by number:

    y = Aᵀ [(G g Gᵀ) ∘ (Bᵀ d B)] A        ∂loss/∂g = Gᵀ [(A E Aᵀ) ∘ (Bᵀ d B)] G

Source: Lavin & Gray, "Fast algorithms for convolutional neural networks", 2016, sec. 4.3. The
gradient is the same trilinear form of g, d and E, seen as a function of g.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from handloom._typing import FloatArray

TILE = 4  # pixels of the result on each side
POINTS = 6  # on each side of a transformed tile
PRODUCTS = POINTS * POINTS
ALL_PIXELS = POINTS + 1
"""The product, of 36, of the points 1 and 1: there A E Aᵀ is the sum of a tile's errors."""

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
G = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
AT = np.array(
    [
        [1, 1, 1, 1, 1, 0],
        [0, 1, -1, 2, -2, 0],
        [0, 1, 1, 4, 4, 0],
        [0, 1, -1, 8, -8, 1],
    ],
    float,
)


def transform(matrix: FloatArray, at: Any) -> Iterator[tuple[int, list[Any]]]:
    """The rows of matrix · x · matrixᵀ with their numbers; at(i, j) gives x[i, j].

    Half of the rows at a time: they fit into the registers, and reading x twice costs less than
    putting what has no room aside.
    """
    rows, columns = matrix.shape
    halves = ((0, 1, 2), (3, 4, 5)) if rows == POINTS else (range(0, rows, 2), range(1, rows, 2))
    for half in halves:
        turned = [multiply(matrix, [at(i, j) for i in range(columns)]) for j in range(columns)]
        for i in half:
            yield i, multiply(matrix, [column[i] for column in turned])


def multiply(matrix: FloatArray, vector: Sequence[Any]) -> list[Any]:
    """matrix · vector, where six rows, or six columns, belong to the points 0, 1, -1, 2, -2, ∞.

    A point and its negative differ in the signs of odd powers alone: even and odd powers are added
    up once for both.
    """
    if len(matrix) == POINTS:
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
