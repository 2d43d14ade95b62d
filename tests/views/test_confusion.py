from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from handloom.errors import LabelError, ShapeError
from handloom.views.confusion import class_scores, confusion, draw_confusion
from handloom.views.sheet import png

NAMES = tuple("abcdef")


def a_guess(rng: np.random.Generator, num_classes: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Labels and predictions in which the last class never occurs and one is never predicted."""
    labels = rng.integers(0, num_classes - 1, 500)
    predicted = np.where(rng.random(500) < 0.7, labels, rng.integers(1, num_classes - 1, 500))
    predicted[predicted == 0] = 1
    return labels, predicted


def test_counts_agree_with_scikit_learn(rng: np.random.Generator) -> None:
    labels, predicted = a_guess(rng)
    table = confusion(labels, predicted, NAMES)
    expected = confusion_matrix(labels, predicted, labels=range(6))
    np.testing.assert_array_equal(table.counts, expected)
    assert table.accuracy == pytest.approx(accuracy_score(labels, predicted))
    rows = confusion_matrix(labels, predicted, labels=range(6), normalize="true")
    np.testing.assert_allclose(table.shares, rows)


def test_scores_agree_with_scikit_learn(rng: np.random.Generator) -> None:
    labels, predicted = a_guess(rng)
    scores = class_scores(confusion(labels, predicted, NAMES))
    expected = precision_recall_fscore_support(labels, predicted, labels=range(6), zero_division=0)
    for column, field in zip(expected, ("precision", "recall", "f1", "support"), strict=True):
        np.testing.assert_allclose([getattr(score, field) for score in scores], column)
    assert tuple(score.name for score in scores) == NAMES


def test_ids_without_a_name_and_unequal_lengths_are_refused() -> None:
    with pytest.raises(LabelError, match="label 2 has no name: there are 2 classes"):
        confusion(np.array([0, 2]), np.array([0, 1]), ("a", "b"))
    with pytest.raises(LabelError, match="predicted class -1"):
        confusion(np.array([0, 1]), np.array([0, -1]), ("a", "b"))
    with pytest.raises(ShapeError, match=r"\(2,\).*\(1,\)"):
        confusion(np.array([0, 1]), np.array([0]), ("a", "b"))


def test_small_matrices_tell_counts_and_shares(rng: np.random.Generator) -> None:
    labels, predicted = a_guess(rng)
    table = confusion(labels, predicted, NAMES)
    told = [text.get_text() for text in draw_confusion(table).texts]
    assert all(str(count) in told for count in table.counts[table.counts > 0])
    assert f"{table.shares[1, 1]:.1%}".replace("%", " %") in told


@pytest.mark.parametrize("num_classes", [1, 2, 20, 47])
def test_any_number_of_classes_can_be_drawn(num_classes: int, rng: np.random.Generator) -> None:
    labels, predicted = rng.integers(0, num_classes, (2, 300))
    names = tuple(f"a rather long name, number {k}" for k in range(num_classes))
    figure = draw_confusion(confusion(labels, predicted, names))
    assert 800 <= figure.bbox.width <= 1400
    assert png(figure).startswith(b"\x89PNG")
