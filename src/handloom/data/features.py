"""Features: examples that are numbers already, where a Dataset's are pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from handloom._typing import AnyArray
from handloom.data.dataset import Dataset
from handloom.errors import DataError, ShapeError


@dataclass(frozen=True, eq=False, repr=False)
class Features(Dataset):
    """A Dataset whose `images` are float32 (N, C, H, W), every one finite: no pixels, but numbers.

    Measurements without a place among each other are (N, 1, 1, D). `Normalisation("none")` goes
    with them; what works on pixels (augmentation, resizing) does not. Raises what a Dataset raises,
    and DataError for a number that is not finite.
    """

    @property
    def planes(self) -> AnyArray:
        """The numbers, (N, C, H, W)."""
        return self.images

    def _check_images(self) -> None:
        if not isinstance(self.images, np.ndarray) or self.images.dtype != np.float32:
            found = getattr(self.images, "dtype", type(self.images).__name__)
            raise DataError(f"{self.name}: features are {found}; they have to be float32")
        if self.images.ndim != 4 or 0 in self.images.shape[1:]:
            raise ShapeError(
                f"{self.name}: features should have the shape (N, C, H, W), got {self.images.shape}"
            )
        if not np.isfinite(self.images).all():
            raise DataError(f"{self.name}: some features are not finite")
