"""Resize: images brought to another size, each new pixel a mean of its four old neighbours."""

from __future__ import annotations

import numpy as np

from handloom._typing import FloatArray, Shape
from handloom.errors import ShapeError
from handloom.nn._windows import Pair, pair, short
from handloom.nn.layer import Layer


class Resize(Layer):
    """x (N, C, H, W) -> y (N, C, OH, OW) by bilinear interpolation; `size` is OH = OW or a pair.

        y = A x Bᵀ      dx = Aᵀ dy B

    for every channel of every image, with A (OH, H) and B (OW, W). The middle of new pixel p lies
    at s = (p + ½) H/OH - ½ on the axis of the old ones, at least 0; row p of A holds 1 - t and t
    for the two pixels beside it, ⌊s⌋ and ⌊s⌋ + 1 (the last one, beyond the edge), with t = s - ⌊s⌋.
    Going smaller, pixels between are passed over, not averaged. All is as PyTorch's interpolate
    with mode="bilinear", align_corners=False, antialias=False.
    Raises: ConfigError for a size below 1, ShapeError for an input that is not (N, C, H, W).
    """

    def __init__(self, size: int | Pair) -> None:
        super().__init__()
        self.size = pair("Resize size", size, at_least=1)

    def forward(self, x: FloatArray) -> FloatArray:
        """x (N, C, H, W) -> (N, C, OH, OW)."""
        self.output_shape(x.shape[1:])
        down, across = self._matrices(x.shape[2:], x.dtype)
        self.save_for_backward(down, across)
        return down @ (x @ across.T)

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, C, OH, OW) -> dx (N, C, H, W)."""
        down, across = self.pop_saved()
        return down.T @ (dy @ across)

    def _matrices(self, old: Shape, dtype: np.dtype[np.floating]) -> list[FloatArray]:
        """A (OH, H) and B (OW, W)."""
        return [
            interpolation(before, after).astype(dtype)
            for before, after in zip(old, self.size, strict=True)
        ]

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, H, W) -> (C, OH, OW)."""
        if len(input_shape) != 3:
            raise ShapeError(f"Resize expects (C, H, W), got {input_shape}")
        return (input_shape[0], *self.size)

    def describe(self) -> str:
        """'224'."""
        return str(short(self.size))


def interpolation(before: int, after: int) -> FloatArray:
    """The matrix (after, before) that brings `before` pixels in a row to `after`, float64."""
    place = np.maximum((np.arange(after) + 0.5) * (before / after) - 0.5, 0.0)
    lower = np.minimum(place.astype(int), before - 1)
    upper = np.minimum(lower + 1, before - 1)
    share = place - lower
    matrix = np.zeros((after, before))
    rows = np.arange(after)
    matrix[rows, lower] += 1.0 - share
    matrix[rows, upper] += share
    return matrix
