"""Softmax and its logarithm: scores turned into probabilities, over the class axis 1."""

from __future__ import annotations

import numpy as np

from handloom._typing import FloatArray, Shape
from handloom.errors import ShapeError
from handloom.nn.layer import Layer


class _OverClasses(Layer):
    """A layer that works along axis 1 and keeps the shape."""

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, ...) -> (C, ...)."""
        if not input_shape:
            raise ShapeError(f"{type(self).__name__} expects (C, ...), got {input_shape}")
        return input_shape


class Softmax(_OverClasses):
    """y[n, c] = e^x[n, c] / Σ_k e^x[n, k], over axis 1 of x (N, C, ...).

    Every output depends on every input of its example: ∂y_c / ∂x_k = y_c (1[c = k] - y_k), so

        dx = y (dy - Σ_k dy_k y_k)

    Raises ShapeError for an input without a class axis.  Source: Goodfellow et al. 2016, eq. 6.29.
    """

    def forward(self, x: FloatArray) -> FloatArray:
        """x (N, C, ...) -> y (N, C, ...), which sums to 1 over C."""
        y = softmax(x)
        self.save_for_backward(y)
        return y

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, C, ...) -> dx (N, C, ...)."""
        (y,) = self.pop_saved()
        return y * (dy - (dy * y).sum(axis=1, keepdims=True))


class LogSoftmax(_OverClasses):
    """y[n, c] = x[n, c] - log Σ_k e^x[n, k], over axis 1 of x (N, C, ...).

    ∂y_c / ∂x_k = 1[c = k] - softmax(x)_k, so

        dx = dy - e^y Σ_k dy_k

    Raises ShapeError for an input without a class axis.  Source: Goodfellow et al. 2016, eq. 6.30.
    """

    def forward(self, x: FloatArray) -> FloatArray:
        """x (N, C, ...) -> y (N, C, ...), log-probabilities."""
        y = log_softmax(x)
        self.save_for_backward(y)
        return y

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, C, ...) -> dx (N, C, ...)."""
        (y,) = self.pop_saved()
        return dy - np.exp(y) * dy.sum(axis=1, keepdims=True)


def softmax(x: FloatArray) -> FloatArray:
    """Probabilities over axis 1 of the scores x (N, C, ...); scores of any size are safe."""
    exponentials = np.exp(_shifted(x))
    return exponentials / exponentials.sum(axis=1, keepdims=True)


def log_softmax(x: FloatArray) -> FloatArray:
    """Log-probabilities over axis 1 of the scores x (N, C, ...); scores of any size are safe."""
    shifted = _shifted(x)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def _shifted(x: FloatArray) -> FloatArray:
    """The largest score becomes 0: probabilities stay the same, and no exponential overflows."""
    if x.ndim < 2 or x.shape[1] == 0:
        raise ShapeError(f"softmax is over the classes of (N, C, ...), got {x.shape}")
    return x - x.max(axis=1, keepdims=True)
