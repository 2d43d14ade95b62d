"""Images that two splits share: the same pixels, or nearly."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from handloom._typing import FloatArray, IntArray, UInt8Array
from handloom.data import with_channels

NEAR = 0.1
"""Relative difference up to which two images are the same one: noise, another compression."""
BLOCK = 4  # pixels a side that are averaged into one
ROWS = 256  # images compared with all others at once: 60 MB with 60,000 of them
CLOSEST = 16


class Pair(NamedTuple):
    """Image `first` of one split and image `second` of another, by index."""

    first: int
    second: int
    difference: float
    """‖a - b‖ / ‖b - mean(b)‖; 0 where the pixels are the same."""


def shared_pictures(first: UInt8Array, second: UInt8Array, near: float = NEAR) -> tuple[Pair, ...]:
    """For each image of `second` that `first` holds too, the pair that differs least.

    Both are uint8 (N, H, W) or (N, C, H, W), of one size. All are compared with all, but only by
    their means over 4 × 4 pixels: the distance of two images is at least four times that of their
    means (Jensen's inequality), so nothing within `near` is passed over, and the few that stay are
    compared in full. Where more than 16 stay for one image, it is those with the closest means.
    """
    if not len(first) or not len(second):
        return ()
    first, second = with_channels(first), with_channels(second)
    found: list[Pair] = []
    for b, candidates in _candidates(first, second, near):
        reach = near * _contrast(second[b])
        gaps = first[candidates].astype(np.float64) - second[b]
        distances = np.sqrt(np.einsum("nchw,nchw->n", gaps, gaps))
        closest = int(distances.argmin())
        if distances[closest] <= reach:
            difference = near * float(distances[closest]) / (reach or 1.0)
            found.append(Pair(int(candidates[closest]), b, difference))
    return tuple(sorted(found, key=lambda pair: (pair.difference, pair.second)))


def _contrast(image: UInt8Array) -> float:
    """‖b - mean(b)‖ of one image."""
    return float(image.std() * np.sqrt(image.size))


def _candidates(
    first: UInt8Array, second: UInt8Array, near: float
) -> Iterator[tuple[int, IntArray]]:
    """(place in `second`, places in `first` whose means are close enough), where there are any.

    ‖a - b‖² ≤ r²  ⇔  a·b - ‖a‖²/2 ≥ (‖b‖² - r²)/2: one matrix product, its threshold a row's own.
    """
    means = _means(first), _means(second)
    middle = means[0].mean(axis=0)  # so that squares are small, and float32 is exact enough
    a, b = means[0] - middle, means[1] - middle
    squares = [np.einsum("nd,nd->n", each, each)[:, np.newaxis] for each in (a, b)]
    a, b = np.hstack([a, -squares[0] / 2]).T.copy(), np.hstack([b, np.ones_like(squares[1])])
    reach = np.array([near * _contrast(image) / BLOCK for image in second])
    slack = 1.0 + 1e-5 * (squares[1][:, 0] + squares[0].max())
    least = ((squares[1][:, 0] - reach**2 - slack) / 2).astype(np.float32)
    for start in range(0, len(b), ROWS):
        products = b[start : start + ROWS] @ a
        for row in np.flatnonzero(products.max(axis=1) >= least[start : start + ROWS]):
            close = np.flatnonzero(products[row] >= least[start + row])
            order = np.argsort(-products[row, close], kind="stable")[:CLOSEST]
            yield start + int(row), close[order]


def _means(images: UInt8Array) -> FloatArray:
    """(N, C, H, W) -> the means over blocks, (N, D) float32; what a block lacks counts as black."""
    count, channels, height, width = images.shape
    rows, columns = -(-height // BLOCK), -(-width // BLOCK)
    padded = np.zeros((count, channels, rows * BLOCK, columns * BLOCK), np.uint8)
    padded[:, :, :height, :width] = images
    blocks = padded.reshape(count, channels, rows, BLOCK, columns, BLOCK)
    return blocks.mean(axis=(3, 5), dtype=np.float32).reshape(count, -1)
