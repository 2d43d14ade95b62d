"""Pooling: each window gives one number, its largest or its mean."""

from __future__ import annotations

import numpy as np

from handloom._typing import FloatArray, IntArray, Shape
from handloom.errors import ConfigError, ShapeError
from handloom.nn._windows import Pair, Windows, pair, pictures_first, pictures_last, short
from handloom.nn.layer import Layer


class _Pool2d(Layer):
    """What the two poolings share: the windows' geometry and its checks."""

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None,
        padding: int | Pair,
        dilation: int | Pair,
        ceil_mode: bool,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        kernel = pair(f"{name} kernel_size", kernel_size, at_least=1)
        before = pair(f"{name} padding", padding, at_least=0)
        self.windows = Windows(
            kernel,
            kernel if stride is None else pair(f"{name} stride", stride, at_least=1),
            pair(f"{name} dilation", dilation, at_least=1),
            before,
            before,
            ceil_mode,
        )
        if any(2 * p > r for p, r in zip(before, self.windows.reach, strict=True)):
            raise ConfigError(
                f"{name} padding has to be at most half of the window, or a window could contain "
                f"nothing else; got padding {short(before)} for a window of "
                f"{short(self.windows.reach)}"
            )

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, H, W) -> (C, OH, OW)."""
        if len(input_shape) != 3:
            raise ShapeError(f"{type(self).__name__} expects (C, H, W), got {input_shape}")
        return (input_shape[0], *self.windows.output_size(*input_shape[1:]))

    def describe(self) -> str:
        """'3, stride=2, padding=1'."""
        windows = self.windows
        told = [str(short(windows.kernel))]
        told += [f"stride={short(windows.stride)}"] if windows.stride != windows.kernel else []
        told += [f"padding={short(windows.before)}"] if windows.before != (0, 0) else []
        told += [f"dilation={short(windows.dilation)}"] if windows.dilation != (1, 1) else []
        told += ["ceil_mode=True"] if windows.ceil_mode else []
        return ", ".join(told)


class MaxPool2d(_Pool2d):
    """x (N, C, H, W) -> y (N, C, OH, OW), the largest number in each window.

        y[n, c, p, q] = max_{i,j} x[n, c, p·s + i·d - pad, q·s + j·d - pad]
        dx at a pixel = Σ dy over the windows whose largest it is

    Of equal numbers in a window the first, row by row, takes the gradient, as in PyTorch. The
    stride defaults to the kernel's size; padding never wins. Raises ConfigError for settings that
    cannot be, ShapeError for an input that is not (N, C, H, W) or too small.
    Source: Goodfellow et al. 2016, sec. 9.3.
    """

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        dilation: int | Pair = 1,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__(kernel_size, stride, padding, dilation, ceil_mode)

    def forward(self, x: FloatArray) -> FloatArray:
        """x (N, C, H, W) -> (N, C, OH, OW)."""
        y = np.full((*self.output_shape(x.shape[1:]), len(x)), -np.inf, x.dtype)
        x = pictures_last(x)
        padded = self.windows.pad(x, -np.inf)
        for _, _, pixels in self.windows.positions(padded.shape):
            np.maximum(y, padded[pixels], out=y)
        self.save_for_backward(x.shape, padded, y)
        return pictures_first(y)

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, C, OH, OW) -> dx (N, C, H, W)."""
        shape, padded, y = self.pop_saved()
        dy = pictures_last(dy)
        dpadded = np.zeros(padded.shape, dy.dtype)
        open_ = np.ones(y.shape, bool)  # windows whose largest pixel has not been met yet
        for _, _, pixels in self.windows.positions(padded.shape):
            largest = open_ & (padded[pixels] == y)
            open_ ^= largest
            share = largest.astype(dy.dtype) * dy
            if self.windows.overlap:
                dpadded[pixels] += share
            else:  # side by side, as usual: nothing is there yet, and writing is faster
                dpadded[pixels] = share
        return pictures_first(self.windows.inside(dpadded, shape))


class AvgPool2d(_Pool2d):
    """x (N, C, H, W) -> y (N, C, OH, OW), the mean of each window.

        y[n, c, p, q] = Σ_{i,j} x[n, c, p·s + i - pad, q·s + j - pad] / m[p, q]
        dx at a pixel = Σ dy / m over the windows that it stands in

    m is the number of pixels in the window: kh·kw, padding and all, or with count_include_pad=False
    only those inside the image; what ceil_mode adds beyond the padding never counts. The stride
    defaults to the kernel's size. Raises ConfigError for settings that cannot be, ShapeError for an
    input that is not (N, C, H, W) or too small.  Source: LeCun et al. 1998, sec. II.B.
    """

    def __init__(
        self,
        kernel_size: int | Pair,
        stride: int | Pair | None = None,
        padding: int | Pair = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__(kernel_size, stride, padding, 1, ceil_mode)
        self.count_include_pad = count_include_pad

    def forward(self, x: FloatArray) -> FloatArray:
        """x (N, C, H, W) -> (N, C, OH, OW)."""
        y = np.zeros((*self.output_shape(x.shape[1:]), len(x)), x.dtype)
        x = pictures_last(x)
        self.save_for_backward(x.shape)
        padded = self.windows.pad(x, 0.0)
        for _, _, pixels in self.windows.positions(padded.shape):
            y += padded[pixels]
        y /= self._num_pixels(x.shape, x.dtype)
        return pictures_first(y)

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, C, OH, OW) -> dx (N, C, H, W)."""
        (shape,) = self.pop_saved()
        share = pictures_last(dy) / self._num_pixels(shape, dy.dtype)
        dpadded = np.zeros(self.windows.padded_shape(shape), dy.dtype)
        for _, _, pixels in self.windows.positions(dpadded.shape):
            dpadded[pixels] += share
        return pictures_first(self.windows.inside(dpadded, shape))

    def _num_pixels(self, shape: Shape, dtype: np.dtype[np.floating]) -> FloatArray:
        """m (OH, OW, 1) for an x of the shape (C, H, W, N)."""
        size = self.windows.output_size(*shape[1:3])
        rows, columns = (self._pixels_seen(axis, size[axis], shape[1 + axis]) for axis in (0, 1))
        return np.outer(rows, columns).astype(dtype)[:, :, None]

    def _pixels_seen(self, axis: int, num_windows: int, size: int) -> IntArray:
        """How many of the `size` pixels along one axis each window counts."""
        border = self.windows.before[axis] if self.count_include_pad else 0
        start = np.arange(num_windows) * self.windows.stride[axis] - self.windows.before[axis]
        end = start + self.windows.kernel[axis]
        return np.minimum(end, size + border) - np.maximum(start, -border)

    def describe(self) -> str:
        """'3, stride=2, padding=1, count_include_pad=False'."""
        return super().describe() + ("" if self.count_include_pad else ", count_include_pad=False")


class GlobalAvgPool2d(Layer):
    """x (N, C, H, W) -> y (N, C), the mean of each channel; dx = dy / (H·W) at every pixel.

    Raises ShapeError for an input that is not (N, C, H, W).  Source: Lin et al. 2014, sec. 3.2.
    """

    def forward(self, x: FloatArray) -> FloatArray:
        """x (N, C, H, W) -> (N, C)."""
        self.output_shape(x.shape[1:])
        self.save_for_backward(x.shape[2:])
        return x.mean(axis=(2, 3))

    def backward(self, dy: FloatArray) -> FloatArray:
        """dy (N, C) -> dx (N, C, H, W)."""
        ((height, width),) = self.pop_saved()
        share = dy.T[:, None, None, :] / (height * width)
        return pictures_first(np.tile(share, (1, height, width, 1)))

    def output_shape(self, input_shape: Shape) -> Shape:
        """(C, H, W) -> (C,)."""
        if len(input_shape) != 3:
            raise ShapeError(f"GlobalAvgPool2d expects (C, H, W), got {input_shape}")
        return input_shape[:1]
