"""Resizing: the same images with fewer pixels, or more; and trainings that begin with fewer."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from handloom._typing import UInt8Array
from handloom.data.batches.warp import opencv


class Stage(NamedTuple):
    """Images of another height for the first epochs of a training."""

    until: int
    """The epoch, from 0, at which it is over."""
    height: int
    """Pixels; the width follows."""


def resize(images: UInt8Array, height: int) -> UInt8Array:
    """uint8 (..., H, W) -> (..., height, width), with the width that keeps the proportions.

    Where there will be fewer pixels each is the mean of the area it covers; where there will be
    more they are interpolated bilinearly.
    """
    cv2 = opencv()
    old_height, old_width = images.shape[-2:]
    width = proportional(old_width, height, old_height)
    how = cv2.INTER_AREA if height < old_height else cv2.INTER_LINEAR
    planes = images.reshape(-1, old_height, old_width)
    new = np.empty((len(planes), height, width), np.uint8)
    for plane, new_plane in zip(planes, new, strict=True):
        cv2.resize(plane, (width, height), dst=new_plane, interpolation=how)
    return new.reshape(*images.shape[:-2], height, width)


def proportional(width: int, height: int, old_height: int) -> int:
    """The width that goes with a new height: at least a pixel, halves rounded up."""
    return max(1, math.floor(width * height / old_height + 0.5))
