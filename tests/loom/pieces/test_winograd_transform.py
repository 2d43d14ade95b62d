"""Winograd's transforms on plain numbers: they are linear maps, and make a convolution."""

from __future__ import annotations

import numpy as np
import pytest

from handloom._typing import FloatArray
from handloom.loom.pieces.winograd_transform import ALL_PIXELS, AT, BT, POINTS, G, transform


def transformed(matrix: FloatArray, x: FloatArray) -> FloatArray:
    rows = dict(transform(matrix, lambda i, j: x[i, j]))
    return np.array([rows[i] for i in range(len(matrix))])


def correlated(x: FloatArray, kernel: FloatArray) -> FloatArray:
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape)
    return np.einsum("ijkl,kl->ij", windows, kernel)


@pytest.mark.parametrize(
    "matrix", [BT, G, AT, AT.T, G.T], ids=["pixels", "weights", "result", "errors", "gradient"]
)
def test_half_by_half_is_the_matrix_on_both_sides(
    matrix: FloatArray, rng: np.random.Generator
) -> None:
    x = rng.standard_normal((matrix.shape[1],) * 2)
    np.testing.assert_allclose(transformed(matrix, x), matrix @ x @ matrix.T, rtol=0, atol=1e-13)


def test_36_products_are_a_tile_of_a_convolution(rng: np.random.Generator) -> None:
    pixels, kernel = rng.standard_normal((6, 6)), rng.standard_normal((3, 3))
    tile = transformed(AT, transformed(G, kernel) * transformed(BT, pixels))
    np.testing.assert_allclose(tile, correlated(pixels, kernel), rtol=0, atol=1e-13)


def test_36_products_are_the_gradient_of_a_kernel(rng: np.random.Generator) -> None:
    pixels, errors = rng.standard_normal((6, 6)), rng.standard_normal((4, 4))
    gradient = transformed(G.T, transformed(AT.T, errors) * transformed(BT, pixels))
    np.testing.assert_allclose(gradient, correlated(pixels, errors), rtol=0, atol=1e-13)


def test_one_product_is_the_sum_of_the_errors(rng: np.random.Generator) -> None:
    errors = rng.standard_normal((4, 4))
    spectrum = transformed(AT.T, errors).ravel()
    np.testing.assert_allclose(spectrum[ALL_PIXELS], errors.sum(), rtol=1e-12)
    assert len(spectrum) == POINTS**2
