"""Images on the device: uploaded once as uint8; gathered, augmented, normalised there in batches.

What an epoch yields is what data/batches.py yields, but for the rounding of augmented images.
From one batch to the next the host only launches work: it never waits for the device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from handloom.data import Batches, Epoch, Normalisation
from handloom.engines.torch.augment import DeviceAugmentation
from handloom.engines.torch.mixing import DeviceMixtures, mix, mix_labels
from handloom.engines.torch.uploads import uploaded
from handloom.errors import ConfigError


class DevicePictures:
    """The data set of the batches `of`, on `device` as uint8, and its batches as `dtype` numbers.

    It takes C·H·W bytes an image there, and eight a label. Raises ConfigError where the device has
    no room for that.
    """

    def __init__(
        self, of: Batches, device: torch.device, *, dtype: torch.dtype = torch.float32
    ) -> None:
        self.of = of
        self.device = device
        try:
            self._images = torch.tensor(of.planes, device=device)
            self._labels = torch.tensor(of.dataset.labels, device=device)
        except torch.OutOfMemoryError:
            raise ConfigError(
                f"the {len(of.dataset):,} training images need "
                f"{of.planes.nbytes / 1e6:,.0f} MB, more than the device has left; train with "
                "--device cpu, or on fewer images with data.sample"
            ) from None
        self._dtype = dtype
        self._normalise = DeviceNormalisation(of.normalisation, device, dtype)
        said = of.augmentation
        self._augment = None if said is None else DeviceAugmentation(said, of.seed)

    def batches(
        self, epoch: Epoch, start: int, stop: int, part: Callable[[int], slice] = slice
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """x (n, C, H, W) and labels (n,) int64 of the steps start … stop - 1 of an epoch of `of`.

        Where images are mixed, the labels are the shares of the classes, (n, K) of `dtype`.
        `part` says which rows are wanted of a batch, given how many it has; as it is, all of them.
        """
        positions = epoch.positions(start, stop)
        on_device = uploaded(positions, self.device)
        mixtures = None
        if epoch.mixtures is not None:
            mixtures = DeviceMixtures.upload(epoch.mixtures.take(positions), self.device)
        for first in range(0, len(positions), epoch.batch_size):
            count = min(epoch.batch_size, len(positions) - first)
            begin, end, _ = part(count).indices(count)
            rows = slice(first + begin, first + end)
            mixed = None if mixtures is None else mixtures.rows(rows)
            images, labels = self._examples(on_device[rows], epoch.number, mixed)
            yield self._normalise(images), labels

    def _examples(
        self, positions: Tensor, epoch: int, mixtures: DeviceMixtures | None
    ) -> tuple[Tensor, Tensor]:
        """Images uint8 (n, C, H, W) as this epoch has them, and their labels or targets."""
        images, labels = self._augmented(positions, epoch), self._labels[positions]
        if mixtures is None:
            return images, labels
        partners = self._augmented(mixtures.partner, epoch)
        others = self._labels[mixtures.partner]
        targets = mix_labels(labels, others, mixtures, self.of.dataset.num_classes)
        return mix(images, partners, mixtures), targets.to(self._dtype)

    def _augmented(self, positions: Tensor, epoch: int) -> Tensor:
        images = self._images[positions]
        return images if self._augment is None else self._augment(images, positions, epoch)


class DeviceNormalisation:
    """data/normalise.py's, on the device: uint8 (n, C, H, W) -> numbers of `dtype`."""

    def __init__(
        self, normalisation: Normalisation, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.each_by_itself = normalisation.kind == "per-picture"
        self.as_they_are = normalisation.kind == "none"
        self.dtype = dtype
        mean = torch.tensor(normalisation.mean or (0.0,), dtype=torch.float64)
        std = torch.tensor(normalisation.std or (1.0,), dtype=torch.float64)
        self.factor = (1.0 / (255.0 * std)).to(dtype).to(device)[:, None, None]
        self.offset = (mean / std).to(dtype).to(device)[:, None, None]

    def __call__(self, images: Tensor) -> Tensor:
        """x (n, C, H, W)."""
        x = images.to(self.dtype)
        if self.as_they_are:
            return x
        if not self.each_by_itself:
            return x * self.factor - self.offset
        mean = x.mean(dim=(1, 2, 3), keepdim=True)
        var = (x - mean).square().mean(dim=(1, 2, 3), keepdim=True)
        constant = images.amax(dim=(1, 2, 3), keepdim=True) == images.amin(
            dim=(1, 2, 3), keepdim=True
        )
        return ((x - mean) * var.masked_fill(constant, 1.0).rsqrt()).masked_fill(constant, 0.0)
