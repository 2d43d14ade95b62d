"""Calibration error, temperature and bins, against scikit-learn, scipy and a count by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

from handloom.diagnosis import calibration
from handloom.diagnosis.calibration import (
    best_temperature,
    calibration_error,
    error_by_chance,
    reliability,
    softened,
)


@pytest.fixture
def outputs(rng: np.random.Generator) -> np.ndarray:
    return log_softmax(3 * rng.standard_normal((2000, 5)), axis=1)


@pytest.fixture
def labels(outputs: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Drawn from the outputs at temperature 2: a network that is too sure of itself."""
    chances = np.exp(log_softmax(outputs / 2, axis=1))
    return (rng.random((len(outputs), 1)) > np.cumsum(chances, axis=1)).sum(axis=1)


def test_the_error_is_the_mean_gap_of_bins() -> None:
    confidence = np.array([0.05, 0.55, 0.58, 0.95, 1.0])
    right = np.array([0.0, 1.0, 0.0, 1.0, 1.0])
    by_hand = (5 * 0.0 + abs(0 - 0.05) + abs(1 - 0.55 - 0.58) + abs(2 - 1.95)) / 5
    assert calibration_error(confidence, right, bins=10) == pytest.approx(by_hand)


def test_bins_agree_with_scikit_learn(outputs: np.ndarray, labels: np.ndarray) -> None:
    found = reliability(outputs, labels, "some")
    confidence, right = np.exp(outputs.max(axis=1)), outputs.argmax(axis=1) == labels
    share, mean = calibration_curve(right, confidence, n_bins=15)
    full = found.counts > 0
    np.testing.assert_allclose(found.accuracy[full], share)
    np.testing.assert_allclose(found.confidence[full], mean)
    assert np.isnan(found.accuracy[~full]).all()
    assert found.counts.sum() == len(labels)
    weights = found.counts[full] / len(labels)
    assert found.ece == pytest.approx((weights * np.abs(share - mean)).sum())
    assert found.part == "some"


def test_the_temperature_is_scipys_and_mends_the_error(
    outputs: np.ndarray, labels: np.ndarray
) -> None:
    def loss(log_temperature: float) -> float:
        return log_loss(labels, np.exp(log_softmax(outputs / np.exp(log_temperature), axis=1)))

    best = float(np.exp(minimize_scalar(loss, bounds=(-3, 3), method="bounded").x))
    found = reliability(outputs, labels, "some")
    assert found.temperature == pytest.approx(best, rel=1e-4)
    assert found.temperature == pytest.approx(2.0, rel=0.1)
    assert found.ece_at_temperature < 0.3 * found.ece


def test_of_many_numbers_some_are_asked(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 10,000 classes a search over all would take minutes."""
    logs = calibration.softened(rng.normal(size=(4000, 5)), 0.5)
    labels = rng.integers(0, 5, 4000)
    asked: list[int] = []
    loss = calibration._loss
    monkeypatch.setattr(
        calibration, "_loss", lambda lp, *rest: asked.append(len(lp)) or loss(lp, *rest)
    )
    monkeypatch.setattr(calibration, "SEARCHED", 10_000)
    found = calibration.best_temperature(logs, labels)
    assert set(asked) == {2000}
    assert found == best_temperature(logs[::2], labels[::2])


def test_softening_is_a_softmax_of_the_quotient(outputs: np.ndarray) -> None:
    np.testing.assert_allclose(softened(outputs, 1.7), log_softmax(outputs / 1.7, axis=1))
    assert softened(outputs.astype(np.float32), 1.0).dtype == np.float64


def test_outputs_that_are_all_right_have_a_temperature_all_the_same() -> None:
    certain = np.log(np.array([[0.9, 0.1], [0.2, 0.8]]))
    assert 0 < best_temperature(certain, np.array([0, 1])) < 0.1


def test_error_by_chance_is_what_calibrated_draws_have(rng: np.random.Generator) -> None:
    confidence = rng.uniform(0.5, 1.0, 200)
    bound = error_by_chance(confidence, seed=1)
    errors = [
        calibration_error(confidence, (rng.random(200) < confidence).astype(float))
        for _ in range(300)
    ]
    assert np.mean(np.array(errors) <= bound) > 0.96
    assert bound == error_by_chance(confidence, seed=1)
    assert error_by_chance(np.repeat(confidence, 25)) < bound / 2, "more images, less chance"
