"""Mixing: images blended, or pasted, two by two, and their labels in the same proportion.

What becomes of an image is a function of (seed, epoch, its position in the data set): the draws of
an epoch are made for the whole data set at once, and a batch takes those of its positions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from handloom._typing import FloatArray, IntArray, UInt8Array
from handloom.data.chance import Purpose, generator
from handloom.errors import ConfigError

PASTES = 0.5
"""How often two images are pasted rather than blended, where a recipe asks for both."""


class Mixtures(NamedTuple):
    """What is mixed with each of N images, and how; rows of it by `take`."""

    partner: IntArray
    """(N,) position of the other image."""
    share: FloatArray
    """(N,) float32 in [0, 1]: of the image itself, in its label; 1 where it stays alone."""
    pasted: IntArray
    """(N, 4) top, bottom, left, right of the rectangle that the other image fills.

    It is empty where the two are blended instead.
    """

    def take(self, rows: IntArray) -> Mixtures:
        """Those of some positions (n,)."""
        return Mixtures(self.partner[rows], self.share[rows], self.pasted[rows])

    @property
    def blended(self) -> FloatArray:
        """(N,) float32: the share of the image itself in every pixel outside the rectangle."""
        top, bottom, _, _ = self.pasted.T
        return np.where(bottom > top, np.float32(1), self.share)


@dataclass(frozen=True, slots=True)
class Mixing:
    """Mixup and cutmix; with both, half of the mixed images get each.

        mixup   image <- λ a + (1 - λ) b                      label <- λ a + (1 - λ) b
        cutmix  b pasted over a rectangle of a, 1 - λ of it     with λ as it then is

    λ is drawn from Beta(alpha, alpha); a rectangle has the image's proportions, its middle lies
    anywhere, and what sticks out is cut off. Every image is the partner of exactly one, by a
    permutation of the data set, and comes as augmented as it is itself in this epoch.

    Raises ConfigError for numbers out of range, and unless one of the alphas is above 0.
    Source: Zhang et al. 2018 (mixup); Yun et al. 2019 (CutMix).
    """

    mixup: float = 0.0
    """alpha of mixup, from 0 to 100; at 0 nothing is blended."""
    cutmix: float = 0.0
    """alpha of cutmix, from 0 to 100; at 0 nothing is pasted."""
    probability: float = 1.0
    """Share of the images that are mixed at all, in [0, 1]."""

    def __post_init__(self) -> None:
        for name, most in (("mixup", 100), ("cutmix", 100), ("probability", 1)):
            value = getattr(self, name)
            if (
                isinstance(value, bool)
                or not isinstance(value, int | float)
                or not 0 <= value <= most
            ):
                raise ConfigError(f"mixing {name} is a number from 0 to {most}, got {value!r}")
        if not self.mixup and not self.cutmix:
            raise ConfigError("mixing needs an alpha above 0: of mixup, of cutmix, or of both")

    def draw(self, count: int, height: int, width: int, *, seed: int, epoch: int) -> Mixtures:
        """The mixtures of one epoch for a data set of `count` images (height, width)."""
        rng = generator(seed, Purpose.MIX, epoch)
        mixed, kind, row, column = rng.random((4, count))
        partner = rng.permutation(count)
        paste = kind < (PASTES if self.mixup and self.cutmix else float(bool(self.cutmix)))
        alpha = np.where(paste, self.cutmix, self.mixup)
        share = rng.beta(alpha, alpha)
        share = np.where(mixed < self.probability, share, 1.0)
        side = np.where(paste, np.sqrt(1.0 - share), 0.0)  # of the image's own
        top, bottom = _span(row, side, height)
        left, right = _span(column, side, width)
        kept = 1.0 - (bottom - top) * (right - left) / (height * width)
        share = np.where(paste, kept, share).astype(np.float32)
        pasted = np.where((kept < 1.0)[:, None], np.stack([top, bottom, left, right], axis=1), 0)
        return Mixtures(partner, share, pasted)


def mix(images: UInt8Array, partners: UInt8Array, mixtures: Mixtures) -> UInt8Array:
    """New images (n, C, H, W) of `images` and `partners`, both so, by the n mixtures."""
    height, width = images.shape[2:]
    top, bottom, left, right = mixtures.pasted.T[:, :, None]
    rows, columns = np.arange(height), np.arange(width)
    in_rows = (rows >= top) & (rows < bottom)
    in_columns = (columns >= left) & (columns < right)
    pasted = in_rows[:, None, :, None] & in_columns[:, None, None, :]
    share = mixtures.blended[:, None, None, None]
    blend = partners + share * (images.astype(np.float32) - partners)
    return np.where(pasted, partners, np.rint(blend).astype(np.uint8))


def mix_labels(
    labels: IntArray, partners: IntArray, mixtures: Mixtures, num_classes: int
) -> FloatArray:
    """Targets (n, K) float32, rows sum to 1: each class by its share."""
    rows = np.arange(len(labels))
    targets = np.zeros((len(labels), num_classes), np.float32)
    targets[rows, labels] = mixtures.share
    targets[rows, partners] += np.float32(1) - mixtures.share
    return targets


def _span(middle: FloatArray, side: FloatArray, length: int) -> tuple[IntArray, IntArray]:
    """Start and stop of a side about a middle, both in shares of `length`, in whole pixels."""
    half = side * length / 2.0
    start = np.rint(np.maximum(middle * length - half, 0.0)).astype(np.int64)
    stop = np.rint(np.minimum(middle * length + half, length)).astype(np.int64)
    return start, stop
