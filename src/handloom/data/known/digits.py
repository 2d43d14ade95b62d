"""The embedded digits: small, here without a network, and large enough for every recipe."""

from __future__ import annotations

import numpy as np

from handloom._typing import FloatArray, UInt8Array
from handloom.data.dataset import Dataset, TrainTest

_LARGEST_VALUE = 16.0
_BOX = 20  # pixels; MNIST's digits fill a box of this side in the middle of 28 × 28
_MARGIN = 4


def load_digits() -> TrainTest:
    """1,797 handwritten digits as uint8 (N, 28, 28): 1,437 to train on and 360 to test with.

    The 8 × 8 scans that come with scikit-learn, values 0..16, are enlarged to 20 × 20 (cubic,
    clipped to 0..255) and framed by 4 black pixels, which is how MNIST's digits lie in their 28 ×
    28. The split is fixed: with the images in the order of their labels, and of the source
    within a label, every fifth goes to the test split, so that each class has its share of a fifth.
    Both parts keep the order of the source. The same writers may be in both.
    Source: Alpaydin & Kaynak 1998, Optical Recognition of Handwritten Digits (UCI), test set.
    """
    from sklearn import datasets

    scans, digits = datasets.load_digits(return_X_y=True)
    images = np.stack([_enlarged(scan.reshape(8, 8)) for scan in np.asarray(scans)])
    labels = np.asarray(digits, np.int64)
    in_test = np.zeros(len(labels), bool)
    in_test[np.argsort(labels, kind="stable")[::5]] = True
    names = tuple(str(digit) for digit in range(10))
    return TrainTest(
        Dataset(images[~in_test], labels[~in_test], names, "digits train"),
        Dataset(images[in_test], labels[in_test], names, "digits test"),
    )


def _enlarged(scan: FloatArray) -> UInt8Array:
    """Ink 0..16, (8, 8) -> uint8 (28, 28)."""
    import cv2

    ink = (scan * (255.0 / _LARGEST_VALUE)).astype(np.float32)
    large = cv2.resize(ink, (_BOX, _BOX), interpolation=cv2.INTER_CUBIC)
    return np.pad(np.rint(np.clip(large, 0, 255)).astype(np.uint8), _MARGIN)
