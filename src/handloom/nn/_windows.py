"""Windows that slide over images: the geometry which convolution and pooling share.

Images are (N, C, H, W) to everybody. Here they lie in memory as (C, H, W, N), the images last:
what one position of the kernel sees, over all windows and all images, is then one slice whose
runs are long, and NumPy moves long runs several times faster than the 24 or 8 numbers of one row.
The layers hand on such arrays as (N, C, H, W) views, and element-wise layers keep the order.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from handloom._typing import FloatArray, Shape
from handloom.errors import ConfigError, ShapeError

Pair = tuple[int, int]


def pictures_last(x: FloatArray) -> FloatArray:
    """(N, C, H, W) -> (C, H, W, N), contiguous; free of charge where it already lies so."""
    return np.ascontiguousarray(x.transpose(1, 2, 3, 0))


def pictures_first(x: FloatArray) -> FloatArray:
    """(C, H, W, N) -> (N, C, H, W), a view."""
    return x.transpose(3, 0, 1, 2)


def pair(name: str, value: int | Pair, at_least: int) -> Pair:
    """`value` as (vertical, horizontal); raises ConfigError below `at_least` or for no integers."""
    both = tuple(value) if isinstance(value, list | tuple) else (value, value)
    if len(both) != 2 or not all(isinstance(v, int) and v >= at_least for v in both):
        raise ConfigError(f"{name} is one or two integers of at least {at_least}, got {value!r}")
    return both[0], both[1]


def short(value: Pair) -> int | Pair:
    """(3, 3) -> 3, for people."""
    return value[0] if value[0] == value[1] else value


@dataclass(frozen=True, slots=True)
class Windows:
    """A kernel's positions on an image; every pair is (vertical, horizontal), in pixels.

    `before` and `after` are the padding on the two sides. With `ceil_mode` a last window that only
    begins inside the image or the padding before it counts as well, as in PyTorch.
    """

    kernel: Pair
    stride: Pair
    dilation: Pair
    before: Pair
    after: Pair
    ceil_mode: bool = False

    @property
    def reach(self) -> Pair:
        """How many pixels a window spans from its first to its last: d (k - 1) + 1."""
        (kh, kw), (dh, dw) = self.kernel, self.dilation
        return dh * (kh - 1) + 1, dw * (kw - 1) + 1

    @property
    def overlap(self) -> bool:
        """Whether a pixel can stand in more than one window."""
        return any(s < r for s, r in zip(self.stride, self.reach, strict=True))

    def output_size(self, height: int, width: int) -> Pair:
        """How many windows an image has; raises ShapeError where not even one fits.

        ⌊(H + before + after - reach) / stride⌋ + 1.  Source: Dumoulin & Visin 2016, sec. 2.
        """
        size = self.num_windows(self.padded_shape((1, height, width, 1)))
        if min(size) < 1:
            (rh, rw), padding = self.reach, max(*self.before, *self.after)
            raise ShapeError(
                f"a window that spans {rh} × {rw} pixels expects an image of at least that size, "
                f"got {height} × {width}" + (" before its padding" if padding else "")
            )
        return size

    def num_windows(self, padded_shape: Shape) -> Pair:
        """(OH, OW) on an image that has its border already, (C, H, W, N)."""
        (rh, rw), (sh, sw) = self.reach, self.stride
        return (padded_shape[1] - rh) // sh + 1, (padded_shape[2] - rw) // sw + 1

    def padded_shape(self, shape: Shape) -> Shape:
        """The shape of x (C, H, W, N) with its border, as large as the windows ask for."""
        channels, height, width, pictures = shape
        return channels, self._padded(0, height), self._padded(1, width), pictures

    def _padded(self, axis: int, size: int) -> int:
        stride, reach, edge = self.stride[axis], self.reach[axis], self.before[axis] + size
        padded = edge + self.after[axis]
        if not self.ceil_mode:
            return padded
        last_start = -(-(padded - reach) // stride) * stride
        if last_start >= edge:  # such a window would see nothing but padding
            last_start -= stride
        return max(padded, last_start + reach)

    def pad(self, x: FloatArray, fill: float) -> FloatArray:
        """x (C, H, W, N) within a border of `fill`; x itself where it has no border."""
        shape = self.padded_shape(x.shape)
        if shape == x.shape:
            return x
        padded = np.full(shape, fill, x.dtype)
        self.inside(padded, x.shape)[...] = x
        return padded

    def inside(self, padded: FloatArray, shape: Shape) -> FloatArray:
        """The part of `padded` that is x, of the `shape` (C, H, W, N); a view."""
        top, left = self.before
        return padded[:, top : top + shape[1], left : left + shape[2]]

    def positions(self, padded_shape: Shape) -> Iterator[tuple[int, int, tuple[slice, ...]]]:
        """Each position (i, j) of the kernel, and the pixels that it meets in all the windows.

        padded[pixels] is (C, OH, OW, N): of window (p, q) the position (i, j) sees the pixel
        (p·stride + i·dilation, q·stride + j·dilation).
        """
        (kh, kw), (sh, sw), (dh, dw) = self.kernel, self.stride, self.dilation
        num_rows, num_columns = self.num_windows(padded_shape)
        for i in range(kh):
            rows = slice(i * dh, i * dh + sh * (num_rows - 1) + 1, sh)
            for j in range(kw):
                columns = slice(j * dw, j * dw + sw * (num_columns - 1) + 1, sw)
                yield i, j, (slice(None), rows, columns)

    def strips(self, num_rows: int, rows_a_strip: int) -> Iterator[tuple[slice, slice]]:
        """The `num_rows` rows of windows in strips, and of the padded image what each sees."""
        for start in range(0, num_rows, rows_a_strip):
            stop = min(start + rows_a_strip, num_rows)
            seen = slice(start * self.stride[0], (stop - 1) * self.stride[0] + self.reach[0])
            yield slice(start, stop), seen
