"""Flatten: from images to rows."""

from __future__ import annotations

import math

from handloom._typing import FloatArray, Shape
from handloom.nn.layer import Layer


class Flatten(Layer):
    """x (N, C, H, W) -> y (N, C·H·W), the numbers in their order; dx is dy in the shape of x."""

    def forward(self, x: FloatArray) -> FloatArray:
        """x (N, ...) -> (N, D)."""
        self.save_for_backward(x.shape)
        return x.reshape(x.shape[0], math.prod(x.shape[1:]))

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, D) -> dx (N, ...)."""
        (shape,) = self.pop_saved()
        return dy.reshape(shape)

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, H, W) -> (C·H·W,)."""
        return (math.prod(input_shape),)
