"""Pictures on the device: uploaded once as uint8; gathered, augmented, normalised there in batches.

What an epoch yields is what data/batches.py yields, but for the rounding of augmented pictures.
From one batch to the next the host only launches work: it never waits for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from handloom._typing import AnyArray
from handloom.data import Batches, Epoch, Normalisation
from handloom.engines.torch.augment import DeviceAugmentation


class DevicePictures:
    """The data set of `batches` on `device`, as uint8, and its batches as `dtype` numbers.

    It takes C·H·W bytes a picture there, and eight a label. `of` a data set says whose it is.
    """

    def __init__(
        self, batches: Batches, device: torch.device, *, dtype: torch.dtype = torch.float32
    ) -> None:
        self.of = batches
        self.device = device
        self._images = torch.tensor(batches.planes, device=device)
        self._labels = torch.tensor(batches.dataset.labels, device=device)
        self._normalise = DeviceNormalisation(batches.normalisation, device, dtype)
        said = batches.augmentation
        self._augment = None if said is None else DeviceAugmentation(said, batches.seed)

    def batches(
        self, epoch: Epoch, start: int, stop: int, part: Callable[[int], slice] | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """x (n, C, H, W) and labels (n,) int64 of the steps start … stop - 1 of an epoch of `of`.

        `part` says which rows are wanted of a batch, given how many it has; all if it is None.
        """
        positions = _uploaded(epoch.positions(start, stop), self.device)
        for batch in positions.split(epoch.batch_size):
            rows = batch if part is None else batch[part(len(batch))]
            images = self._images[rows]
            if self._augment is not None:
                images = self._augment(images, rows, epoch.number)
            yield self._normalise(images), self._labels[rows]


class DeviceNormalisation:
    """data/normalise.py's, on the device: uint8 (n, C, H, W) -> numbers of `dtype`."""

    def __init__(
        self, normalisation: Normalisation, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.each_by_itself = normalisation.kind == "per-picture"
        self.dtype = dtype
        mean = torch.tensor(normalisation.mean or (0.0,), dtype=torch.float64)
        std = torch.tensor(normalisation.std or (1.0,), dtype=torch.float64)
        self.factor = (1.0 / (255.0 * std)).to(dtype).to(device)[:, None, None]
        self.offset = (mean / std).to(dtype).to(device)[:, None, None]

    def __call__(self, images: Tensor) -> Tensor:
        """x (n, C, H, W)."""
        x = images.to(self.dtype)
        if not self.each_by_itself:
            return x * self.factor - self.offset
        mean = x.mean(dim=(1, 2, 3), keepdim=True)
        var = (x - mean).square().mean(dim=(1, 2, 3), keepdim=True)
        constant = images.amax(dim=(1, 2, 3), keepdim=True) == images.amin(
            dim=(1, 2, 3), keepdim=True
        )
        return ((x - mean) * var.masked_fill(constant, 1.0).rsqrt()).masked_fill(constant, 0.0)


def _uploaded(array: AnyArray, device: torch.device) -> Tensor:
    """The array on the device; from pinned memory where that spares the host a wait."""
    tensor = torch.tensor(array)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)
