"""Variants of an image that show the same thing: what test-time augmentation averages over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Literal, get_args

import numpy as np

from handloom._typing import UInt8Array
from handloom.errors import ConfigError

Variant = Literal["flip", "shift"]

_STEPS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))  # pixels down, pixels to the right


def check_variants(kinds: Sequence[str]) -> None:
    """Raise ConfigError unless all are names of variants."""
    for kind in kinds:
        if kind not in get_args(Variant):
            known = " and ".join(get_args(Variant))
            raise ConfigError(f"{kind!r} is not a variant of an image; use one of {known}")


def variants(images: UInt8Array, kinds: Sequence[str]) -> Iterator[UInt8Array]:
    """`images` (..., H, W), and what the kinds make of them; with both, every combination.

    "flip": mirrored, left to right. "shift": moved by one pixel up, down, left, right, black where
    nothing was. So there are 1, 2, 5 or 10. Raises ConfigError for any other kind.
    """
    check_variants(kinds)
    flips = (False, True) if "flip" in kinds else (False,)
    steps = _STEPS if "shift" in kinds else _STEPS[:1]
    for flip, (down, right) in product(flips, steps):
        yield _moved(images[..., ::-1] if flip else images, down, right)


def _moved(images: UInt8Array, down: int, right: int) -> UInt8Array:
    height, width = images.shape[-2:]
    moved = np.zeros_like(images)
    moved[..., max(down, 0) : height + min(down, 0), max(right, 0) : width + min(right, 0)] = (
        images[..., max(-down, 0) : height - max(down, 0), max(-right, 0) : width - max(right, 0)]
    )
    return moved
