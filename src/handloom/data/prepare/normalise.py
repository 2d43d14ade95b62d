"""Normalisation: from uint8 pixels to the numbers a network sees, fitted on the training split."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import DTypeLike

from handloom._reasons import brief
from handloom._typing import FloatArray, UInt8Array
from handloom.data.readers.planes import with_channels
from handloom.errors import ConfigError, DataError, ShapeError

NormalisationKind = Literal["scale", "standard", "per-picture"]

_FITTED_PICTURES = 4096  # images counted at once: bincount makes eight bytes of every pixel


@dataclass(frozen=True, slots=True)
class Normalisation:
    """A fitted normalisation. With the pixel p in [0, 1], that is the stored byte / 255:

        scale        x = p
        standard     x = (p - mean) / std,  mean and std (C,) of each channel of the training split
        per-picture  x = (p - mean) / std,  mean and std of the image itself; nothing to fit
        none         x as it is: for `Features`, which are numbers already

    Where std is zero (all pixels equal) it counts as one: x is 0, never NaN.
    """

    kind: NormalisationKind | Literal["none"]
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in (*get_args(NormalisationKind), "none"):
            known = ", ".join(get_args(NormalisationKind))
            raise ConfigError(f"normalisation {self.kind!r} is not one of {known}")
        fitted = self.kind == "standard"
        if len(self.mean) != len(self.std) or bool(self.mean) != fitted:
            raise ConfigError(
                f"normalisation {self.kind!r} with {len(self.mean)} means and "
                f"{len(self.std)} stds: 'standard' has one of each per channel, the others none"
            )
        if not np.isfinite(self.mean).all() or not all(0.0 < std < np.inf for std in self.std):
            raise ConfigError(f"a std has to be positive, got means {self.mean}, stds {self.std}")

    @classmethod
    def fit(cls, kind: NormalisationKind, images: UInt8Array) -> Normalisation:
        """Fit on the training split (N, H, W) or (N, C, H, W), uint8, and on nothing else.

        Raises: ConfigError for an unknown kind, ShapeError or DataError for other arrays.
        """
        if kind != "standard":
            return cls(kind)
        images = with_channels(images)
        if not images.size:
            raise DataError(f"no pixels to fit a normalisation on: images {images.shape}")
        counts = np.zeros((images.shape[1], 256), np.int64)
        for first in range(0, len(images), _FITTED_PICTURES):
            for channel, count in enumerate(counts):
                part = images[first : first + _FITTED_PICTURES, channel]
                count += np.bincount(part.ravel(), minlength=256)
        share = counts / counts.sum(axis=1, keepdims=True)
        levels = np.arange(256) / 255.0
        mean = share @ levels
        std = np.sqrt((share * (levels - mean[:, None]) ** 2).sum(axis=1))
        constant = (counts > 0).sum(axis=1) == 1
        return cls(kind, tuple(mean.tolist()), tuple(np.where(constant, 1.0, std).tolist()))

    def __call__(self, images: UInt8Array, dtype: DTypeLike = np.float32) -> FloatArray:
        """uint8 (n, H, W) or (n, C, H, W) -> x (n, C, H, W) of `dtype`, C-contiguous."""
        if self.kind == "none":
            return np.ascontiguousarray(images, dtype)
        images = with_channels(images)
        if self.kind == "scale":
            return np.multiply(images, 1.0 / 255.0, dtype=dtype, order="C")
        if self.kind == "per-picture":
            return _each_by_itself(images, dtype)
        if images.shape[1] != len(self.mean):
            raise ShapeError(
                f"normalisation was fitted on {len(self.mean)} channels, got images {images.shape}"
            )
        mean, std = (np.reshape(values, (-1, 1, 1)) for values in (self.mean, self.std))
        x = np.multiply(images, (1.0 / (255.0 * std)).astype(dtype), dtype=dtype, order="C")
        x -= (mean / std).astype(dtype)
        return x

    def to_json(self) -> dict[str, Any]:
        """What a run folder keeps; `from_json` reads it back."""
        if self.kind != "standard":
            return {"kind": self.kind}
        return {"kind": self.kind, "mean": list(self.mean), "std": list(self.std)}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Normalisation:
        """Read what `to_json` wrote; raises DataError for anything else."""
        try:
            mean, std = (tuple(map(float, stored.get(name, ()))) for name in ("mean", "std"))
            return cls(stored["kind"], mean, std)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"{brief(stored)} is not a stored normalisation: {brief(error)}"
            ) from error


def _each_by_itself(images: UInt8Array, dtype: DTypeLike) -> FloatArray:
    flat = images.reshape(len(images), math.prod(images.shape[1:]))
    x = flat - flat.mean(axis=1, keepdims=True)  # float64: a constant image gives exact zeros
    std = np.sqrt(np.einsum("nd,nd->n", x, x) / x.shape[1])
    x /= np.where(std > 0.0, std, 1.0)[:, None]
    return x.astype(dtype, copy=False).reshape(images.shape)
