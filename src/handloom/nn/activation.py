"""Activations: one function applied to every number by itself, so dx = dy · f'(x).

Each keeps the dtype and the shape of x, (N, ...), and is safe for any finite x: no exponential is
taken of a large positive number. The cases are written as max(x, 0) and min(x, 0), or multiplied
out with masks, because NumPy does that several times faster than np.where.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np

from handloom._typing import FloatArray, Shape
from handloom.errors import ConfigError
from handloom.nn._erfc import erfc
from handloom.nn.layer import Layer

GATE_IS_SHUT = 30.0
"""Where GELU's gate Φ is 0, or 1, for good in either precision; x² is taken of no larger number."""


class _Elementwise(Layer):
    """A layer whose output has the shape of its input."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape


class ReLU(_Elementwise):
    """y = max(x, 0);  dx = dy where x > 0, else 0.

    At the kink, x = 0, the slope 0 is taken, as everybody does.  Source: Nair & Hinton 2010.
    """

    def forward(self, x: FloatArray) -> FloatArray:
        """x (N, ...) -> y (N, ...)."""
        y = np.maximum(x, 0)
        self.save_for_backward(y)  # y > 0 just where x > 0, and the next layer keeps y anyway
        return y

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, ...) -> dx (N, ...)."""
        (y,) = self.pop_saved()
        return dy * (y > 0)


class LeakyReLU(_Elementwise):
    """y = max(x, a x);  dx = dy where x > 0, else a dy; a is `negative_slope`, from 0 to 1.

    Raises ConfigError for another slope.  Source: Maas, Hannun & Ng 2013, sec. 2.
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        super().__init__()
        if not 0 <= negative_slope <= 1:
            raise ConfigError(f"negative_slope has to be between 0 and 1, got {negative_slope}")
        self.negative_slope = negative_slope

    def forward(self, x: FloatArray) -> FloatArray:
        """x (N, ...) -> y (N, ...)."""
        self.save_for_backward(x > 0)
        y = self.negative_slope * x
        return np.maximum(x, y, out=y)

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, ...) -> dx (N, ...)."""
        (positive,) = self.pop_saved()
        slope = np.maximum(positive, self.negative_slope, dtype=dy.dtype)  # 1 or a
        slope *= dy
        return slope

    def describe(self) -> str:
        """'0.01'."""
        return f"{self.negative_slope:g}"


class ELU(_Elementwise):
    """y = max(x, 0) + α (e^min(x, 0) - 1);  dx = dy where x > 0, else α eˣ dy.

    Source: Clevert, Unterthiner & Hochreiter 2016, eq. 15.
    """

    def __init__(self, alpha: float = 1.0) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, x: FloatArray) -> FloatArray:
        """x (N, ...) -> y (N, ...)."""
        self.save_for_backward(x)
        return np.maximum(x, 0) + self.alpha * np.expm1(np.minimum(x, 0))

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, ...) -> dx (N, ...)."""
        (x,) = self.pop_saved()
        positive = x > 0
        return dy * (positive + ~positive * (self.alpha * np.exp(np.minimum(x, 0))))

    def describe(self) -> str:
        """'1'."""
        return f"{self.alpha:g}"


class GELU(_Elementwise):
    """y = x Φ(x), where Φ is the normal distribution function;  dx = dy (Φ(x) + x Φ'(x)).

        "none":  Φ(x) = erfc(-x/√2) / 2            Φ'(x) = exp(-x²/2) / √(2π)
        "tanh":  Φ(x) ≈ (1 + tanh u) / 2 = σ(2u)   Φ'(x) ≈ 2 u' σ(2u) (1 - σ(2u))
                 u = √(2/π) (x + 0.044715 x³)      u' = √(2/π) (1 + 0.134145 x²)

    Raises ConfigError for another `approximate`.  Source: Hendrycks & Gimpel 2016, sec. 2.
    """

    def __init__(self, approximate: Literal["none", "tanh"] = "none") -> None:
        super().__init__()
        if approximate not in ("none", "tanh"):
            raise ConfigError(f"GELU's approximate should be 'none' or 'tanh', got {approximate!r}")
        self.approximate = approximate

    def forward(self, x: FloatArray) -> FloatArray:
        """x (N, ...) -> y (N, ...)."""
        gate = self._gate(x)
        self.save_for_backward(x, gate)
        return x * gate

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, ...) -> dx (N, ...)."""
        x, gate = self.pop_saved()
        return dy * (gate + x * self._gate_slope(x, gate))

    def describe(self) -> str:
        """'' or "'tanh'"."""
        return "" if self.approximate == "none" else repr(self.approximate)

    def _gate(self, x: FloatArray) -> FloatArray:
        if self.approximate == "none":
            return erfc(x * -math.sqrt(0.5)) / 2
        return sigmoid(2 * math.sqrt(2 / math.pi) * x * (1 + 0.044715 * x**2))

    def _gate_slope(self, x: FloatArray, gate: FloatArray) -> FloatArray:
        if self.approximate == "none":
            return np.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
        near = np.clip(x, -GATE_IS_SHUT, GATE_IS_SHUT)
        return 2 * math.sqrt(2 / math.pi) * (1 + 0.134145 * near**2) * gate * (1 - gate)


class SiLU(_Elementwise):
    """y = x σ(x);  dx = dy σ(x) (1 + x (1 - σ(x))).  Source: Elfwing, Uchibe & Doya 2018, eq. 6."""

    def forward(self, x: FloatArray) -> FloatArray:
        """x (N, ...) -> y (N, ...)."""
        gate = sigmoid(x)
        self.save_for_backward(x, gate)
        return x * gate

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, ...) -> dx (N, ...)."""
        x, gate = self.pop_saved()
        return dy * gate * (1 + x * (1 - gate))


class Sigmoid(_Elementwise):
    """y = σ(x) = 1 / (1 + e⁻ˣ);  dx = dy y (1 - y).  Source: Goodfellow et al. 2016, sec. 3.10."""

    def forward(self, x: FloatArray) -> FloatArray:
        """x (N, ...) -> y (N, ...)."""
        y = sigmoid(x)
        self.save_for_backward(y)
        return y

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, ...) -> dx (N, ...)."""
        (y,) = self.pop_saved()
        return dy * y * (1 - y)


class Tanh(_Elementwise):
    """y = tanh(x);  dx = dy (1 - y²).  Source: LeCun et al. 1998, sec. 4.4."""

    def forward(self, x: FloatArray) -> FloatArray:
        """x (N, ...) -> y (N, ...)."""
        y = np.tanh(x)
        self.save_for_backward(y)
        return y

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, ...) -> dx (N, ...)."""
        (y,) = self.pop_saved()
        return dy * (1 - y**2)


def sigmoid(x: FloatArray) -> FloatArray:
    """1 / (1 + e⁻ˣ), with both sides of the fraction times e^min(x, 0): no exponent is above 0."""
    return np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x)))
