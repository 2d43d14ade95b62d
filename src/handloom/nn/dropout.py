"""Dropout: a random part of the numbers is left out, another one at every step."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator, Philox

from handloom._typing import FloatArray, Shape
from handloom.errors import ConfigError, StateError
from handloom.nn.layer import Layer


class Dropout(Layer):
    """y = x · m / (1 - p) in training, where each m is 0 with probability p, else 1;  y = x after.

        dx = dy · m / (1 - p)

    The factor keeps the expectation of y at x. The mask is a function of two integers, the layer's
    own `key`, drawn once from `rng`, and the training step that `begin_step` tells: the same step
    has the same mask, in whatever order steps are run, so that a resumed training repeats itself.
    Philox is a counter-based generator: it starts at any (key, step) without a history.

    Raises ConfigError unless 0 <= p < 1, and StateError for a training forward before any
    begin_step.  Source: Srivastava et al. 2014, sec. 10; Salmon et al. 2011 for Philox.
    """

    def __init__(self, p: float, *, rng: Generator) -> None:
        super().__init__()
        if not 0 <= p < 1:
            raise ConfigError(f"Dropout's p should be at least 0 and less than 1, got {p}")
        self.p = p
        self.key = int(rng.integers(2**63))
        self.step: int | None = None

    def forward(self, x: FloatArray) -> FloatArray:
        """x (N, ...) -> y (N, ...)."""
        if not self.training:
            return x
        factor = np.multiply(self.keep_mask(x.shape), 1 / (1 - self.p), dtype=x.dtype)
        self.save_for_backward(factor)
        return x * factor

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, ...) -> dx (N, ...)."""
        (factor,) = self.pop_saved()
        return dy * factor

    def keep_mask(self, shape: Shape) -> np.ndarray[Shape, np.dtype[np.bool_]]:
        """What this step keeps of an array of this shape, whatever its dtype."""
        if self.step is None:
            raise StateError(
                "Dropout draws its mask from the training step, which was not set: "
                "call begin_step(step) on the network before the forward of each step"
            )
        chance = Generator(Philox(key=np.array([self.key, self.step], np.uint64)))
        return chance.random(shape, dtype=np.float32) >= self.p

    def output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def begin_step(self, step: int) -> None:
        """Choose the mask of this training step."""
        self.step = step

    def describe(self) -> str:
        """'0.5'."""
        return f"{self.p:g}"
