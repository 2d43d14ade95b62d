from __future__ import annotations

import io
import tracemalloc

import matplotlib.image
import numpy as np
import pytest

from handloom.views import style
from handloom.views.sheet import Sheet, coloured, picture, png, rgb


def pixels_of(sheet: Sheet) -> np.ndarray:
    shown = matplotlib.image.imread(io.BytesIO(png(sheet.finished())))
    return np.round(shown[..., :3] * 255).astype(np.uint8)


def test_a_sheet_has_the_size_that_it_says() -> None:
    with style.house_style():
        sheet = Sheet(997, 211, "Heading", "A note. " * 40)
        shown = pixels_of(sheet)
    assert shown.shape == (sheet.height, 997, 3)


def test_an_image_lands_pixel_by_pixel_at_its_place() -> None:
    image = np.random.default_rng(0).integers(0, 256, (30, 50, 3), np.uint8)
    with style.house_style():
        sheet = Sheet(400, 100, "")
        sheet.image(37, 11, image)
        shown = pixels_of(sheet)
    top = sheet.height - 100 + 11
    np.testing.assert_array_equal(shown[top : top + 30, 37:87], image)


def test_drawing_takes_a_few_bytes_a_pixel() -> None:
    with style.house_style():
        sheet = Sheet(1000, 1000, "Heading")
        figure = sheet.finished()
        png(figure)  # fonts are read once
        tracemalloc.start()
        try:
            png(figure)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 20 * sheet.width * sheet.height


def test_colours_are_centred_and_clipped_and_nan_is_grey() -> None:
    row = coloured(np.array([[-9.0, -1, 0, 1, 9, np.nan]]), style.DIVERGING, -1, 1)[0].astype(int)
    np.testing.assert_array_equal(row[0], row[1])
    np.testing.assert_array_equal(row[3], row[4])
    assert row[2].min() > 240  # zero is almost white
    assert row[3][0] > row[3][2]  # plus is red
    assert row[1][2] > row[1][0]  # minus is blue
    np.testing.assert_array_equal(row[5], rgb(style.NOT_A_NUMBER))


def test_pictures_are_enlarged_by_whole_factors() -> None:
    image = np.array([[0, 50], [100, 200]], np.uint8)
    shown = picture(image, 7)
    assert shown.shape == (6, 6, 3)
    np.testing.assert_array_equal(shown[::3, ::3, 1], image)


def test_channels_are_red_green_blue_or_else_grey() -> None:
    image = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    np.testing.assert_array_equal(picture(image, 2), np.moveaxis(image, 0, -1))
    two = picture(image[:2], 2)
    np.testing.assert_array_equal(two[..., 0], image[:2].mean(axis=0).astype(np.uint8))


@pytest.mark.parametrize("shape", [(100, 60), (100, 1), (113, 113), (3, 300, 200)])
def test_large_pictures_are_averaged_to_fit(shape: tuple[int, ...]) -> None:
    image = np.full(shape, 70, np.uint8)
    shown = picture(image, 84)
    assert max(shown.shape[:2]) == 84
    assert (shown == 70).all()


def test_averaging_takes_the_mean_of_what_a_pixel_stands_for() -> None:
    image = np.array([[10, 20, 30, 40], [10, 20, 30, 40]], np.uint8)
    np.testing.assert_array_equal(picture(image, 2)[..., 0], [[15, 35]])
