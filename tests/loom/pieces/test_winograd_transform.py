"""Winograd's transforms on plain numbers: they are linear maps, and make a convolution."""

from __future__ import annotations

import numpy as np
import pytest

from handloom._typing import FloatArray
from handloom.loom.kernels.winograd.transform import (
    ALL_PIXELS,
    AT,
    BT,
    POINTS,
    G,
    multiply,
    of_pixels,
    of_weights,
    powers,
    row_of,
    transform,
)

SIZES = [(points, taps) for points in (6, 8) for taps in range(2, points)]
"""All sizes of tiles that anybody asks for, and the kernels that they are for."""


def matrices(points: int, taps: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Bᵀ, G and A of kernels of taps x taps."""
    return of_pixels(points), of_weights(points, taps), powers(points, points + 1 - taps)


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
    b = [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
         [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]]  # fmt: skip
    np.testing.assert_array_equal(AT, a)
    np.testing.assert_array_equal(BT, b)


@pytest.mark.parametrize(("points", "taps"), SIZES)
def test_half_by_half_is_the_matrix_on_both_sides(
    points: int, taps: int, rng: np.random.Generator
) -> None:
    bt, g, a = matrices(points, taps)
    for matrix in (bt, bt.T, g, g.T, a, a.T):
        x = rng.standard_normal((matrix.shape[1],) * 2)
        whole = matrix @ x @ matrix.T
        np.testing.assert_allclose(transformed(matrix, x), whole, rtol=1e-14, atol=1e-12)
        rows = [row_of(matrix, i, lambda i, j, x=x: x[i, j]) for i in range(len(matrix))]
        np.testing.assert_allclose(rows, whole, rtol=1e-14, atol=1e-12)


@pytest.mark.parametrize(("points", "taps"), SIZES)
def test_the_products_are_a_tile_of_a_convolution(
    points: int, taps: int, rng: np.random.Generator
) -> None:
    bt, g, a = matrices(points, taps)
    pixels, kernel = rng.standard_normal((points, points)), rng.standard_normal((taps, taps))
    tile = transformed(a.T, transformed(g, kernel) * transformed(bt, pixels))
    np.testing.assert_allclose(tile, correlated(pixels, kernel), rtol=0, atol=1e-13)


@pytest.mark.parametrize(("points", "taps"), SIZES)
def test_the_products_are_both_derivatives(
    points: int, taps: int, rng: np.random.Generator
) -> None:
    bt, g, a = matrices(points, taps)
    pixels, kernel = rng.standard_normal((points, points)), rng.standard_normal((taps, taps))
    errors = rng.standard_normal((points + 1 - taps,) * 2)
    spectrum = transformed(a, errors)
    gradient = transformed(g.T, spectrum * transformed(bt, pixels))
    np.testing.assert_allclose(gradient, correlated(pixels, errors), rtol=0, atol=1e-13)
    below = transformed(bt.T, spectrum * transformed(g, kernel))
    spread = correlated(np.pad(errors, taps - 1), kernel[::-1, ::-1])
    np.testing.assert_allclose(below, spread, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("points", "taps"), SIZES)
def test_a_line_is_a_convolution_in_one_dimension(
    points: int, taps: int, rng: np.random.Generator
) -> None:
    bt, g, a = matrices(points, taps)
    pixels, kernel = rng.standard_normal(points), rng.standard_normal(taps)
    spectra = np.array(multiply(g, kernel)) * multiply(bt, pixels)
    np.testing.assert_allclose(
        multiply(a.T, spectra), np.correlate(pixels, kernel), rtol=0, atol=1e-13
    )


def test_one_product_is_the_sum_of_the_errors(rng: np.random.Generator) -> None:
    errors = rng.standard_normal((4, 4))
    spectrum = transformed(AT.T, errors).ravel()
    np.testing.assert_allclose(spectrum[ALL_PIXELS], errors.sum(), rtol=1e-12)
    assert len(spectrum) == POINTS**2
