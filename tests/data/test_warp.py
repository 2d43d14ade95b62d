from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from handloom.data.batches.warp import affine_places, resample, smooth_fields


def places(height: int, width: int, **settings: float) -> np.ndarray:
    """The places of one warp; what is not named stays as it is."""
    names = ("degrees", "scale_x", "scale_y", "shear", "shift_x", "shift_y")
    still = {name: float(name.startswith("scale")) for name in names}
    arrays = {name: np.array([value], np.float32) for name, value in (still | settings).items()}
    return affine_places(height, width, **arrays)


def warped(image: np.ndarray, **settings: float) -> np.ndarray:
    return resample(image[None, None], places(*image.shape, **settings))[0, 0]


@pytest.fixture
def image(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (13, 17), np.uint8)


def test_nothing_set_changes_nothing(image: np.ndarray) -> None:
    np.testing.assert_array_equal(warped(image), image)


@pytest.mark.parametrize(("x", "y"), [(3, 0), (-2, 0), (0, 4), (0, -1), (5, -3), (17, 0)])
def test_whole_pixels_are_a_roll_with_zeros_filled_in(image: np.ndarray, x: int, y: int) -> None:
    height, width = image.shape
    framed = np.pad(image, ((height, height), (width, width)))
    expected = np.roll(framed, (y, x), axis=(0, 1))[height:-height, width:-width]
    np.testing.assert_array_equal(warped(image, shift_x=x, shift_y=y), expected)


@pytest.mark.parametrize(("degrees", "quarters"), [(90.0, 1), (180.0, 2), (-90.0, 3)])
def test_positive_degrees_turn_counter_clockwise_about_the_middle(
    rng: np.random.Generator, degrees: float, quarters: int
) -> None:
    square = rng.integers(0, 256, (28, 28), np.uint8)
    turned = warped(square, degrees=degrees).astype(int)
    expected = np.rot90(square, quarters).astype(int)
    # places are float32, so that the outermost ones may lie a hair outside
    assert abs(turned - expected)[1:-1, 1:-1].max() <= 1


def test_scale_above_one_enlarges(image: np.ndarray) -> None:
    dot = np.zeros((21, 21), np.uint8)
    dot[10, 8:13] = 255
    assert np.count_nonzero(warped(dot, scale_x=2.0)[10]) > 7
    assert np.count_nonzero(warped(dot, scale_y=2.0)[:, 10]) > 1
    assert np.count_nonzero(warped(dot, scale_x=0.5)[10]) < 5


def test_shear_moves_rows_by_their_distance_from_the_middle() -> None:
    line = np.zeros((11, 31), np.uint8)
    line[:, 15] = 200
    sheared = warped(line, shear=1.0)
    np.testing.assert_array_equal(sheared.argmax(axis=1), 15 + np.arange(11) - 5)


def test_all_together_is_scipys_affine_transform(image: np.ndarray) -> None:
    angle = np.deg2rad(20.0)
    # forwards, in (y, x) as scipy counts; y points down, which turns the sine's sign
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    forwards = turn @ np.array([[1.0, 0.0], [0.3, 1.0]]) @ np.diag([0.9, 1.2])
    middle = (np.array(image.shape) - 1) / 2
    back = np.linalg.inv(forwards)
    shift = np.array([-2.2, 1.7])
    expected = ndimage.affine_transform(
        image.astype(np.float64),
        back,
        offset=middle - back @ (middle + shift),
        order=1,
        mode="grid-constant",
    )
    read = warped(
        image, degrees=20.0, scale_x=1.2, scale_y=0.9, shear=0.3, shift_x=1.7, shift_y=-2.2
    )
    assert abs(read - expected).max() <= 0.51  # rounded to whole numbers, and nothing else


def test_every_warp_of_a_stack_is_its_own(rng: np.random.Generator) -> None:
    names = ("degrees", "scale_x", "scale_y", "shear", "shift_x", "shift_y")
    settings = {name: rng.uniform(0.5, 1.5, 5).astype(np.float32) for name in names}
    together = affine_places(9, 8, **settings)
    assert (together.shape, together.dtype) == ((5, 2, 9, 8), np.float32)
    for row in range(5):
        alone = affine_places(9, 8, **{name: values[row:][:1] for name, values in settings.items()})
        np.testing.assert_array_equal(together[row], alone[0])


def test_smooth_fields_are_scipys_gaussian_filter(rng: np.random.Generator) -> None:
    rough = rng.uniform(-1.0, 1.0, (3, 2, 28, 20)).astype(np.float32)
    expected = ndimage.gaussian_filter(
        rough.astype(np.float64), (0, 0, 4.0, 4.0), mode="constant", truncate=8.0
    )
    np.testing.assert_allclose(smooth_fields(rough, 4.0), expected, atol=1e-6)


def test_resample_reads_every_channel_at_the_same_places(rng: np.random.Generator) -> None:
    images = rng.integers(0, 256, (2, 3, 8, 8), np.uint8)
    where = rng.uniform(-1.0, 8.0, (2, 2, 8, 8)).astype(np.float32)
    read = resample(images, where)
    for row in range(2):
        for channel in range(3):
            expected = ndimage.map_coordinates(
                images[row, channel].astype(np.float64),
                where[row, ::-1],
                order=1,
                mode="grid-constant",
            )
            assert abs(read[row, channel] - expected).max() <= 0.51
