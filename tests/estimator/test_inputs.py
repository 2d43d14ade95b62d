"""What rows become: pixels or numbers on one scale, in blocks that show nowhere."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.errors import ConfigError, DataError, ShapeError
from handloom.estimator.inputs import BLOCK, Inputs, flattened, picture_shape

MANY = 2 * BLOCK + 3


def test_numbers_of_every_block_are_brought_to_one_scale(rng: np.random.Generator) -> None:
    rows = rng.normal(3.0, 2.0, (MANY, 2))
    inputs = Inputs.fit(rows, None, None)
    expected = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    found = inputs.examples(rows)
    assert (found.shape, found.dtype) == ((MANY, 1, 1, 2), np.float32)
    np.testing.assert_allclose(found.reshape(MANY, 2), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(inputs.examples(rows[:5]), found[:5])


@pytest.mark.parametrize("row", [0, BLOCK - 1, BLOCK, MANY - 1])
@pytest.mark.parametrize("number", [0.5, -1.0, 256.0])
def test_one_number_in_any_block_says_that_rows_are_no_pixels(row: int, number: float) -> None:
    rows = np.full((MANY, 4), 200.0)
    assert Inputs.fit(rows, (1, 2, 2), None).are_pixels
    rows[row, 3] = number
    pixels = Inputs.fit(np.full((2, 4), 200.0), (1, 2, 2), None)
    assert not Inputs.fit(rows, (1, 2, 2), None).are_pixels
    with pytest.raises(DataError, match="numbers that are not pixels"):
        pixels.examples(rows)


def test_the_limits_of_a_pixel_are_pixels() -> None:
    rows = np.array([[0.0, 255.0, 2.0, 1.0]])
    inputs = Inputs.fit(rows, (1, 2, 2), None)
    assert (inputs.are_pixels, inputs.normalisation.kind) == (True, "scale")
    np.testing.assert_array_equal(inputs.examples(rows), np.uint8([[[[0, 255], [2, 1]]]]))
    assert not Inputs.fit(np.array([[0.0, 1.0, 1.0, 0.0]]), (1, 2, 2), None).are_pixels
    assert not Inputs.fit(rows, None, None).are_pixels


def test_bytes_are_taken_as_they_lie() -> None:
    rows = np.arange(12, dtype=np.uint8).reshape(3, 4)
    examples = Inputs.fit(rows, (1, 2, 2), None).examples(rows)
    assert np.shares_memory(examples, rows)
    assert examples.shape == (3, 1, 2, 2)


def test_a_channel_of_a_picture_has_one_scale(rng: np.random.Generator) -> None:
    rows = rng.normal(size=(40, 2 * 3 * 3))
    rows[:, 9:] = 7.0  # a channel without spread stays finite
    inputs = Inputs.fit(rows, (2, 3, 3), "standard")
    found = inputs.examples(rows)
    first = rows[:, :9]
    expected = (first - first.mean()) / first.std()
    np.testing.assert_allclose(found[:, 0].reshape(40, 9), expected, rtol=1e-5, atol=1e-6)
    assert not found[:, 1].any()


@pytest.mark.parametrize("normalise", ["scale", "per-picture", "nonsense"])
def test_numbers_know_two_ways(normalise: str) -> None:
    with pytest.raises(ConfigError, match="for numbers that are not pixels use standard or none"):
        Inputs.fit(np.array([[0.5]]), None, normalise)


def test_numbers_that_float32_cannot_hold_are_refused() -> None:
    rows = np.array([[1e39], [0.0]])
    with pytest.raises(DataError, match="too large for float32"):
        Inputs.fit(rows, None, "none").examples(rows)
    np.testing.assert_array_equal(Inputs.fit(rows, None, "none").examples(rows[1:]), [[[[0.0]]]])


def test_arrays_of_pictures_are_rows_with_a_shape() -> None:
    grey, colour = np.zeros((2, 5, 4)), np.zeros((2, 3, 5, 4))
    assert [(rows.shape, shape) for rows, shape in map(flattened, (grey, colour))] == [
        ((2, 20), (1, 5, 4)),
        ((2, 60), (3, 5, 4)),
    ]
    for other in (np.zeros((2, 3)), [[1, 2]], np.zeros((1, 1, 1, 1, 1))):
        assert flattened(other)[1] is None
        assert flattened(other)[0] is other


@pytest.mark.parametrize(
    ("given", "own", "features", "expected"),
    [
        (None, None, 6, None),
        (None, (1, 2, 3), 6, (1, 2, 3)),
        ((2, 3), None, 6, (1, 2, 3)),
        ((2, 3), (1, 2, 3), 6, (1, 2, 3)),
        (np.array([2, 1, 3]), None, 6, (2, 1, 3)),
        ((1, 1), None, 1, (1, 1, 1)),
    ],
)
def test_a_shape_is_channels_height_width(given, own, features: int, expected) -> None:
    assert picture_shape(given, own, features) == expected


@pytest.mark.parametrize(
    ("given", "own", "features", "error", "message"),
    [
        ((2, 3), (1, 3, 2), 6, ShapeError, r"is \(1, 2, 3\), but the examples in X are \(1, 3, 2"),
        ((2, 3), None, 7, ShapeError, "the examples in X are 7 numbers"),
        ((2.0, 3.0), None, 6, ConfigError, "image_shape is"),
        ((2, 0), None, 0, ConfigError, "image_shape is"),
        ((6,), None, 6, ConfigError, "image_shape is"),
        ((1, 1, 2, 3), None, 6, ConfigError, "image_shape is"),
        (((2, 3),), None, 6, ConfigError, "image_shape is"),
    ],
)
def test_another_shape_is_refused(given, own, features: int, error, message: str) -> None:
    with pytest.raises(error, match=message):
        picture_shape(given, own, features)
