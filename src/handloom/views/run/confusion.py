"""The confusion matrix, and precision and recall of every class."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from handloom._typing import FloatArray, IntArray
from handloom.errors import LabelError, ShapeError


class Confusion(NamedTuple):
    """How often each pair of a true and a predicted class occurs: only pairs that do, by class id.

    `true`, `predicted` and `times` are (P,), int64. `part` names the images' split,
    as "test"; it is empty where they are of none.
    """

    true: IntArray
    predicted: IntArray
    times: IntArray
    class_names: tuple[str, ...]
    part: str = ""

    @property
    def counts(self) -> IntArray:
        """The whole matrix (K, K), int64: row = true class, column = predicted class."""
        return self.counts_among(np.arange(len(self.class_names)))

    def counts_among(self, classes: IntArray) -> IntArray:
        """The matrix of some classes only: (n, n) for their ids (n,), which ascend."""
        inside = np.isin(self.true, classes) & np.isin(self.predicted, classes)
        counts = np.zeros((len(classes), len(classes)), np.int64)
        rows = np.searchsorted(classes, self.true[inside])
        counts[rows, np.searchsorted(classes, self.predicted[inside])] = self.times[inside]
        return counts

    @property
    def support(self) -> IntArray:
        """Images of each class (K,)."""
        return self._sums(self.true, self.times)

    @property
    def called(self) -> IntArray:
        """Images that were predicted as each class (K,)."""
        return self._sums(self.predicted, self.times)

    @property
    def hits(self) -> IntArray:
        """Images of each class that were classified correctly (K,)."""
        return self._sums(self.true, self.times * (self.true == self.predicted))

    @property
    def shares(self) -> FloatArray:
        """Counts (K, K) as fractions of their row; a class without examples has zeros."""
        return self.counts / np.maximum(self.support[:, np.newaxis], 1)

    @property
    def total(self) -> int:
        """All images."""
        return int(self.times.sum())

    @property
    def accuracy(self) -> float:
        """The fraction on the diagonal; 0 without examples."""
        return float(self.hits.sum() / max(self.total, 1))

    @property
    def occurring(self) -> IntArray:
        """Ids of the classes that some image has, or was predicted as."""
        return np.union1d(self.true, self.predicted)

    def _sums(self, ids: IntArray, times: IntArray) -> IntArray:
        sums = np.zeros(len(self.class_names), np.int64)
        np.add.at(sums, ids, times)
        return sums


class ClassScore(NamedTuple):
    """Precision, recall and F1 of one class; fractions in [0, 1], 0 for zero over zero."""

    name: str
    precision: float  # of what was called so, how much is
    recall: float  # of what is so, how much was called so
    f1: float  # harmonic mean of the two
    support: int  # examples


def confusion(
    labels: IntArray, predicted: IntArray, class_names: tuple[str, ...], part: str = ""
) -> Confusion:
    """Count (true, predicted) pairs of class ids, both (N,), of images of a split.

    Raises ShapeError where the two differ in shape, LabelError for an id without a name.
    """
    if labels.shape != predicted.shape or labels.ndim != 1:
        raise ShapeError(f"labels {labels.shape} and predictions {predicted.shape} must be (N,)")
    num_classes = len(class_names)
    for what, ids in (("label", labels), ("predicted class", predicted)):
        outside = ids[(ids < 0) | (ids >= num_classes)]
        if outside.size:
            raise LabelError(f"{what} {outside[0]} has no name: there are {num_classes} classes")
    pairs = labels.astype(np.int64) * num_classes + predicted
    places, times = np.unique(pairs, return_counts=True)
    true, called = np.divmod(places, max(num_classes, 1))
    return Confusion(true, called, times.astype(np.int64), class_names, part)


def class_scores(confusion: Confusion) -> tuple[ClassScore, ...]:
    """Precision, recall, F1 and support of every class, in order."""
    hits, called, support = confusion.hits, confusion.called, confusion.support
    columns = (
        hits / np.maximum(called, 1),
        hits / np.maximum(support, 1),
        2 * hits / np.maximum(called + support, 1),
    )
    return tuple(
        ClassScore(name, float(precision), float(recall), float(f1), int(count))
        for name, precision, recall, f1, count in zip(
            confusion.class_names, *columns, support, strict=True
        )
    )


MOST_LISTED = 400
"""Rows of a table of classes that are still read."""


def listed_scores(
    confusion: Confusion, most: int = MOST_LISTED
) -> tuple[tuple[ClassScore, ...], str]:
    """The classes that a table lists, and a sentence on those that it leaves out, or "".

    Listed are the classes that occur, in order; of more than `most` of them those of the lowest
    F1, the lowest first.
    """
    scores, occurring = class_scores(confusion), confusion.occurring
    found = [scores[k] for k in occurring]
    if len(found) > most:
        found = sorted(found, key=lambda score: score.f1)[:most]
        return tuple(found), (
            f"The {most:,} of {len(occurring):,} classes with the lowest F1, lowest first."
        )
    absent = len(scores) - len(found)
    if not absent:
        return tuple(found), ""
    which = "1 class is" if absent == 1 else f"{absent:,} of {len(scores):,} classes are"
    return tuple(found), f"{which} left out: no image belongs to or was predicted as one of them."
