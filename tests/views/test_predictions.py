from __future__ import annotations

import numpy as np
import pytest

from handloom.views.run.predictions import (
    draw_predictions,
    draw_worst_mistakes,
    random_predictions,
    worst_mistakes,
)

NAMES = ("T-shirt/top", "$5", "Ankle boot", "é")


@pytest.fixture
def said(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Images, labels and probabilities of 50 images."""
    images = rng.integers(0, 256, (50, 8, 8), np.uint8)
    return images, rng.integers(0, 4, 50), rng.dirichlet(np.ones(4), 50)


def test_random_pictures_are_distinct_and_repeatable(said: tuple[np.ndarray, ...]) -> None:
    first, again, other = (
        random_predictions(*said, NAMES, rng=np.random.default_rng(seed)) for seed in (0, 0, 1)
    )
    places = [prediction.place for prediction in first.shown]
    assert len(set(places)) == 12
    assert places == [prediction.place for prediction in again.shown]
    assert places != [prediction.place for prediction in other.shown]


def test_a_prediction_tells_what_was_said(said: tuple[np.ndarray, ...]) -> None:
    images, labels, probabilities = said
    drawn = random_predictions(*said, NAMES, rng=np.random.default_rng(0))
    for prediction in drawn.shown:
        row = probabilities[prediction.place]
        np.testing.assert_array_equal(prediction.image, images[prediction.place])
        assert prediction.true == labels[prediction.place]
        assert prediction.predicted == row.argmax() == prediction.top[0][0]
        assert [p for _, p in prediction.top] == sorted(row, reverse=True)[:3]
        assert prediction.true_probability == row[prediction.true]
    assert drawn.num_wrong == np.count_nonzero(probabilities.argmax(axis=1) != labels)


def test_fewer_pictures_than_places_are_all_shown(said: tuple[np.ndarray, ...]) -> None:
    images, labels, probabilities = said
    few = random_predictions(
        images[:3], labels[:3], probabilities[:3], NAMES, rng=np.random.default_rng(0)
    )
    assert sorted(prediction.place for prediction in few.shown) == [0, 1, 2]


def test_the_worst_mistakes_are_wrong_and_surest_first(said: tuple[np.ndarray, ...]) -> None:
    _, labels, probabilities = said
    drawn = worst_mistakes(*said, NAMES)
    sureness = [prediction.top[0][1] for prediction in drawn.shown]
    assert not any(prediction.is_right for prediction in drawn.shown)
    wrong = probabilities.argmax(axis=1) != labels
    assert sureness == sorted(probabilities[wrong].max(axis=1), reverse=True)[:12]


def test_right_and_wrong_are_told_by_a_sign_too(said: tuple[np.ndarray, ...]) -> None:
    drawn = random_predictions(*said, NAMES, rng=np.random.default_rng(0))
    told = [text.get_text() for text in draw_predictions(drawn).texts]
    for prediction in drawn.shown:
        sign = "✓" if prediction.is_right else "✗"
        assert f"{sign} {NAMES[prediction.predicted]}" in told


def test_no_mistakes_are_told_in_words(said: tuple[np.ndarray, ...]) -> None:
    images, _, probabilities = said
    drawn = worst_mistakes(images, probabilities.argmax(axis=1), probabilities, NAMES)
    told = [text.get_text() for text in draw_worst_mistakes(drawn).texts]
    assert "No mistakes: all 50 images are correct." in told
