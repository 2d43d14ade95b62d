"""Warps: for every pixel of the new image, the place in the old one where it looks.

A warp is such a table of places; turning, scaling, shearing, shifting and bending are added up in
it, and the image is read once, bilinearly, so that no pixel is blurred twice. Places have x to
the right and y downwards, both in pixels, (0, 0) the centre of the upper left pixel.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

import numpy as np

from handloom._typing import FloatArray, UInt8Array


def affine_places(
    height: int,
    width: int,
    *,
    degrees: FloatArray,
    scale_x: FloatArray,
    scale_y: FloatArray,
    shear: FloatArray,
    shift_x: FloatArray,
    shift_y: FloatArray,
) -> FloatArray:
    """Places (n, 2, H, W) float32 for n affine warps about the middle of the image.

    What stood at p stands at R K S (p - middle) + middle + shift afterwards: S scales the axes by
    the factors, K adds shear · y to x, R turns counter-clockwise as seen, shifts are in pixels. All
    arguments are (n,). The table holds the inverse, from new to old.
    """
    angle = np.deg2rad(degrees.astype(np.float64))
    zero = np.zeros_like(angle)
    turn = _matrices(np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle))
    slant = _matrices(zero + 1.0, shear, zero, zero + 1.0)
    back = np.linalg.inv(turn @ slant @ _matrices(scale_x, zero, zero, scale_y))
    middle = np.array([[(width - 1) / 2], [(height - 1) / 2]])
    shift = np.stack([shift_x, shift_y], axis=1)[:, :, None]
    old_middle = middle - back @ shift
    y, x = np.mgrid[:height, :width].reshape(2, 1, -1)
    about_middle = np.concatenate([x, y]) - middle
    places = back.astype(np.float32) @ about_middle.astype(np.float32)
    places += old_middle.astype(np.float32)
    return places.reshape(-1, 2, height, width)


def smooth_fields(roughness: FloatArray, sigma: float) -> FloatArray:
    """Fields (n, 2, H, W) of chance, smoothed by a Gaussian of std `sigma` pixels, zero outside.

    Source: Simard, Steinkraus & Platt 2003, sec. 2 (elastic deformations).
    """
    height, width = roughness.shape[-2:]
    return gaussian(height, sigma) @ roughness @ gaussian(width, sigma)


def resample(images: UInt8Array, places: FloatArray) -> UInt8Array:
    """Read uint8 images (n, C, H, W) at places (n, 2, H, W), bilinearly, zero outside."""
    cv2 = opencv()
    new = np.empty(images.shape, np.uint8)
    for planes, (x, y), new_planes in zip(images, places, new, strict=True):
        for plane, new_plane in zip(planes, new_planes, strict=True):
            cv2.remap(plane, x, y, cv2.INTER_LINEAR, dst=new_plane)
    return new


def _matrices(a: FloatArray, b: FloatArray, c: FloatArray, d: FloatArray) -> FloatArray:
    """[[a, b], [c, d]] for n of each: (n, 2, 2)."""
    return np.stack([a, b, c, d], axis=1).reshape(-1, 2, 2)


@cache
def gaussian(size: int, sigma: float) -> FloatArray:
    """(size, size), symmetric: a row holds the weights with which a pixel sees its line."""
    apart = np.subtract.outer(np.arange(size), np.arange(size))
    reach = np.arange(-int(8 * sigma) - 1, int(8 * sigma) + 2)  # beyond 8 std: < 1e-14
    total = np.exp(-0.5 * (reach / sigma) ** 2).sum()
    return (np.exp(-0.5 * (apart / sigma) ** 2) / total).astype(np.float32)


@cache
def opencv() -> ModuleType:
    """OpenCV on one thread, imported when the first image needs it."""
    import cv2

    cv2.setNumThreads(1)  # images are too small to share, and one thread repeats its bits
    return cv2
