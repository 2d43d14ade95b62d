"""Calibration: whether a network's confidence matches its accuracy."""

from __future__ import annotations

import math

import numpy as np

from handloom._typing import FloatArray, IntArray
from handloom.views import Reliability

BINS = 15
"""As in Guo et al. 2017."""
COLDEST, HOTTEST = 0.05, 20.0
GOLDEN = (math.sqrt(5) - 1) / 2
GOLDEN_STEPS = 40  # the interval of log T shrinks to 3e-8
SEARCHED = 10_000_000  # log-probabilities: some seconds, and images enough for one number
RESAMPLED = 200
TINY = 1e-12


def reliability(
    log_probabilities: FloatArray, labels: IntArray, part: str, bins: int = BINS
) -> Reliability:
    """Sort images into equally wide bins of confidence, and find the temperature.

    Shapes: log_probabilities (N, K), labels (N,), N above 0; `part` names the images.
    Source: Guo et al. 2017, sec. 2 for the diagram, sec. 4.2 for the temperature.
    """
    temperature = best_temperature(log_probabilities, labels)
    confidence, right = _said(softened(log_probabilities, 1.0), labels)
    edges = np.linspace(0, 1, bins + 1)
    places = _bins_of(confidence, bins)
    counts = np.bincount(places, minlength=bins)
    full = np.where(counts, counts, np.nan)
    after = softened(log_probabilities, temperature)
    return Reliability(
        edges=edges,
        counts=counts,
        confidence=np.bincount(places, confidence, bins) / full,
        accuracy=np.bincount(places, right, bins) / full,
        ece=calibration_error(confidence, right, bins),
        temperature=temperature,
        ece_at_temperature=calibration_error(*_said(after, labels), bins),
        part=part,
    )


def calibration_error(confidence: FloatArray, right: FloatArray, bins: int = BINS) -> float:
    """ECE = Σ_b |Σ_{n in b} (right_n - confidence_n)| / N, over equally wide bins; both (N,).

    Source: Naeini et al. 2015; Guo et al. 2017, eq. 3.
    """
    gaps = np.bincount(_bins_of(confidence, bins), right - confidence, bins)
    return float(np.abs(gaps).sum() / len(confidence))


def error_by_chance(confidence: FloatArray, *, seed: int = 0, quantile: float = 0.99) -> float:
    """The ECE that a perfectly calibrated network stays under with probability `quantile`.

    With few images the error is never zero: each is drawn right with its confidence (N,), again
    and again, and the error measured.  Source: Bröcker & Smith 2007, consistency resampling.
    """
    rng = np.random.default_rng(seed)
    draws = (rng.random(len(confidence)) < confidence for _ in range(RESAMPLED))
    errors = [calibration_error(confidence, drawn.astype(np.float64)) for drawn in draws]
    return float(np.quantile(errors, quantile))


def relative_error(losses: FloatArray, weights: FloatArray | None = None) -> float:
    """Standard error of the mean of losses (N,), weighted by (N,) if given, as a share of it."""
    weights = np.ones(len(losses)) if weights is None else weights.astype(np.float64)
    total = weights.sum()
    mean = (weights * losses).sum() / total
    error = np.sqrt((weights**2 * (losses - mean) ** 2).sum()) / total
    return float(error / max(mean, TINY))


def best_temperature(log_probabilities: FloatArray, labels: IntArray) -> float:
    """The T, from 0.05 to 20, at which softmax(log p / T) has the lowest negative log-likelihood.

    In 1 / T that is convex, so it has one valley in log T as well: golden-section search finds it.
    Of more than SEARCHED numbers, as with thousands of classes, every second, third … image is
    asked.
    """
    every = math.ceil(log_probabilities.size / SEARCHED)
    log_probabilities, labels = log_probabilities[::every], labels[::every]
    low, high = math.log(COLDEST), math.log(HOTTEST)
    for _ in range(GOLDEN_STEPS):
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        if _loss(log_probabilities, labels, math.exp(left)) < _loss(
            log_probabilities, labels, math.exp(right)
        ):
            high = right
        else:
            low = left
    return math.exp((low + high) / 2)


def _loss(log_probabilities: FloatArray, labels: IntArray, temperature: float) -> float:
    logs = softened(log_probabilities, temperature)
    return -float(logs[np.arange(len(labels)), labels].mean())


def softened(log_probabilities: FloatArray, temperature: float) -> FloatArray:
    """log softmax(log p / T), (N, K) float64."""
    scaled = log_probabilities.astype(np.float64) / temperature
    scaled -= scaled.max(axis=1, keepdims=True)
    return scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))


def logarithm(probabilities: FloatArray) -> FloatArray:
    """log p, (N, K); finite where p is 0."""
    return np.log(np.maximum(probabilities, np.finfo(probabilities.dtype).tiny))


def _said(log_probabilities: FloatArray, labels: IntArray) -> tuple[FloatArray, FloatArray]:
    """(confidence (N,), 1 where the surest class is the label (N,))."""
    confidence = np.exp(log_probabilities.max(axis=1))
    return confidence, (log_probabilities.argmax(axis=1) == labels).astype(np.float64)


def _bins_of(confidence: FloatArray, bins: int) -> IntArray:
    return np.minimum((confidence * bins).astype(np.int64), bins - 1)
