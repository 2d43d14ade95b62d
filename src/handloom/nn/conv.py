"""Conv2d: the same small kernel at every place of the image."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike

from handloom._typing import FloatArray, Shape
from handloom.errors import ConfigError, ShapeError
from handloom.nn._windows import Pair, Windows, pair, pictures_first, pictures_last, short
from handloom.nn.init import Init, he_normal
from handloom.nn.layer import NO_GRADIENT, Layer, Parameter

_STRIP_BYTES = 2 << 20
"""How much room the columns may take at a time: large enough that BLAS is at full speed, small
enough for a processor's cache. A whole batch of a residual network would take hundreds of MB."""


class Conv2d(Layer):
    """x (N, C, H, W) -> y (N, K, OH, OW); weight W is (K, C/groups, kh, kw), bias b is (K,).

        y[n, k, p, q] = b[k] + Σ_{c,i,j} W[k, c, i, j] x[n, c, p·s + i·d - pad, q·s + j·d - pad]

    (stride s, dilation d, x zero outside the image). Every window written as one column of a
    matrix X (C·kh·kw, OH·OW·N), this is one matrix product, and so is each derivative:

        y = W X + b      dW = dy Xᵀ      db = Σ_{n,p,q} dy      dX = Wᵀ dy

    with W as (K, C·kh·kw) and dy as (K, OH·OW·N). A pixel stands in several columns, so dx at it is
    the sum of all its entries in dX. With `groups` = G the channels fall into G equal parts, each
    convolved by its own K/G kernels: G such products side by side.

    `padding` is in pixels on each side; "same" keeps the size and needs stride 1 (an even kernel
    gets the odd pixel after). Raises ConfigError for settings that cannot be, ShapeError for an
    input that is not (N, C, H, W) or too small.
    Source: Chellapilla et al. 2006, sec. 3.1 (the matrix form); Dumoulin & Visin 2016 (the sizes).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | Pair,
        *,
        rng: Generator,
        stride: int | Pair = 1,
        padding: int | Pair | Literal["same"] = 0,
        dilation: int | Pair = 1,
        groups: int = 1,
        bias: bool = True,
        init: Init = he_normal,
        dtype: DTypeLike = np.float32,
    ) -> None:
        super().__init__()
        if (
            min(in_channels, out_channels, groups) < 1
            or in_channels % groups
            or out_channels % groups
        ):
            raise ConfigError(
                "Conv2d needs positive numbers of channels that are divisible by groups, "
                f"got groups={groups} for {in_channels} -> {out_channels}"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.groups = groups
        self.padding = padding
        self.windows = _windows(kernel_size, stride, padding, dilation)
        shape = (out_channels, in_channels // groups, *self.windows.kernel)
        self.weight = Parameter(init(shape, rng, dtype))
        self.bias = Parameter(np.zeros(out_channels, dtype), decay=False) if bias else None

    def forward(self, x: FloatArray) -> FloatArray:
        """x (N, C, H, W) -> (N, K, OH, OW)."""
        shape = (*self.output_shape(x.shape[1:]), len(x))
        x = pictures_last(x)
        padded = self.windows.pad(x, 0.0)
        y = np.empty(shape, np.result_type(x, self.weight.value))
        for rows, seen in self._strips(shape, y.itemsize):
            columns = self._columns(padded[:, seen])
            y[:, rows] = (self._weight_matrix() @ columns).reshape(y[:, rows].shape)
            # Columns are kh·kw times as large as x, and soon gathered again: the last strip's stay.
            self.save_for_backward(padded, x.shape, columns)
        if self.bias is not None:
            y += self.bias.value[:, None, None, None]
        return pictures_first(y)

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, K, OH, OW) -> dx (N, C, H, W)."""
        padded, x_shape, last_columns = self.pop_saved()
        dy = pictures_last(dy)
        self.weight.accumulate(self._weight_gradient(dy, padded, last_columns))
        if self.bias is not None:
            self.bias.accumulate(dy.sum(axis=(1, 2, 3)))
        if not self.needs_input_gradient:
            return NO_GRADIENT
        dpadded = self._input_gradient(dy, padded.shape)
        return pictures_first(self.windows.inside(dpadded, x_shape))

    def _weight_gradient(self, dy: FloatArray, x: FloatArray, last: FloatArray) -> FloatArray:
        """dW = dy Xᵀ for dy (K, OH, OW, N), the padded x (C, H, W, N), and X of the last strip."""
        dweight = np.zeros_like(self._weight_matrix())
        for rows, seen in self._strips(dy.shape, x.itemsize):
            columns = last if rows.stop == dy.shape[1] else self._columns(x[:, seen])
            dweight += self._matrix(dy[:, rows]) @ columns.transpose(0, 2, 1)
        return dweight.reshape(self.weight.shape)

    def _input_gradient(self, dy: FloatArray, shape: Shape) -> FloatArray:
        """dX = Wᵀ dy, every entry added to the pixel of the padded x (C, H, W, N) it came from."""
        dx = np.zeros(shape, dy.dtype)
        for rows, seen in self._strips(dy.shape, dy.itemsize):
            dcolumns = self._weight_matrix().transpose(0, 2, 1) @ self._matrix(dy[:, rows])
            strip = dx[:, seen]
            dcolumns = dcolumns.reshape(self._columns_shape(strip.shape))
            for i, j, pixels in self.windows.positions(strip.shape):
                strip[pixels] += dcolumns[:, i, j]
        return dx

    def _columns(self, x: FloatArray) -> FloatArray:
        """X (G, C/G·kh·kw, OH·OW·N) of the padded x (C, H, W, N): columns are what windows see."""
        columns = np.empty(self._columns_shape(x.shape), x.dtype)
        for i, j, pixels in self.windows.positions(x.shape):
            columns[:, i, j] = x[pixels]
        return columns.reshape(self.groups, self.weight.value[0].size, -1)

    def _columns_shape(self, shape: Shape) -> Shape:
        return (shape[0], *self.windows.kernel, *self.windows.num_windows(shape), shape[-1])

    def _matrix(self, y: FloatArray) -> FloatArray:
        """(K, OH, OW, N) -> (G, K/G, OH·OW·N)."""
        return y.reshape(self.groups, self.out_channels // self.groups, -1)

    def _weight_matrix(self) -> FloatArray:
        """(G, K/G, C/G·kh·kw): row k is the kernel of output channel k."""
        return self._matrix(self.weight.value)

    def _strips(self, y_shape: Shape, itemsize: int) -> Iterator[tuple[slice, slice]]:
        """Rows of y (K, OH, OW, N) in strips, and the rows of the padded x that each depends on."""
        _, num_rows, width, pictures = y_shape
        row_bytes = self.in_channels * math.prod(self.windows.kernel) * width * pictures * itemsize
        return self.windows.strips(num_rows, max(1, _STRIP_BYTES // max(1, row_bytes)))

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, H, W) -> (K, OH, OW)."""
        if len(input_shape) != 3 or input_shape[0] != self.in_channels:
            raise ShapeError(f"Conv2d expects ({self.in_channels}, H, W), got {input_shape}")
        return (self.out_channels, *self.windows.output_size(*input_shape[1:]))

    def describe(self) -> str:
        """'6, 16, 5, padding=2'."""
        windows = self.windows
        told = [f"{self.in_channels}, {self.out_channels}, {short(windows.kernel)}"]
        told += [f"stride={short(windows.stride)}"] if windows.stride != (1, 1) else []
        told += [f"padding={self.padding!r}"] if self.padding not in (0, (0, 0)) else []
        told += [f"dilation={short(windows.dilation)}"] if windows.dilation != (1, 1) else []
        told += [f"groups={self.groups}"] if self.groups != 1 else []
        told += ["bias=False"] if self.bias is None else []
        return ", ".join(told)


def _windows(
    kernel_size: int | Pair,
    stride: int | Pair,
    padding: int | Pair | Literal["same"],
    dilation: int | Pair,
) -> Windows:
    """The checked geometry of a convolution."""
    kernel = pair("Conv2d kernel_size", kernel_size, at_least=1)
    strides = pair("Conv2d stride", stride, at_least=1)
    dilations = pair("Conv2d dilation", dilation, at_least=1)
    if not isinstance(padding, str):
        before = after = pair("Conv2d padding", padding, at_least=0)
    elif padding == "same" and strides == (1, 1):
        missing = [d * (k - 1) for d, k in zip(dilations, kernel, strict=True)]
        before = missing[0] // 2, missing[1] // 2
        after = missing[0] - before[0], missing[1] - before[1]
    else:
        raise ConfigError(
            f'Conv2d padding is a number of pixels, or "same" with stride 1; '
            f"got {padding!r} with stride {short(strides)}"
        )
    return Windows(kernel, strides, dilations, before, after)
