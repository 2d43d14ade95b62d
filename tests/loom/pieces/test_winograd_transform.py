"""Winograd's transforms on plain numbers: they are linear maps, and make a convolution."""

from __future__ import annotations

import numpy as np
import pytest

from handloom._typing import FloatArray
from handloom.loom.pieces.winograd_transform import (
    ALL_PIXELS,
    AT,
    BT,
    POINTS,
    SCALES,
    G,
    powers,
    row_of,
    transform,
)

KERNELS = range(2, POINTS)


def matrices(taps: int) -> tuple[FloatArray, FloatArray]:
    """G and A of kernels of taps x taps."""
    return SCALES * powers(taps), powers(POINTS + 1 - taps)


def transformed(matrix: FloatArray, x: FloatArray) -> FloatArray:
    rows = dict(transform(matrix, lambda i, j: x[i, j]))
    return np.array([rows[i] for i in range(len(matrix))])


def correlated(x: FloatArray, kernel: FloatArray) -> FloatArray:
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape)
    return np.einsum("ijkl,kl->ij", windows, kernel)


def test_the_published_matrices_are_those_of_3x3_kernels() -> None:
    g = np.array([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]) / 24
    a = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]
    np.testing.assert_array_equal(G, g)
    np.testing.assert_array_equal(AT, a)


@pytest.mark.parametrize("taps", KERNELS)
def test_half_by_half_is_the_matrix_on_both_sides(taps: int, rng: np.random.Generator) -> None:
    g, a = matrices(taps)
    for matrix in (BT, BT.T, g, g.T, a, a.T):
        x = rng.standard_normal((matrix.shape[1],) * 2)
        whole = matrix @ x @ matrix.T
        np.testing.assert_allclose(transformed(matrix, x), whole, rtol=0, atol=1e-12)
        rows = [row_of(matrix, i, lambda i, j, x=x: x[i, j]) for i in range(len(matrix))]
        np.testing.assert_allclose(rows, whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize("taps", KERNELS)
def test_36_products_are_a_tile_of_a_convolution(taps: int, rng: np.random.Generator) -> None:
    g, a = matrices(taps)
    pixels, kernel = rng.standard_normal((6, 6)), rng.standard_normal((taps, taps))
    tile = transformed(a.T, transformed(g, kernel) * transformed(BT, pixels))
    np.testing.assert_allclose(tile, correlated(pixels, kernel), rtol=0, atol=1e-13)


@pytest.mark.parametrize("taps", KERNELS)
def test_36_products_are_both_derivatives(taps: int, rng: np.random.Generator) -> None:
    g, a = matrices(taps)
    pixels, kernel = rng.standard_normal((6, 6)), rng.standard_normal((taps, taps))
    errors = rng.standard_normal((POINTS + 1 - taps,) * 2)
    spectrum = transformed(a, errors)
    gradient = transformed(g.T, spectrum * transformed(BT, pixels))
    np.testing.assert_allclose(gradient, correlated(pixels, errors), rtol=0, atol=1e-13)
    below = transformed(BT.T, spectrum * transformed(g, kernel))
    spread = correlated(np.pad(errors, taps - 1), kernel[::-1, ::-1])
    np.testing.assert_allclose(below, spread, rtol=0, atol=1e-13)


def test_one_product_is_the_sum_of_the_errors(rng: np.random.Generator) -> None:
    errors = rng.standard_normal((4, 4))
    spectrum = transformed(AT.T, errors).ravel()
    np.testing.assert_allclose(spectrum[ALL_PIXELS], errors.sum(), rtol=1e-12)
    assert len(spectrum) == POINTS**2
