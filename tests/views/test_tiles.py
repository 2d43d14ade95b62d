from __future__ import annotations

import numpy as np
import pytest

from handloom.views.tiles import GAP, Grid, fitting_grid, mosaic, strongest, symmetric_limit, zoomed


def test_mosaic_lays_tiles_row_by_row_with_gaps() -> None:
    tiles = np.arange(12.0).reshape(3, 2, 2)
    pixels = mosaic(tiles, columns=2, zoom=1, gap=1)
    nan = np.nan
    expected = [
        [nan, nan, nan, nan, nan, nan, nan],
        [nan, 0, 1, nan, 4, 5, nan],
        [nan, 2, 3, nan, 6, 7, nan],
        [nan, nan, nan, nan, nan, nan, nan],
        [nan, 8, 9, nan, nan, nan, nan],
        [nan, 10, 11, nan, nan, nan, nan],
        [nan, nan, nan, nan, nan, nan, nan],
    ]
    np.testing.assert_array_equal(pixels, np.array(expected)[:, :7])


def test_zoom_repeats_numbers_down_and_across() -> None:
    np.testing.assert_array_equal(zoomed(np.array([[1, 2]]), 2, 3), [[1, 1, 1, 2, 2, 2]] * 2)


@pytest.mark.parametrize("count", [1, 2, 7, 16, 100])
@pytest.mark.parametrize("tile", [(1, 1), (5, 5), (28, 28), (32, 96)])
def test_a_grid_fits_into_its_room(count: int, tile: tuple[int, int]) -> None:
    room = (900, 1000)
    grid = fitting_grid(count, tile, room)
    pixels = mosaic(np.zeros((grid.num_shown, *tile)), grid.columns, grid.zoom)
    assert pixels.shape[0] <= room[0]
    assert pixels.shape[1] <= room[1]
    assert pixels.shape[0] == grid.rows * (tile[0] * grid.zoom + GAP) + GAP
    larger = grid.zoom + 1
    assert all(
        -(-grid.num_shown // columns) * (tile[0] * larger + GAP) + GAP > room[0]
        or columns * (tile[1] * larger + GAP) + GAP > room[1]
        for columns in range(1, grid.num_shown + 1)
    )


def test_a_grid_drops_tiles_rather_than_draw_them_too_small() -> None:
    assert fitting_grid(64, (8, 8), (100, 100), smallest=20) == Grid(9, 3, 3)
    assert fitting_grid(5, (200, 200), (100, 100)) == Grid(1, 1, 1)


def test_the_strongest_of_a_block_keeps_its_sign() -> None:
    values = np.array([[1.0, -2, 0, 0.5], [0, 1.5, 0, -0.25], [3, 0, 0, 0]])
    reduced, block = strongest(values, (2, 2))
    assert block == (2, 2)
    np.testing.assert_array_equal(reduced, [[-2, 0.5], [3, 0]])


def test_small_arrays_are_not_reduced_and_nan_stays_visible() -> None:
    values = np.array([[1.0, np.nan], [-9.0, 2.0]])
    whole, block = strongest(values, (2, 5))
    assert block == (1, 1)
    np.testing.assert_array_equal(whole, values)
    assert np.isnan(strongest(values, (1, 1))[0]).all()


def test_a_limit_is_the_quantile_of_finite_sizes_and_never_zero() -> None:
    values = np.append(np.linspace(-1, 1, 2001), [np.nan, np.inf])
    assert symmetric_limit(values, 0.5) == pytest.approx(0.5, abs=1e-3)
    assert symmetric_limit(values, 1.0) == 1.0
    assert symmetric_limit(np.zeros(3)) == 1.0
    assert symmetric_limit(np.full(3, np.nan)) == 1.0
    assert symmetric_limit(np.append(np.zeros(1000), 5.0)) == 5.0
