from __future__ import annotations

import numpy as np

from handloom.views.run.confusion import confusion
from handloom.views.run.pairs import (
    ConfusedPair,
    confused_pairs,
    draw_confused_pairs,
    most_confused,
)


def test_pairs_come_by_count_then_by_class() -> None:
    counts = np.array([[90, 5, 5], [0, 10, 7], [0, 0, 0]])
    labels, predicted = (ids.repeat(counts[counts > 0]) for ids in np.nonzero(counts))
    table = confusion(labels, predicted, ("a", "b", "c"))
    assert most_confused(table) == (
        ConfusedPair(1, 2, 7, 7 / 17),
        ConfusedPair(0, 1, 5, 0.05),
        ConfusedPair(0, 2, 5, 0.05),
    )
    assert most_confused(table, most=1)[0].times == 7


def test_examples_are_the_surest_mistakes_of_the_pair(rng: np.random.Generator) -> None:
    images = np.arange(60, dtype=np.uint8)[:, None, None] * np.ones((1, 4, 4), np.uint8)
    labels = rng.integers(0, 3, 60)
    probabilities = rng.dirichlet(np.ones(3), 60)
    table = confusion(labels, probabilities.argmax(axis=1), ("a", "b", "c"))
    found = confused_pairs(table, images, labels, probabilities)
    assert found.num_wrong == np.count_nonzero(probabilities.argmax(axis=1) != labels) > 0
    for (true, predicted, times, _), examples in found.pairs:
        places = examples[:, 0, 0]
        assert len(places) == min(times, 8)
        assert (labels[places] == true).all()
        assert (probabilities[places].argmax(axis=1) == predicted).all()
        assert (np.diff(probabilities[places, predicted]) <= 0).all()
    told = [text.get_text() for text in draw_confused_pairs(found).texts]
    assert f"predicted as {'abc'[found.pairs[0].pair.predicted]}" in told


def test_a_network_without_mistakes_is_told_so() -> None:
    labels = np.array([0, 1])
    probabilities = np.array([[1.0, 0], [0, 1]])
    table = confusion(labels, labels, ("a", "b"))
    found = confused_pairs(table, np.zeros((2, 4, 4), np.uint8), labels, probabilities)
    told = [text.get_text() for text in draw_confused_pairs(found).texts]
    assert "No mistakes: all 2 images are correct." in told


def test_the_part_is_named() -> None:
    labels, probabilities = np.array([0, 1, 1]), np.array([[1.0, 0], [0, 1], [1, 0]])
    table = confusion(labels, probabilities.argmax(axis=1), ("a", "b"), "validation")
    images = np.zeros((3, 4, 4), np.uint8)
    found = confused_pairs(table, images, labels, probabilities)
    told = " ".join(text.get_text() for text in draw_confused_pairs(found).texts)
    assert "1 of 3 validation images are misclassified." in told
