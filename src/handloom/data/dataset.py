"""Dataset: images in memory as uint8, each with the id of its class."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from handloom._typing import AnyArray, IntArray, Shape, UInt8Array
from handloom.data.readers.planes import with_channels
from handloom.errors import DataError, LabelError, ShapeError


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Labelled images that have been checked: whoever holds a Dataset may trust it.

    images       uint8 (N, H, W) or (N, C, H, W), 0 is black and 255 full ink
    labels       int64 (N,), ids in [0, number of classes); any integer dtype is taken and widened
    class_names  one name a class, in the order of the ids; a class may be without images
    name         what the set is called in messages and reports

    N may be 0. Raises DataError, ShapeError or LabelError, naming the first offending row.
    """

    images: UInt8Array
    labels: IntArray
    class_names: tuple[str, ...]
    name: str = "data"

    def __post_init__(self) -> None:
        object.__setattr__(self, "class_names", tuple(self.class_names))
        self._check_images()
        self._check_class_names()
        object.__setattr__(self, "labels", self._checked_labels())

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        shape = " × ".join(str(size) for size in self.image_shape)
        return f"Dataset {self.name}: {len(self):,} images {shape}, {self.num_classes} classes"

    @property
    def num_classes(self) -> int:
        """K, the number of class names."""
        return len(self.class_names)

    @property
    def image_shape(self) -> Shape:
        """(C, H, W) of one image; C is 1 where the array has no channel axis."""
        shape = self.images.shape[1:]
        return shape if len(shape) == 3 else (1, *shape)

    @property
    def planes(self) -> AnyArray:
        """The images as (N, C, H, W); a view where they have that shape already."""
        return with_channels(self.images)

    def take(self, indices: IntArray) -> Self:
        """The images at `indices` (M,), in that order; ids, names and the set's name stay."""
        return replace(self, images=self.images[indices], labels=self.labels[indices])

    def class_counts(self) -> IntArray:
        """Images a class, (K,)."""
        return np.bincount(self.labels, minlength=self.num_classes)

    def fingerprint(self) -> str:
        """Sha256, as hex, of shape, pixels and labels: equal exactly when the data are equal."""
        digest = hashlib.sha256(repr(self.images.shape).encode())
        digest.update(np.ascontiguousarray(self.images).data)
        digest.update(np.ascontiguousarray(self.labels, dtype="<i8").data)
        return digest.hexdigest()

    def _check_images(self) -> None:
        if not isinstance(self.images, np.ndarray) or self.images.dtype != np.uint8:
            found = getattr(self.images, "dtype", type(self.images).__name__)
            raise DataError(
                f"{self.name}: images are {found}; they have to be a uint8 array, 0..255"
            )
        if self.images.ndim not in (3, 4) or 0 in self.images.shape[1:]:
            raise ShapeError(
                f"{self.name}: images should have the shape (N, H, W) or (N, C, H, W), "
                f"got {self.images.shape}"
            )

    def _check_class_names(self) -> None:
        seen: set[str] = set()
        for class_id, name in enumerate(self.class_names):
            if not isinstance(name, str) or not name.strip() or not name.isprintable():
                raise LabelError(
                    f"{self.name}: class {class_id} has no printable name, got {name!r}"
                )
            if name in seen:
                raise LabelError(f"{self.name}: two classes have the name {name!r}")
            seen.add(name)
        if not seen:
            raise LabelError(f"{self.name}: class_names is empty; name each class once")

    def _checked_labels(self) -> IntArray:
        labels = np.asarray(self.labels)
        if labels.dtype.kind not in "iu":
            raise LabelError(f"{self.name}: labels are {labels.dtype}; class ids are integers")
        if labels.ndim != 1:
            raise ShapeError(f"{self.name}: labels should have the shape (N,), got {labels.shape}")
        if len(labels) != len(self.images):
            raise ShapeError(
                f"{self.name}: {len(self.images)} images but {len(labels)} labels; "
                "each image has one label"
            )
        outside = (labels < 0) | (labels >= self.num_classes)
        if outside.any():
            row = int(outside.argmax())
            raise LabelError(
                f"{self.name}: label {labels[row]} in row {row} is outside "
                f"0..{self.num_classes - 1}, the ids of the {self.num_classes} classes"
            )
        return labels.astype(np.int64, copy=False)


@dataclass(frozen=True, eq=False)
class TrainTest:
    """A data set's two parts: the one to learn from, and the one that is looked at last.

    `test` is None where the source has none. `skipped` tells of each file that was left out
    because it could not be read. Raises ShapeError or LabelError when the parts do not belong
    together: images of different shapes, or different classes.
    """

    train: Dataset
    test: Dataset | None = None
    skipped: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.test is None:
            return
        if self.train.image_shape != self.test.image_shape:
            raise ShapeError(
                f"{self.train.name}: training images are {self.train.image_shape}, "
                f"test images {self.test.image_shape}, as (C, H, W); they must be equal"
            )
        if self.train.class_names != self.test.class_names:
            raise LabelError(
                f"{self.train.name}: the train split has the classes {_listed(self.train)}, "
                f"the test split {_listed(self.test)}; they must be the same, in the same order"
            )


def _listed(part: Dataset) -> str:
    return ", ".join(part.class_names)
