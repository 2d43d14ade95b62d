"""Augmentation: each image changed a little at random, anew in every epoch.

What happens to an image is a function of (seed, epoch, its position in the data set) alone, so a
training that is resumed, or batched otherwise, or prepared in a thread sees the same images.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from handloom._typing import FloatArray, IntArray, UInt8Array
from handloom.data.batches.warp import affine_places, resample, smooth_fields
from handloom.data.chance import Keys, picture_keys, uniforms
from handloom.data.dataset import Dataset
from handloom.data.readers.planes import with_channels
from handloom.errors import ConfigError, ShapeError

BoolArray = NDArray[np.bool_]

_AT_ONCE = 64  # images: their tables of places stay in the cache
_RANGES: dict[str, tuple[float, float]] = {
    "rotate": (0.0, 180.0),
    "shift": (0.0, 1.0),
    "scale": (0.0, 0.9),
    "shear": (0.0, 2.0),
    "flip": (0.0, 1.0),
    "crop_padding": (0, 64),
    "erase": (0.0, 1.0),
    "erase_min": (1, 4096),
    "erase_max": (1, 4096),
    "elastic_alpha": (0.0, 1000.0),
    "elastic_sigma": (0.1, 100.0),
    "noise": (0.0, 1.0),
}


class Draws(NamedTuple):
    """An image's draws in [0, 1), each (n,): one place a use, so that no setting moves another."""

    turn: FloatArray
    scale_x: FloatArray
    scale_y: FloatArray
    shear: FloatArray
    shift_x: FloatArray
    shift_y: FloatArray
    flip: FloatArray
    crop_top: FloatArray
    crop_left: FloatArray
    erase: FloatArray
    erase_height: FloatArray
    erase_width: FloatArray
    erase_top: FloatArray
    erase_left: FloatArray


FIELDS_START = 64
"""Draws before it are kept for Draws; from here on the elastic fields have two a pixel."""


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far an image may be changed; zeros leave it as it is. Raises ConfigError out of range.

    In the order in which they act: flip; then rotate, scale, shear, shift and elastic as one
    bilinear reading of the image, black outside; then crop, noise, erase.
    """

    flip: float = 0.0
    """Probability of a mirror image, left to right."""
    rotate: float = 0.0
    """Degrees: turned by up to this, either way, about the middle."""
    scale: float = 0.0
    """Height and width are multiplied by a factor each from 1 - scale to 1 + scale."""
    shear: float = 0.0
    """Rows are moved sideways by up to this times their distance from the middle."""
    shift: float = 0.0
    """Moved by up to this fraction of the height and of the width, not in whole pixels."""
    elastic_alpha: float = 0.0
    """Pixels: bent by a smoothed uniform field in (-1, 1) times alpha (Simard et al. 2003)."""
    elastic_sigma: float = 4.0
    """Pixels: std of the Gaussian that smooths the field."""
    crop_padding: int = 0
    """Pixels: a black frame of this width is added, then a window of the old size cut at random."""
    noise: float = 0.0
    """Std of Gaussian noise added to every pixel, where black is 0 and white is 1."""
    erase: float = 0.0
    """Probability that a rectangle is made black (random erasing, Zhong et al. 2017)."""
    erase_min: int = 4
    """Pixels: the least side of that rectangle."""
    erase_max: int = 10
    """Pixels: the greatest side of that rectangle."""

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            whole = isinstance(most, int)
            kind, wanted = (int, "a whole number") if whole else (int | float, "a number")
            if isinstance(value, bool) or not isinstance(value, kind) or not least <= value <= most:
                raise ConfigError(
                    f"augmentation {name} is {wanted} from {least} to {most}, got {value!r}"
                )
        if self.erase_min > self.erase_max:
            raise ConfigError(
                f"augmentation erase_min {self.erase_min} is above erase_max {self.erase_max}"
            )

    @property
    def is_identity(self) -> bool:
        """Whether every image stays as it is."""
        return not (self.warps or self.flip or self.crop_padding or self.noise or self.erase)

    @property
    def warps(self) -> bool:
        """Whether an image is read at other places than its own pixels'."""
        return any((self.rotate, self.scale, self.shear, self.shift, self.elastic_alpha))

    def apply(self, images: UInt8Array, indices: IntArray, *, seed: int, epoch: int) -> UInt8Array:
        """New images of the same shape, uint8 (n, H, W) or (n, C, H, W).

        `indices` (n,) are the images' positions in the data set, which with `seed` and `epoch`
        decide all; channels of an image move together. Returns `images` itself if there is nothing
        to do. Raises: ShapeError, DataError, ConfigError (a seed below 0).
        """
        planes = with_channels(images)
        if np.shape(indices) != (len(images),):
            raise ShapeError(f"{len(images)} images but positions of shape {np.shape(indices)}")
        if self.is_identity:
            return images
        keys = picture_keys(seed, epoch, indices)
        new = np.empty(planes.shape, np.uint8)
        for first in range(0, len(planes), _AT_ONCE):
            part = slice(first, first + _AT_ONCE)
            new[part] = self._changed(planes[part], keys[part])
        return new.reshape(images.shape)

    def _changed(self, images: UInt8Array, keys: Keys) -> UInt8Array:
        height, width = images.shape[2:]
        draws = Draws(*uniforms(keys, len(Draws._fields)).T)
        if self.flip:
            flipped = draws.flip < self.flip
            images = np.where(flipped[:, None, None, None], images[..., ::-1], images)
        if self.warps:
            images = resample(images, self._places(height, width, draws, keys))
        if self.crop_padding:
            images = _cropped(images, self.crop_padding, draws)
        if self.noise:
            images = _noisy(images, self.noise, keys)
        if self.erase:
            images = np.where(self._holes(height, width, draws), np.uint8(0), images)
        return images

    def _places(self, height: int, width: int, draws: Draws, keys: Keys) -> FloatArray:
        """Where each new pixel looks: (n, 2, H, W)."""
        places = affine_places(
            height,
            width,
            degrees=_either_way(draws.turn, self.rotate),
            scale_x=1.0 + _either_way(draws.scale_x, self.scale),
            scale_y=1.0 + _either_way(draws.scale_y, self.scale),
            shear=_either_way(draws.shear, self.shear),
            shift_x=_either_way(draws.shift_x, self.shift * width),
            shift_y=_either_way(draws.shift_y, self.shift * height),
        )
        if self.elastic_alpha:
            field = uniforms(keys, 2 * height * width, start=FIELDS_START)
            field = _either_way(field, self.elastic_alpha).reshape(places.shape)
            places += smooth_fields(field, self.elastic_sigma)
        return places

    def _holes(self, height: int, width: int, draws: Draws) -> BoolArray:
        """Where a pixel is erased: (n, 1, H, W)."""
        rows = self._erased(height, draws.erase_height, draws.erase_top)
        columns = self._erased(width, draws.erase_width, draws.erase_left)
        erased = (draws.erase < self.erase)[:, None, None]
        return (erased & rows[:, :, None] & columns[:, None, :])[:, None]

    def _erased(self, length: int, side_draw: FloatArray, start_draw: FloatArray) -> BoolArray:
        """Which of `length` rows or columns the rectangle covers: (n, length)."""
        side = self.erase_min + _whole(side_draw, self.erase_max - self.erase_min + 1)
        side = np.minimum(side, length)
        start = _whole(start_draw, length - side + 1)
        place = np.arange(length)
        return (place >= start[:, None]) & (place < (start + side)[:, None])


def append(dataset: Dataset, augmentation: Augmentation, copies: int, *, seed: int) -> Dataset:
    """The set, followed by `copies` augmented copies of it, one after the other: (1 + copies) N.

    Copy c is what epoch c of a training with this seed would see, counted from 0. Raises:
    ConfigError unless copies >= 1.
    """
    if copies < 1:
        raise ConfigError(f"augmented copies to append: at least 1, got {copies}")
    positions = np.arange(len(dataset))
    changed = [
        augmentation.apply(dataset.images, positions, seed=seed, epoch=copy)
        for copy in range(copies)
    ]
    return replace(
        dataset,
        images=np.concatenate([dataset.images, *changed]),
        labels=np.tile(dataset.labels, 1 + copies),
    )


def _cropped(images: UInt8Array, padding: int, draws: Draws) -> UInt8Array:
    height, width = images.shape[2:]
    frame = (padding, padding)
    framed = np.pad(images, ((0, 0), (0, 0), frame, frame))
    windows = sliding_window_view(framed, (height, width), axis=(2, 3))
    top, left = (_whole(draw, 2 * padding + 1) for draw in (draws.crop_top, draws.crop_left))
    return windows[np.arange(len(images)), :, top, left]


def _noisy(images: UInt8Array, std: float, keys: Keys) -> UInt8Array:
    pixels = images[0].size
    start = FIELDS_START + 2 * images[0, 0].size
    radius, angle = uniforms(keys, 2 * pixels, start=start).reshape(-1, 2, pixels).swapaxes(0, 1)
    # Box & Muller 1958: two uniforms make a normal; 1 - u is never zero, and its log finite
    normal = np.sqrt(-2.0 * np.log1p(-radius)) * np.cos(2.0 * np.pi * angle)
    changed = images + 255.0 * std * normal.reshape(images.shape)
    return np.rint(np.clip(changed, 0.0, 255.0)).astype(np.uint8)


def _either_way(draw: FloatArray, most: float) -> FloatArray:
    """From [0, 1) to [-most, most)."""
    return (2.0 * draw - 1.0) * most


def _whole(draw: FloatArray, count: int | IntArray) -> IntArray:
    """From [0, 1) to 0 … count - 1, all equally likely."""
    return (draw * count).astype(np.int64)
