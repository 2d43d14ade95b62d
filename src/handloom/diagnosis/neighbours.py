"""The simplest classifier as a baseline: the label of the most similar image."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from handloom._typing import FloatArray
from handloom.data import Dataset


class Nearest(NamedTuple):
    """How accurate a look-up of the most similar image is."""

    accuracy: float
    num_known: int
    """Images among which the most similar one was looked for."""
    num_asked: int
    """Images whose label was asked for."""


ROWS = 512  # images compared at once


def nearest_accuracy(known: Dataset, asked: Dataset) -> float:
    """Share of `asked` whose nearest image in `known` has the same label.

    Distances are Euclidean, between pixels.  Source: Cover & Hart 1967.
    """
    a, b = _flat(known), _flat(asked)
    half_squares = np.einsum("nd,nd->n", a, a) / 2
    right = 0
    for start in range(0, len(b), ROWS):
        scores = b[start : start + ROWS] @ a.T - half_squares  # highest where ‖a - b‖² is lowest
        nearest = known.labels[scores.argmax(axis=1)]
        right += int((nearest == asked.labels[start : start + ROWS]).sum())
    return right / len(b)


def _flat(part: Dataset) -> FloatArray:
    """Pixels (N, D) float32 in [0, 1]."""
    return part.images.reshape(len(part), -1).astype(np.float32) / 255
