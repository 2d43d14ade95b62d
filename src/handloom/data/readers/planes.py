"""The two layouts of images, (N, H, W) and (N, C, H, W), brought to one."""

from __future__ import annotations

from handloom._typing import UInt8Array
from handloom.errors import DataError, ShapeError


def with_channels(images: UInt8Array) -> UInt8Array:
    """uint8 (N, H, W) or (N, C, H, W) as (N, C, H, W): a view; grey has the one channel.

    Raises: DataError for another dtype, ShapeError for another number of axes.
    """
    if images.dtype != "uint8":
        raise DataError(f"images have to be uint8, 0 to 255, got {images.dtype}")
    if images.ndim not in (3, 4):
        raise ShapeError(f"images have to be (N, H, W) or (N, C, H, W), got {images.shape}")
    return images[:, None] if images.ndim == 3 else images
