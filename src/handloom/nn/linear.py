"""Linear: every output a weighted sum of every input."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike

from handloom._typing import FloatArray, Shape
from handloom.errors import ShapeError
from handloom.nn.init import Init, he_normal
from handloom.nn.layer import NO_GRADIENT, Layer, Parameter, check_shape


class Linear(Layer):
    """x (N, D) -> y = x Wᵀ + b (N, K); weight W is (K, D), bias b is (K,), as in PyTorch.

        y[n, k] = Σ_d x[n, d] W[k, d] + b[k]
        dW = dyᵀ x      db = Σ_n dy[n]      dx = dy W

    Raises ShapeError for an input that is not (N, D).  Source: Goodfellow et al. 2016, sec. 6.5.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        rng: Generator,
        bias: bool = True,
        init: Init = he_normal,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        self.weight = Parameter(init((out_features, in_features), rng, dtype))
        self.bias = Parameter(np.zeros(out_features, dtype), decay=False) if bias else None

    def forward(self, x: FloatArray) -> FloatArray:
        """x (N, D) -> (N, K)."""
        check_shape(x, (None, self.weight.shape[1]), "Linear input")
        self.save_for_backward(x)
        y = x @ self.weight.value.T
        if self.bias is not None:
            y += self.bias.value
        return y

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, K) -> dx (N, D)."""
        (x,) = self.pop_saved()
        self.weight.accumulate(dy.T @ x)
        if self.bias is not None:
            self.bias.accumulate(dy.sum(axis=0))
        return dy @ self.weight.value if self.needs_input_gradient else NO_GRADIENT

    def output_shape(self, input_shape: Shape) -> Shape:
        """(D,) -> (K,)."""
        out_features, in_features = self.weight.shape
        if input_shape != (in_features,):
            hint = "; put a Flatten before it" if len(input_shape) > 1 else ""
            raise ShapeError(f"Linear expects ({in_features},), got {input_shape}{hint}")
        return (out_features,)

    def describe(self) -> str:
        """'784, 256'."""
        out_features, in_features = self.weight.shape
        return f"{in_features}, {out_features}" + ("" if self.bias is not None else ", bias=False")
