"""Normalisation: shift and scale numbers to mean 0 and variance 1, then let the network choose.

Every norm here takes rows, numbers that share one mean and one variance, and computes

    x̂ = (x - μ) / √(σ² + ε)      μ = mean(x), σ² = mean((x - μ)²) over the row's M numbers

As μ and σ² depend on all of the row, so does the gradient: of dx̂ it removes what a shift of the
row (the first mean) and a change of its scale (the second) would undo,

    dx = (dx̂ - mean(dx̂) - x̂ · mean(dx̂ · x̂)) / √(σ² + ε)

Source: Ioffe & Szegedy 2015, sec. 3 (the derivative there in parts, here put together).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import DTypeLike

from handloom._typing import FloatArray, Shape
from handloom.errors import ConfigError, ShapeError
from handloom.nn._windows import pictures_first, pictures_last
from handloom.nn.layer import NO_GRADIENT, Layer, Parameter


class _BatchNorm(Layer):
    """Normalises each channel over the batch; a subclass says what of x makes up a channel's row.

        y = γ x̂ + β      dγ = Σ dy · x̂      dβ = Σ dy      dx̂ = γ dy

    with γ = `weight` and β = `bias`, both (C,), and the sums over the channel's row.
    """

    buffer_names = ("running_mean", "running_var")

    def __init__(
        self,
        num_features: int,
        *,
        eps: float = 1e-5,
        momentum: float = 0.1,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        if not 0.0 <= momentum <= 1.0:
            raise ConfigError(f"{type(self).__name__} momentum has to be in [0, 1], got {momentum}")
        self.eps = _positive(eps)
        self.momentum = momentum
        self.weight = Parameter(np.ones(num_features, dtype), decay=False)
        self.bias = Parameter(np.zeros(num_features, dtype), decay=False)
        self.running_mean = np.zeros(num_features, dtype)
        self.running_var = np.ones(num_features, dtype)

    def _forward_rows(self, rows: FloatArray) -> FloatArray:
        """rows (C, M) -> (C, M)."""
        if not self.training:
            scale = self.weight.value / np.sqrt(self.running_var + self.eps)
            shift = self.bias.value - self.running_mean * scale
            return rows * scale[:, None] + shift[:, None]
        normal, inv_std, mean, var = _normalise(rows, self.eps)
        if not self._follow(mean, var, rows.shape[1]):
            normal[:] = np.nan
        self.save_for_backward(normal, inv_std)
        y = normal * self.weight.value[:, None]
        y += self.bias.value[:, None]
        return y

    def _backward_rows(self, dy: FloatArray) -> FloatArray:
        """dy (C, M) -> dx (C, M)."""
        normal, inv_std = self.pop_saved()
        dweight, dbias = np.vecdot(dy, normal), dy.sum(axis=1)
        dx = NO_GRADIENT
        if self.needs_input_gradient:  # γ, one number a row, is taken out of all the sums
            dx = _without_shift_and_scale(dy, normal, dbias, dweight)
            dx *= (self.weight.value * inv_std)[:, None]
        self.weight.accumulate(dweight)
        self.bias.accumulate(dbias)
        return dx

    def _follow(self, mean: FloatArray, var: FloatArray, count: int) -> bool:
        """Move the running statistics towards the batch's, with the unbiased variance.

        Not where that is beyond the largest number: x̂ would be zero, the running variance infinite
        for good, and nobody would see it. It is then False, and no number comes out.
        """
        if count < 2:
            raise ShapeError(
                f"{type(self).__name__} expects at least two values per channel in training, "
                "got one; use a larger batch"
            )
        var = var * (count / (count - 1))
        if not np.isfinite(var).all():
            return False
        self.running_mean += self.momentum * (mean - self.running_mean)
        self.running_var += self.momentum * (var - self.running_var)
        return True

    def describe(self) -> str:
        """'64'."""
        told = [str(self.weight.shape[0])]
        told += [f"eps={self.eps:g}"] if self.eps != 1e-5 else []
        told += [f"momentum={self.momentum:g}"] if self.momentum != 0.1 else []
        return ", ".join(told)


class BatchNorm1d(_BatchNorm):
    """x (N, C) -> y (N, C), every column normalised over the batch.

        y = γ (x - μ) / √(σ² + ε) + β      with μ, σ² (C,), the column's mean and variance

    In training μ and σ² are the batch's; `running_mean` and `running_var` follow them,
    r <- (1 - momentum) r + momentum · batch, where the variance counts with 1/(N - 1). In
    evaluation they stand in for the batch's. γ is `weight`, β is `bias`, both (C,), not decayed.
    Where a variance overflows, y is NaN in training.
    Raises ShapeError for an input that is not (N, C), or for N = 1 in training.
    Source: Ioffe & Szegedy 2015, algorithms 1 and 2; momentum as in PyTorch.
    """

    def forward(self, x: FloatArray) -> FloatArray:
        """x (N, C) -> (N, C)."""
        self.output_shape(x.shape[1:])
        return self._forward_rows(x.T).T

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, C) -> dx (N, C)."""
        dx = self._backward_rows(dy.T)
        return dx.T if self.needs_input_gradient else NO_GRADIENT

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C,) -> (C,)."""
        if input_shape != self.weight.shape:
            raise ShapeError(f"BatchNorm1d expects {self.weight.shape}, got {input_shape}")
        return input_shape


class BatchNorm2d(_BatchNorm):
    """x (N, C, H, W) -> y (N, C, H, W), every channel normalised over the batch and its pixels.

    As BatchNorm1d, with the mean and variance of a channel over N·H·W numbers.
    Raises ShapeError for an input that is not (N, C, H, W), or if N·H·W = 1 in training.
    Source: Ioffe & Szegedy 2015, sec. 3.2.
    """

    def forward(self, x: FloatArray) -> FloatArray:
        """x (N, C, H, W) -> (N, C, H, W)."""
        self.output_shape(x.shape[1:])
        x = pictures_last(x)
        return pictures_first(self._forward_rows(x.reshape(len(x), -1)).reshape(x.shape))

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, C, H, W) -> dx (N, C, H, W)."""
        dy = pictures_last(dy)
        dx = self._backward_rows(dy.reshape(len(dy), -1))
        return pictures_first(dx.reshape(dy.shape)) if self.needs_input_gradient else NO_GRADIENT

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, H, W) -> (C, H, W)."""
        (channels,) = self.weight.shape
        if len(input_shape) != 3 or input_shape[0] != channels:
            raise ShapeError(f"BatchNorm2d expects ({channels}, H, W), got {input_shape}")
        return input_shape


class LayerNorm(Layer):
    """x (N, ..., *S) -> y of the same shape, every example normalised over its last axes S.

        y = γ x̂ + β      dγ = Σ dy · x̂      dβ = Σ dy      dx̂ = γ dy

    S is `normalized_shape`, γ is `weight`, β is `bias`, both of the shape S, not decayed; the sums
    run over all axes before S. No example sees another, so training and evaluation are the same.
    Raises ShapeError for an input that does not end in S.  Source: Ba, Kiros & Hinton 2016, eq. 4.
    """

    def __init__(
        self, normalized_shape: int | Shape, *, eps: float = 1e-5, dtype: DTypeLike = np.float32
    ) -> None:
        super().__init__()
        self.eps = _positive(eps)
        one_axis = isinstance(normalized_shape, int)
        shape = (normalized_shape,) if one_axis else tuple(normalized_shape)
        self.weight = Parameter(np.ones(shape, dtype), decay=False)
        self.bias = Parameter(np.zeros(shape, dtype), decay=False)

    def forward(self, x: FloatArray) -> FloatArray:
        """x (N, ..., *S) -> the same shape."""
        self.output_shape(x.shape[1:])
        normal, inv_std, _, _ = _normalise(x.reshape(-1, self.weight.value.size), self.eps)
        self.save_for_backward(normal, inv_std)
        return normal.reshape(x.shape) * self.weight.value + self.bias.value

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, ..., *S) -> dx, the same shape."""
        normal, inv_std = self.pop_saved()
        rows = dy.reshape(normal.shape)
        self.weight.accumulate((rows * normal).sum(axis=0).reshape(self.weight.shape))
        self.bias.accumulate(rows.sum(axis=0).reshape(self.bias.shape))
        if not self.needs_input_gradient:
            return NO_GRADIENT
        dnormal = rows * self.weight.value.reshape(-1)
        dx = _without_shift_and_scale(
            dnormal, normal, dnormal.sum(axis=1), np.vecdot(dnormal, normal)
        )
        dx *= inv_std[:, None]
        return dx.reshape(dy.shape)

    def output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        expected = self.weight.shape
        if len(input_shape) < len(expected) or input_shape[-len(expected) :] != expected:
            raise ShapeError(f"LayerNorm expects the last axes {expected}, got {input_shape}")
        return input_shape

    def describe(self) -> str:
        """'(16, 8, 8)'."""
        shape = self.weight.shape
        told = str(shape[0] if len(shape) == 1 else shape)
        return told if self.eps == 1e-5 else f"{told}, eps={self.eps:g}"


def _normalise(
    rows: FloatArray, eps: float
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """rows (R, M) -> x̂ (R, M), and 1/√(σ² + ε), μ and σ² (R,)."""
    mean = rows.mean(axis=1)
    normal = rows - mean[:, None]
    var = np.vecdot(normal, normal) / rows.shape[1]
    inv_std = 1.0 / np.sqrt(var + eps)
    normal *= inv_std[:, None]
    return normal, inv_std, mean, var


def _without_shift_and_scale(
    dnormal: FloatArray, normal: FloatArray, total: FloatArray, along: FloatArray
) -> FloatArray:
    """dx̂ - mean(dx̂) - x̂ · mean(dx̂ · x̂) for each row, given the sums of dx̂ and of dx̂ · x̂ (R,)."""
    num = normal.shape[1]
    dx = dnormal - normal * (along / num)[:, None]
    dx -= (total / num)[:, None]
    return dx


def _positive(eps: float) -> float:
    if not eps > 0.0:
        raise ConfigError(f"the eps of a norm has to be above 0, got {eps}")
    return eps
