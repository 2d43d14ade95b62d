"""Dataset and TrainTest: what they check, and what they tell."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from handloom.data import Dataset, TrainTest
from handloom.errors import DataError, LabelError, ShapeError

NAMES = ("cat", "dog", "owl")


def make(rng: np.random.Generator, *shape: int) -> Dataset:
    images = rng.integers(0, 256, shape, np.uint8)
    return Dataset(images, np.arange(shape[0]) % 3, NAMES, "pets")


def test_properties_of_grey_and_of_colour_pictures(rng):
    grey, colour = make(rng, 7, 4, 5), make(rng, 2, 3, 4, 5)
    assert (len(grey), grey.image_shape, grey.num_classes) == (7, (1, 4, 5), 3)
    assert colour.image_shape == (3, 4, 5)
    np.testing.assert_array_equal(grey.class_counts(), [3, 2, 2])
    np.testing.assert_array_equal(colour.class_counts(), [1, 1, 0])
    assert repr(grey) == "Dataset pets: 7 images 1 × 4 × 5, 3 classes"


def test_a_dataset_is_frozen(rng):
    with pytest.raises(dataclasses.FrozenInstanceError):
        make(rng, 2, 2, 2).name = "other"


def test_any_integer_labels_become_int64(rng):
    for dtype in (np.uint8, np.int16, np.uint64):
        data = Dataset(np.zeros((2, 2, 2), np.uint8), np.array([0, 2], dtype), NAMES)
        assert data.labels.dtype == np.int64
        assert data.labels.tolist() == [0, 2]


def test_take_keeps_order_and_names(rng):
    data = make(rng, 7, 4, 5)
    part = data.take(np.array([5, 0, 5]))
    np.testing.assert_array_equal(part.images, data.images[[5, 0, 5]])
    assert part.labels.tolist() == [2, 0, 2]
    assert (part.class_names, part.name) == (data.class_names, data.name)
    assert len(data.take(np.array([], int))) == 0


def test_fingerprint_tells_pixels_labels_and_shapes_apart(rng):
    data = make(rng, 6, 4, 5)
    reshaped = data.images.reshape(6, 5, 4)
    pixel = data.images.copy()
    pixel[3, 2, 1] ^= 1
    others = [
        Dataset(reshaped, data.labels, NAMES),
        Dataset(pixel, data.labels, NAMES),
        Dataset(data.images, data.labels[::-1], NAMES),
    ]
    fingerprints = {data.fingerprint(), *(other.fingerprint() for other in others)}
    assert len(fingerprints) == 4
    same = Dataset(np.asfortranarray(data.images), data.labels.astype(np.uint8), NAMES, "copy")
    assert same.fingerprint() == data.fingerprint()
    assert len(data.fingerprint()) == 64


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 1, 3], r"label 3 in row 2 is outside 0\.\.2, the ids of the 3 classes"),
        ([0, -1, 9], r"label -1 in row 1 is outside"),
        ([0.0, 1.0, 2.0], r"labels are float64; class ids are integers"),
        (["a", "b", "c"], r"class ids are integers"),
    ],
)
def test_labels_that_are_no_class_ids(labels, message):
    with pytest.raises(LabelError, match=message):
        Dataset(np.zeros((3, 2, 2), np.uint8), np.array(labels), NAMES)


def test_a_label_beyond_int64_is_not_wrapped():
    with pytest.raises(LabelError, match=f"label {2**64 - 1} in row 0"):
        Dataset(np.zeros((1, 2, 2), np.uint8), np.array([2**64 - 1], np.uint64), NAMES)


def test_counts_that_differ_are_both_told():
    with pytest.raises(ShapeError, match="3 images but 2 labels"):
        Dataset(np.zeros((3, 2, 2), np.uint8), np.array([0, 1]), NAMES)


def test_labels_with_two_axes():
    with pytest.raises(ShapeError, match=r"labels should have the shape \(N,\), got \(3, 1\)"):
        Dataset(np.zeros((3, 2, 2), np.uint8), np.zeros((3, 1), int), NAMES)


@pytest.mark.parametrize("images", [np.zeros((3, 2, 2)), [[1]]])
def test_images_that_are_not_uint8(images):
    with pytest.raises(DataError, match=r"images are (float64|list); .* uint8 array"):
        Dataset(images, np.zeros(3, int), NAMES)


@pytest.mark.parametrize("shape", [(3,), (3, 4), (3, 0, 4), (3, 1, 2, 3, 4)])
def test_images_of_another_shape(shape):
    with pytest.raises(ShapeError, match=r"\(N, H, W\) or \(N, C, H, W\), got \(3,"):
        Dataset(np.zeros(shape, np.uint8), np.zeros(3, int), NAMES)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "class_names is empty"),
        (("cat", "cat"), "two classes have the name 'cat'"),
        (("cat", " "), "class 1 has no printable name, got ' '"),
        (("cat\n", "dog"), "class 0 has no printable name"),
        (("cat", 7), "class 1 has no printable name, got 7"),
    ],
)
def test_class_names_that_cannot_be(names, message):
    with pytest.raises(LabelError, match=message):
        Dataset(np.zeros((0, 2, 2), np.uint8), np.zeros(0, int), names)


def test_parts_must_belong_together(rng):
    train = make(rng, 6, 4, 5)
    assert TrainTest(train).test is None
    assert TrainTest(train, make(rng, 2, 1, 4, 5)).test is not None  # grey either way
    with pytest.raises(ShapeError, match=r"\(1, 4, 5\), test images \(1, 5, 4\)"):
        TrainTest(train, make(rng, 6, 5, 4))
    other = Dataset(train.images, train.labels, ("cat", "owl", "dog"))
    with pytest.raises(LabelError, match="cat, dog, owl, the test split cat, owl, dog"):
        TrainTest(train, other)
