"""Initialisers: functions (shape, rng, dtype) -> array, whose spread keeps signals at one size.

With fan_in inputs to a unit, y = Σ w x has the variance fan_in · Var(w) · E[x²]; each rule below
chooses Var(w) so that the variance stays the same from layer to layer, forward or backward.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike

from handloom._typing import FloatArray, Shape
from handloom.errors import ShapeError

Init = Callable[[Shape, Generator, DTypeLike], FloatArray]


def fans(shape: Shape) -> tuple[int, int]:
    """(fan_in, fan_out) of a Linear weight (out, in) or a Conv2d weight (out, in, kh, kw)."""
    if len(shape) < 2:
        raise ShapeError(f"a weight has at least two axes (out, in, ...), got the shape {shape}")
    window = math.prod(shape[2:])
    return shape[1] * window, shape[0] * window


def he_normal(shape: Shape, rng: Generator, dtype: DTypeLike) -> FloatArray:
    """N(0, 2 / fan_in): for ReLU, which halves E[x²].  Source: He et al. 2015, eq. 10."""
    return _normal(shape, rng, dtype, 2.0 / fans(shape)[0])


def he_uniform(shape: Shape, rng: Generator, dtype: DTypeLike) -> FloatArray:
    """U(-a, a) with the variance of he_normal, 2 / fan_in."""
    return _uniform(shape, rng, dtype, 2.0 / fans(shape)[0])


def xavier_normal(shape: Shape, rng: Generator, dtype: DTypeLike) -> FloatArray:
    """N(0, 2 / (fan_in + fan_out)): for tanh, forward and backward alike.  Glorot & Bengio 2010."""
    return _normal(shape, rng, dtype, 2.0 / sum(fans(shape)))


def xavier_uniform(shape: Shape, rng: Generator, dtype: DTypeLike) -> FloatArray:
    """U(-a, a) with a = √(6 / (fan_in + fan_out)).  Source: Glorot & Bengio 2010, eq. 16."""
    return _uniform(shape, rng, dtype, 2.0 / sum(fans(shape)))


def lecun_normal(shape: Shape, rng: Generator, dtype: DTypeLike) -> FloatArray:
    """N(0, 1 / fan_in): keeps the variance of a linear unit.  Source: LeCun et al. 1998, eq. 16."""
    return _normal(shape, rng, dtype, 1.0 / fans(shape)[0])


def zeros(shape: Shape, rng: Generator, dtype: DTypeLike) -> FloatArray:  # noqa: ARG001
    """All zeros: for biases, or to watch a network that cannot break its symmetry."""
    return np.zeros(shape, dtype)


def normal(std: float) -> Init:
    """The initialiser N(0, std²), whatever the fans."""

    def init(shape: Shape, rng: Generator, dtype: DTypeLike) -> FloatArray:
        return _normal(shape, rng, dtype, std**2)

    return init


INITS: dict[str, Init] = {
    "he-normal": he_normal,
    "he-uniform": he_uniform,
    "xavier-normal": xavier_normal,
    "xavier-uniform": xavier_uniform,
    "lecun-normal": lecun_normal,
    "zeros": zeros,
}
"""The names that a recipe may use."""


def _normal(shape: Shape, rng: Generator, dtype: DTypeLike, variance: float) -> FloatArray:
    return (rng.standard_normal(shape) * math.sqrt(variance)).astype(dtype)


def _uniform(shape: Shape, rng: Generator, dtype: DTypeLike, variance: float) -> FloatArray:
    bound = math.sqrt(3.0 * variance)  # Var(U(-a, a)) = a² / 3
    return rng.uniform(-bound, bound, shape).astype(dtype)
