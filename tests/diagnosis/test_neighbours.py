"""The nearest neighbour, against scikit-learn's."""

from __future__ import annotations

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

import handloom as hl
from handloom.diagnosis.neighbours import nearest_accuracy


def test_it_agrees_with_scikit_learn() -> None:
    digits = hl.data.load("digits")
    assert digits.test is not None
    known, asked = digits.train.take(np.arange(150)), digits.test
    oracle = KNeighborsClassifier(1, algorithm="brute")
    oracle.fit(known.images.reshape(150, -1) / 255, known.labels)
    expected = oracle.score(asked.images.reshape(len(asked), -1) / 255, asked.labels)
    assert 0.5 < expected < 1
    assert nearest_accuracy(known, asked) == expected
