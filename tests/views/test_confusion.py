from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, precision_recall_fscore_support

from handloom.errors import LabelError, ShapeError
from handloom.views.run.confusion import class_scores, confusion, listed_scores
from handloom.views.run.confusion_sheet import draw_confusion, shown_classes
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


def texts(figure: object) -> str:
    return " ".join(text.get_text() for text in figure.texts)


def test_of_very_many_classes_the_most_confused_are_drawn(rng: np.random.Generator) -> None:
    labels = np.arange(3755)
    predicted = labels.copy()
    labels, predicted = np.append(labels, [7] * 9), np.append(predicted, [3000] * 9)
    names = tuple(f"U+{0x4E00 + k:04X}" for k in range(3755))
    table = confusion(labels, predicted, names, "validation")
    assert shown_classes(table).tolist() == [7, 3000]
    figure = draw_confusion(table)
    assert max(figure.bbox.width, figure.bbox.height) < 1600
    told = texts(figure)
    assert "The 2 most confused classes, of 3,755" in told
    assert "3,764 validation images, 99.8 % of them correct; 11 are in this part" in told
    guessed = confusion(labels, rng.permutation(predicted), names)
    assert len(shown_classes(guessed)) == 40
    assert png(draw_confusion(guessed)).startswith(b"\x89PNG")


def test_many_classes_without_a_mistake_are_told_in_words() -> None:
    ids = np.arange(100)
    told = texts(draw_confusion(confusion(ids, ids, tuple(map(str, ids)), "test")))
    assert "No mistakes: all 100 test images are correct." in told


def test_only_classes_that_occur_are_drawn_and_listed() -> None:
    labels, predicted = np.array([100, 100, 900]), np.array([100, 900, 900])
    table = confusion(labels, predicted, tuple(map(str, range(901))))
    assert table.counts_among(table.occurring).tolist() == [[1, 1], [0, 1]]
    assert table.counts.sum() == 3
    told = texts(draw_confusion(table))
    assert "2 of 901 classes occur; the others are left out." in told
    assert "899" not in told.replace("of 901", "")
    scores, left_out = listed_scores(table)
    assert [score.name for score in scores] == ["100", "900"]
    assert left_out.startswith("899 of 901 classes are left out")


def test_of_very_many_classes_the_worst_are_listed() -> None:
    labels = np.arange(1000)
    predicted = np.where(labels == 998, 999, labels)
    scores, left_out = listed_scores(confusion(labels, predicted, tuple(map(str, labels))))
    assert len(scores) == 400
    assert [score.name for score in scores[:2]] == ["998", "999"]
    assert left_out == "The 400 of 1,000 classes with the lowest F1, lowest first."
