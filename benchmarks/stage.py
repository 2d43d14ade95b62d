"""What all contestants find in place: the same pictures, the same first weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np

from benchmarks.workloads import INPUT_SHAPE, NUM_CLASSES, Workload
from handloom import data
from handloom._typing import IntArray, UInt8Array

Pictures = Literal["auto", "random"]

RANDOM_PICTURES, SHARE_OF_ZEROS = 60_000, 0.5


def load_pictures(
    name: str, wanted: Pictures, data_dir: Path | None
) -> tuple[UInt8Array, IntArray, str]:
    """Images (N, 1, 28, 28), labels (N,), and what they are.

    The set called `name` where its files are on this machine (nothing is downloaded); else, or
    where "random" is wanted, random bytes, half of them zero. Raises DataError for a set that is
    there but damaged.
    """
    at_hand = all(row.status != "missing" for row in data.check(name, data_dir))
    if wanted == "random" or not at_hand:
        images, labels = _random()
        what = "random bytes"
    else:
        train = data.load(name, data_dir, download=False).train
        images, labels, what = data.with_channels(train.images), train.labels, name
    zeros = np.count_nonzero(images == 0) / images.size
    return images, labels, f"{what}, {zeros:.0%} zeros"


def set_stage(folder: Path, workload: Workload, images: UInt8Array, labels: IntArray) -> None:
    """Write images.npy, labels.npy and weights.npz into `folder`, for the workers."""
    np.save(folder / "images.npy", images)
    np.save(folder / "labels.npy", labels)
    weights: dict[str, Any] = {
        name: parameter.value for name, parameter in workload.network().named_parameters().items()
    }
    np.savez(folder / "weights.npz", **weights)


def _random() -> tuple[UInt8Array, IntArray]:
    rng = np.random.default_rng(0)
    shape = (RANDOM_PICTURES, *INPUT_SHAPE)
    images = rng.integers(1, 256, shape, np.uint8)
    images[rng.random(shape, np.float32) < SHARE_OF_ZEROS] = 0
    return images, rng.integers(0, NUM_CLASSES, RANDOM_PICTURES)
