"""Mixing on the device: what data/mixing.py makes of two images and of their labels."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from handloom.data.batches.mixing import Mixtures
from handloom.engines.torch.uploads import uploaded


class DeviceMixtures(NamedTuple):
    """What is mixed with each of n images, on the device; as `Mixtures` says it."""

    partner: Tensor
    """int64 (n,)."""
    share: Tensor
    """float32 (n,)."""
    pasted: Tensor
    """int64 (n, 4)."""

    @classmethod
    def upload(cls, mixtures: Mixtures, device: torch.device) -> DeviceMixtures:
        """Without a wait, where the device allows it."""
        return cls(*(uploaded(array, device) for array in mixtures))

    def rows(self, rows: slice) -> DeviceMixtures:
        """Those of some images."""
        return DeviceMixtures(*(tensor[rows] for tensor in self))


def mix(images: Tensor, partners: Tensor, mixtures: DeviceMixtures) -> Tensor:
    """New images uint8 (n, C, H, W) of `images` and `partners`, both so.

    All of them go through the same sums, for which of them stay alone only the device knows; those
    come out as they were.
    """
    top, bottom, left, right = mixtures.pasted[:, :, None].unbind(1)
    rows, columns = (torch.arange(size, device=images.device) for size in images.shape[2:])
    in_rows = (rows >= top) & (rows < bottom)
    in_columns = (columns >= left) & (columns < right)
    inside = in_rows[:, None, :, None] & in_columns[:, None, None, :]
    share = torch.where((bottom > top)[:, 0], 1.0, mixtures.share)[:, None, None, None]
    blend = partners + share * (images.to(torch.float32) - partners)
    return torch.where(inside, partners, blend.round().to(torch.uint8))


def mix_labels(
    labels: Tensor, partners: Tensor, mixtures: DeviceMixtures, num_classes: int
) -> Tensor:
    """Targets (n, K) float32, rows sum to 1: each class by its share."""
    own, other = (F.one_hot(ids, num_classes) for ids in (labels, partners))
    share = mixtures.share[:, None]
    return share * own + (1.0 - share) * other
