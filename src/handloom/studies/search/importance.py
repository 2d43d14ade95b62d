"""Which parameter decides: the variance of a study's values, divided among its parameters."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from handloom._typing import FloatArray
from handloom.views import Importance, Parameter, Trials

LEAST_TRIALS = 4
TREES = 64
MOST_POINTS = 2048
"""So many points of the space stand for all of it; a smaller grid is taken whole."""
SHARES = 16
"""Into so many equal parts a parameter is divided that is no choice."""


def importance(trials: Trials, *, seed: int = 0) -> Importance | None:
    """The share of the variance over the space that each parameter explains by itself.

    A forest of trees that remember every trial stands for what was not tried. A parameter's share
    is the variance of the forest's mean where that parameter alone is held, divided by the whole
    variance: on a grid that was tried as a whole, the main effects of the analysis of variance.
    Trials that went astray count as the worst that is worth showing; else they alone would decide.
    Parameters that not every complete trial has are left out. None where fewer than LEAST_TRIALS
    are complete, or all are equally good. Source: Hutter, Hoos and Leyton-Brown 2014, "An Efficient
    Approach for Assessing Hyperparameter Importance" (functional ANOVA); here by sampling.
    """
    known = np.isfinite(trials.values)
    low, high = sorted(trials.shown_span())
    values = np.clip(trials.values[known], low, high)
    every = [(parameter, trials.places(parameter)[known]) for parameter in trials.parameters]
    shared = [(parameter, places) for parameter, places in every if np.isfinite(places).all()]
    if len(values) < LEAST_TRIALS or np.ptp(values) == 0 or not shared:
        return None
    forest = _Forest(np.stack([places for _, places in shared], axis=1), values, seed)
    parameters = [parameter for parameter, _ in shared]
    points = _points(parameters, np.random.default_rng(seed))
    variance = float(forest(points).var())
    if variance == 0:
        return None
    shares = [
        _variance_of_means(forest, points, column, _centres(parameter)) / variance
        for column, parameter in enumerate(parameters)
    ]
    order = np.argsort(shares)[::-1]
    return Importance(
        tuple(parameters[place].name for place in order),
        tuple(float(shares[place]) for place in order),
    )


class _Forest:
    """Places (n, P) -> values (n,): exactly those of the trials where there was one."""

    def __init__(self, places: FloatArray, values: FloatArray, seed: int) -> None:
        from sklearn.ensemble import ExtraTreesRegressor

        self._trees = ExtraTreesRegressor(TREES, random_state=seed).fit(places, values)

    def __call__(self, places: FloatArray) -> FloatArray:
        return self._trees.predict(places)


def _centres(parameter: Parameter) -> FloatArray:
    """Places of all levels, or of the middles of SHARES parts."""
    if parameter.scale == "choice":
        return np.array([parameter.place(level) for level in parameter.levels])
    return (np.arange(SHARES) + 0.5) / SHARES


def _points(parameters: Sequence[Parameter], rng: np.random.Generator) -> FloatArray:
    """Points (n, P) that stand for the space: a whole grid, or a Latin hypercube over it."""
    centres = [_centres(parameter) for parameter in parameters]
    if math.prod(map(len, centres)) <= MOST_POINTS:
        return np.stack([axis.ravel() for axis in np.meshgrid(*centres)], axis=1)
    order = rng.permuted(np.tile(np.arange(MOST_POINTS), (len(centres), 1)), axis=1)
    return np.stack(
        [of[row * len(of) // MOST_POINTS] for of, row in zip(centres, order, strict=True)], axis=1
    )


def _variance_of_means(
    forest: _Forest, points: FloatArray, column: int, centres: FloatArray
) -> float:
    held = points.copy()
    means = []
    for centre in centres:
        held[:, column] = centre
        means.append(forest(held).mean())
    return float(np.var(means))
