"""The geometry of a convolution: which pixels, taps and errors meet."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product

from handloom import nn
from handloom._typing import Shape

Pair = tuple[int, int]


@dataclass(frozen=True)
class Convolution:
    """y[k, p, q] = Σ_{c,i,j} w[k, c, i, j] x[c, p·s + i - before, q·s + j - before].

    Every pair is (vertical, horizontal), in pixels. Of y, `rows` and `columns` are computed: those
    that lie in a `window` of the pooling behind it, which is (1, 1) where there is none.
    """

    channels: int
    filters: int
    kernel: Pair
    stride: Pair
    before: Pair
    height: int
    width: int
    rows: int
    columns: int
    window: Pair = (1, 1)

    @classmethod
    def of(cls, layer: nn.Conv2d, input_shape: Shape, pool: nn.MaxPool2d | None) -> Convolution:
        """The geometry of a layer on pictures (C, H, W)."""
        channels, height, width = input_shape
        filters, rows, columns = layer.output_shape(input_shape)
        wh, ww = window = pool.windows.kernel if pool else (1, 1)
        geometry = layer.windows
        return cls(
            channels, filters, geometry.kernel, geometry.stride, geometry.before,
            height, width, rows - rows % wh, columns - columns % ww, window,
        )  # fmt: skip

    @property
    def taps(self) -> int:
        """Weights of one filter for one channel."""
        return math.prod(self.kernel)

    @property
    def border(self) -> int:
        """Pixels around x that y depends on."""
        axes = zip(
            self.kernel, self.stride, self.before,
            (self.rows, self.columns), (self.height, self.width), strict=True,
        )  # fmt: skip
        beyond = [(num - 1) * s + k - before - size for k, s, before, num, size in axes]
        return max(0, *self.before, *beyond)

    @property
    def output(self) -> Shape:
        """(filters, rows, columns) after the pooling."""
        return self.filters, self.rows // self.window[0], self.columns // self.window[1]

    @property
    def unpooled(self) -> Convolution:
        """The same without the pooling."""
        return replace(self, window=(1, 1))

    @property
    def multiplications(self) -> int:
        """Of one example, forward; each of the two derivatives has as many."""
        return self.filters * self.channels * self.taps * self.rows * self.columns


@dataclass(frozen=True)
class Stretch:
    """`count` neighbouring tiles of a row of x, from pixel `start` on, that are handled alike.

    `uses` lists for each column of the kernel the pairs of a pixel of the tile and the error that
    it gets through that column, counted from the tile's first pixel divided by the stride.
    """

    start: int
    count: int
    pixels: int
    uses: tuple[tuple[Pair, ...], ...]


def stretches(shape: Convolution, pixels: int) -> list[Stretch]:
    """All tiles of a row of x, `pixels` wide but for the last; at its edges they get less errors.

    They do not overlap: what they compute may be added to what is there already.
    """
    alike: dict[tuple[int, tuple[tuple[Pair, ...], ...]], list[int]] = {}
    for start in range(0, shape.width, pixels):
        width = min(pixels, shape.width - start)
        uses = tuple(_uses(shape, start, width, j) for j in range(shape.kernel[1]))
        alike.setdefault((width, uses), []).append(start)
    return [Stretch(begins[0], len(begins), *key) for key, begins in alike.items()]


def _uses(shape: Convolution, start: int, pixels: int, j: int) -> tuple[Pair, ...]:
    """Which errors reach a tile through column j: q = (column + before - j) / stride."""
    stride, before = shape.stride[1], shape.before[1]
    reached = ((i, *divmod(start + i + before - j, stride)) for i in range(pixels))
    return tuple(
        (i, q - start // stride) for i, q, rest in reached if rest == 0 and 0 <= q < shape.columns
    )


def meetings(stride: Pair, taps: Pair, errors: Pair) -> list[tuple[Pair, list[Pair]]]:
    """Each pixel that a block of neighbouring errors meets, through a block of taps.

    With it come the pairs (error, tap) that meet there, both numbered row by row.
    """
    (sh, sw), (kh, kw), (eh, ew) = stride, taps, errors
    at: dict[Pair, list[Pair]] = {}
    for p, q, i, j in product(range(eh), range(ew), range(kh), range(kw)):
        at.setdefault((p * sh + i, q * sw + j), []).append((p * ew + q, i * kw + j))
    return sorted(at.items())
