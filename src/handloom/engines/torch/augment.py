"""Augmentation on the device: the changes of data/augment.py and data/warp.py, batch by batch.

The draws are the same bits, so that an image comes out as on the CPU, but for a grey level that
rounds the other way. Nothing waits for the device: no number there decides what is launched.
"""

from __future__ import annotations

import math
from functools import cache

import torch
import torch.nn.functional as F
from torch import Tensor

from handloom.data.batches.augment import FIELDS_START, Augmentation, Draws
from handloom.data.batches.warp import gaussian
from handloom.engines.torch.chance import picture_keys, uniforms


class DeviceAugmentation:
    """What `augmentation` does to an image in an epoch, as a function of seed, epoch, position."""

    def __init__(self, augmentation: Augmentation, seed: int) -> None:
        self.augmentation = augmentation
        self.seed = seed

    def __call__(self, images: Tensor, positions: Tensor, epoch: int) -> Tensor:
        """New images uint8 (n, C, H, W) of those at `positions` (n,) int64 of the data set."""
        said = self.augmentation
        if said.is_identity:
            return images
        height, width = images.shape[2:]
        keys = picture_keys(self.seed, epoch, positions)
        drawn = uniforms(keys, len(Draws._fields))
        draws = dict(zip(Draws._fields, drawn.unbind(1), strict=True))
        if said.flip:
            flipped = draws["flip"] < said.flip
            images = torch.where(flipped[:, None, None, None], images.flip(3), images)
        if said.warps:
            images = resample(images, self._places(height, width, draws, keys))
        if said.crop_padding:
            images = _cropped(images, said.crop_padding, draws)
        if said.noise:
            images = _noisy(images, said.noise, keys)
        if said.erase:
            images = images.masked_fill(self._holes(height, width, draws), 0)
        return images

    def _places(self, height: int, width: int, draws: dict[str, Tensor], keys: Tensor) -> Tensor:
        """Where each new pixel looks: (n, 2, H, W) float32, x and y."""
        said = self.augmentation
        places = affine_places(
            height,
            width,
            degrees=_either_way(draws["turn"], said.rotate),
            scale_x=1.0 + _either_way(draws["scale_x"], said.scale),
            scale_y=1.0 + _either_way(draws["scale_y"], said.scale),
            shear=_either_way(draws["shear"], said.shear),
            shift_x=_either_way(draws["shift_x"], said.shift * width),
            shift_y=_either_way(draws["shift_y"], said.shift * height),
        )
        if said.elastic_alpha:
            field = uniforms(keys, 2 * height * width, start=FIELDS_START)
            field = _either_way(field, said.elastic_alpha).view_as(places)
            down = _gaussian(height, said.elastic_sigma, keys.device)
            places = places + down @ field @ _gaussian(width, said.elastic_sigma, keys.device)
        return places

    def _holes(self, height: int, width: int, draws: dict[str, Tensor]) -> Tensor:
        """Where a pixel is erased: bool (n, 1, H, W)."""
        rows = self._erased(height, draws["erase_height"], draws["erase_top"])
        columns = self._erased(width, draws["erase_width"], draws["erase_left"])
        erased = (draws["erase"] < self.augmentation.erase)[:, None, None]
        return (erased & rows[:, :, None] & columns[:, None, :])[:, None]

    def _erased(self, length: int, side_draw: Tensor, start_draw: Tensor) -> Tensor:
        """Which of `length` rows or columns the rectangle covers: bool (n, length)."""
        least, most = self.augmentation.erase_min, self.augmentation.erase_max
        side = (least + _whole(side_draw, most - least + 1)).clamp(max=length)
        start = _whole(start_draw, length - side + 1)
        place = torch.arange(length, device=side.device)
        return (place >= start[:, None]) & (place < (start + side)[:, None])


def affine_places(
    height: int,
    width: int,
    *,
    degrees: Tensor,
    scale_x: Tensor,
    scale_y: Tensor,
    shear: Tensor,
    shift_x: Tensor,
    shift_y: Tensor,
) -> Tensor:
    """Places (n, 2, H, W) float32 for n affine warps about the middle; all arguments are (n,).

    As data/warp.py says; the inverse of R K S is written out here: S⁻¹ K⁻¹ Rᵀ.
    """
    exact = torch.float32 if degrees.device.type == "mps" else torch.float64
    angle = torch.deg2rad(degrees.to(exact))
    cos, sin, slant = angle.cos(), angle.sin(), shear.to(exact)
    upper = torch.stack([cos - slant * sin, -sin - slant * cos], dim=1) / scale_x.to(exact)[:, None]
    lower = torch.stack([sin, cos], dim=1) / scale_y.to(exact)[:, None]
    back = torch.stack([upper, lower], dim=1)
    y, x = torch.meshgrid(
        torch.arange(height, device=back.device) - (height - 1) / 2,
        torch.arange(width, device=back.device) - (width - 1) / 2,
        indexing="ij",
    )
    shift = torch.stack([shift_x, shift_y], dim=1).to(exact)
    old_middle = -(back @ shift[:, :, None])
    old_middle[:, 0] += (width - 1) / 2
    old_middle[:, 1] += (height - 1) / 2
    places = _float32(back) @ torch.stack([x, y]).view(2, -1) + _float32(old_middle)
    return places.view(-1, 2, height, width)


def resample(images: Tensor, places: Tensor) -> Tensor:
    """Read uint8 images (n, C, H, W) at float32 places (n, 2, H, W), bilinearly, zero outside."""
    height, width = images.shape[2:]
    corner = places.floor()
    right, down = (places - corner)[:, None].unbind(2)
    left, top = corner.to(torch.int64).unbind(1)
    flat = images.flatten(2)

    def taken(row: Tensor, column: Tensor) -> Tensor:
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        place = row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
        grey = flat.gather(2, place.flatten(1)[:, None].expand_as(flat))
        return grey.view_as(images) * inside[:, None].to(torch.float32)

    upper = torch.lerp(taken(top, left), taken(top, left + 1), right)
    lower = torch.lerp(taken(top + 1, left), taken(top + 1, left + 1), right)
    return torch.lerp(upper, lower, down).round().to(torch.uint8)


def _cropped(images: Tensor, padding: int, draws: dict[str, Tensor]) -> Tensor:
    height, width = images.shape[2:]
    framed = F.pad(images, (padding, padding, padding, padding))
    windows = framed.unfold(2, height, 1).unfold(3, width, 1)
    top, left = (_whole(draws[name], 2 * padding + 1) for name in ("crop_top", "crop_left"))
    return windows[torch.arange(len(images), device=images.device), :, top, left]


def _noisy(images: Tensor, std: float, keys: Tensor) -> Tensor:
    count, channels, height, width = images.shape
    pixels = channels * height * width
    drawn = uniforms(keys, 2 * pixels, start=FIELDS_START + 2 * height * width)
    radius, angle = drawn.view(count, 2, pixels).unbind(1)
    # Box & Muller 1958: two uniforms make a normal; 1 - u is never zero, and its log finite
    normal = torch.sqrt(-2.0 * torch.log1p(-radius)) * torch.cos(2.0 * math.pi * angle)
    changed = images + 255.0 * std * normal.view_as(images)
    return changed.clamp(0.0, 255.0).round().to(torch.uint8)


@cache
def _gaussian(size: int, sigma: float, device: torch.device) -> Tensor:
    """data/warp.py's smoothing matrix (size, size), brought to the device once."""
    return torch.tensor(gaussian(size, sigma), device=device)


def _either_way(draw: Tensor, most: float) -> Tensor:
    """From [0, 1) to [-most, most)."""
    return (2.0 * draw - 1.0) * most


def _whole(draw: Tensor, count: int | Tensor) -> Tensor:
    """From [0, 1) to 0 … count - 1, all equally likely: int64."""
    if isinstance(count, Tensor):  # exact, as in NumPy, whose float32 times int64 is a float64
        return (draw * 2**24).to(torch.int64) * count >> 24
    return (draw * count).to(torch.int64)


def _float32(tensor: Tensor) -> Tensor:
    return tensor.to(torch.float32)
