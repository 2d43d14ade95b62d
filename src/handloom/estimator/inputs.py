"""How the rows of an X become what a network takes: pixels, or numbers brought to one scale."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from handloom._typing import AnyArray, FloatArray, IntArray, Shape
from handloom.data import Dataset, Features, Normalisation
from handloom.errors import ConfigError, DataError, ShapeError

BLOCK = 4096  # rows that are brought to scale at once, in float64
NAME = "X"


@dataclass(frozen=True, eq=False)
class Inputs:
    """Decided by the first X, and kept to by every later one.

    image_shape    (C, H, W) of an example; (1, 1, D) of one that is no image
    normalisation  pixels -> numbers; "none" where the examples are numbers: those become
                   (x - mean) / std, computed in float64
    mean, std      broadcast over (N, C, H, W): one for each feature, or for each channel of a
                   image; None where the examples are pixels, or numbers to be left alone
    """

    image_shape: Shape
    normalisation: Normalisation
    mean: FloatArray | None = None
    std: FloatArray | None = None

    @classmethod
    def fit(cls, rows: AnyArray, picture_shape: Shape | None, normalise: str | None) -> Inputs:
        """Look at rows (N, D), of images (C, H, W) if a shape is told.

        Images of whole numbers from 0 to 255, not all of them 0 or 1, are pixels. `normalise` is
        by default "scale" for pixels and "standard" for numbers. Raises ConfigError for a
        `normalise` that does not suit them.
        """
        if picture_shape is not None and _are_pixels(rows) and rows.max() > 1:
            images = _pixels(rows, picture_shape)
            kind = "scale" if normalise is None else normalise
            if kind not in ("scale", "standard", "per-picture"):
                raise ConfigError(
                    f"normalise is {kind!r}; for pixels use scale, standard or per-picture"
                )
            return cls(picture_shape, Normalisation.fit(kind, images))
        shape = (1, 1, rows.shape[1]) if picture_shape is None else picture_shape
        if normalise not in (None, "standard", "none"):
            raise ConfigError(
                f"normalise is {normalise!r}; for numbers that are not pixels use standard or none"
            )
        if normalise == "none":
            return cls(shape, Normalisation("none"))
        axes = 0 if picture_shape is None else (0, 2, 3)
        numbers = rows.reshape(-1, *shape)
        mean = numbers.mean(axis=axes, keepdims=True, dtype=np.float64)
        std = numbers.std(axis=axes, keepdims=True, dtype=np.float64)
        return cls(shape, Normalisation("none"), mean, np.where(std > 0, std, 1.0))

    @property
    def are_pixels(self) -> bool:
        """Whether the examples are uint8, as augmentation needs them."""
        return self.normalisation.kind != "none"

    def examples(self, rows: AnyArray) -> AnyArray:
        """Rows (N, D) as (N, C, H, W): uint8, or float32 on one scale.

        Raises DataError for numbers where the first X had pixels, or too large for float32.
        """
        if self.are_pixels:
            if not _are_pixels(rows):
                raise DataError(
                    "X has numbers that are not pixels, but the classifier was fitted on "
                    "integers from 0 to 255; give it images of that kind, not scaled ones"
                )
            return _pixels(rows, self.image_shape)
        numbers = np.empty((len(rows), *self.image_shape), np.float32)
        with np.errstate(over="ignore"):
            for block in _blocks(len(rows)):
                part = rows[block].reshape(-1, *self.image_shape).astype(np.float64)
                if self.mean is not None and self.std is not None:
                    part = (part - self.mean) / self.std
                numbers[block] = part
        if not np.isfinite(numbers).all():
            raise DataError("X has numbers that are too large for float32; scale them down")
        return numbers

    def dataset(self, rows: AnyArray, labels: IntArray, names: Sequence[str]) -> Dataset:
        """Examples with their class ids (N,)."""
        kind = Dataset if self.are_pixels else Features
        return kind(self.examples(rows), labels, tuple(names), NAME)


def flattened(X: Any) -> tuple[Any, Shape | None]:
    """An array of images as rows (N, D) with their shape (C, H, W); anything else as it is."""
    if not isinstance(X, np.ndarray) or X.ndim not in (3, 4):
        return X, None
    shape = X.shape[1:] if X.ndim == 4 else (1, *X.shape[1:])
    return X.reshape(len(X), -1), shape


def picture_shape(given: Shape | None, own: Shape | None, features: int) -> Shape | None:
    """(C, H, W) of the images in X: as `told` by the parameter, or its `own`; None if neither.

    Raises ConfigError for what is no shape, ShapeError where X, of so many `features`, has another.
    """
    if given is None:
        return own
    sizes = np.asarray(given)
    shape = (1,) * (3 - sizes.size) + tuple(sizes.ravel().tolist())
    if sizes.shape not in ((2,), (3,)) or sizes.dtype.kind != "i" or min(shape) < 1:
        raise ConfigError(f"image_shape is {given}; it has to be (H, W) or (C, H, W)")
    if own not in (None, shape) or math.prod(shape) != features:
        found = f"{features} numbers" if own is None else own
        raise ShapeError(f"image_shape is {shape}, but the examples in X are {found}")
    return shape


def _blocks(count: int) -> Iterator[slice]:
    return (slice(start, start + BLOCK) for start in range(0, count, BLOCK))


def _are_pixels(rows: AnyArray) -> bool:
    """Whether every number is one of 0, 1 … 255."""
    if rows.dtype == np.uint8:
        return True
    return all(
        ((part >= 0) & (part <= 255) & (part == np.rint(part))).all()
        for part in (rows[block] for block in _blocks(len(rows)))
    )


def _pixels(rows: AnyArray, shape: Shape) -> AnyArray:
    return rows.astype(np.uint8, copy=False).reshape(-1, *shape)
