"""The embedded digits: fixed, stratified, and true to their source."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import datasets

from handloom.data import load_digits


@pytest.fixture(scope="module")
def digits():
    return load_digits()


def test_sizes_and_names(digits):
    assert digits.train.images.shape == (1437, 28, 28)
    assert digits.test.images.shape == (360, 28, 28)
    assert digits.train.class_names == tuple("0123456789")


def test_each_class_has_its_share_of_a_fifth(digits):
    counts = digits.test.class_counts()
    whole = counts + digits.train.class_counts()
    np.testing.assert_array_equal(whole, np.bincount(datasets.load_digits().target))
    assert np.abs(counts - whole / 5).max() < 1


def test_every_scan_is_in_one_part_in_the_order_of_the_source(digits):
    source = datasets.load_digits()
    in_test = np.zeros(1797, bool)
    in_test[np.argsort(source.target, kind="stable")[::5]] = True
    for mask, data in ((in_test, digits.test), (~in_test, digits.train)):
        np.testing.assert_array_equal(data.labels, source.target[mask])
        ink = data.images.sum(axis=(1, 2)) / 255
        scan_ink = source.images[mask].sum(axis=(1, 2)) / 16 * (20 / 8) ** 2
        assert np.corrcoef(ink, scan_ink)[0, 1] > 0.99


def test_the_frame_is_black_and_the_range_is_used(digits):
    frame = np.ones((28, 28), bool)
    frame[4:24, 4:24] = False
    assert digits.train.images[:, frame].max() == 0
    assert digits.train.images.max() == 255


def test_two_loads_are_equal(digits):
    again = load_digits()
    assert again.train.fingerprint() == digits.train.fingerprint()
    assert again.test.fingerprint() == digits.test.fingerprint()
