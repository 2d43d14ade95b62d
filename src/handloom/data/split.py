"""Parts of a data set: validation split, sample, k folds; each a function of the seed alone.

All three shuffle the positions once and then choose by place in that line: evenly spaced places for
a part, every k-th place for a fold. To stratify, the shuffled line is sorted by class first; evenly
spaced places then meet each class in proportion, to within one image.
"""

from __future__ import annotations

import numpy as np

from handloom._typing import IntArray
from handloom.data.chance import Purpose, generator
from handloom.data.dataset import Dataset
from handloom.errors import ConfigError


def split(
    dataset: Dataset, validation: float | int, *, seed: int, stratify: bool = False
) -> tuple[Dataset, Dataset]:
    """(training split, validation split), disjoint, together the whole; both keep the set's order.

    `validation` is a fraction in (0, 1) or a count of images: 0.1 is a tenth, 1 is one image.
    With `stratify` every class is divided in the same proportion, to within one image.
    Raises: ConfigError where a part would be empty.
    """
    size = _size_of_part("validation", validation, len(dataset))
    if size == len(dataset):
        raise ConfigError(
            f"validation = {validation!r} takes all {size} images and leaves none for training"
        )
    chosen = _chosen(dataset, size, generator(seed, Purpose.SPLIT), stratify)
    return dataset.take(np.flatnonzero(~chosen)), dataset.take(np.flatnonzero(chosen))


def sample(dataset: Dataset, size: float | int, *, seed: int, stratify: bool = False) -> Dataset:
    """A random part in the set's order; `size` is a fraction in (0, 1] or a count of images.

    Raises: ConfigError where the part would be empty or larger than the whole.
    """
    size = _size_of_part("sample", size, len(dataset))
    chosen = _chosen(dataset, size, generator(seed, Purpose.SAMPLE), stratify)
    return dataset.take(np.flatnonzero(chosen))


def folds(
    dataset: Dataset, k: int, *, seed: int, stratify: bool = False
) -> list[tuple[IntArray, IntArray]]:
    """k pairs (training positions, validation positions), sorted, for `dataset.take`.

    Every image is validated on exactly once; sizes of folds, and with `stratify` those of every
    class within them, differ by one at most. Raises: ConfigError unless 2 <= k <= images.
    """
    if not 2 <= k <= len(dataset):
        raise ConfigError(f"folds need 2 <= k <= number of images, got k = {k} of {len(dataset)}")
    fold = np.empty(len(dataset), np.int64)
    fold[_line(dataset, generator(seed, Purpose.FOLDS), stratify)] = np.arange(len(dataset)) % k
    return [(np.flatnonzero(fold != part), np.flatnonzero(fold == part)) for part in range(k)]


def _line(dataset: Dataset, rng: np.random.Generator, stratify: bool) -> IntArray:
    """All positions in random order; with `stratify`, class after class."""
    line = rng.permutation(len(dataset))
    return line[np.argsort(dataset.labels[line], kind="stable")] if stratify else line


def _chosen(dataset: Dataset, size: int, rng: np.random.Generator, stratify: bool) -> IntArray:
    """Which images are in the part: (N,) of bool, `size` of them true."""
    chosen = np.zeros(len(dataset), bool)
    places = (2 * np.arange(size) + 1) * len(dataset) // (2 * size)  # in the middle of equal steps
    chosen[_line(dataset, rng, stratify)[places]] = True
    return chosen


def _size_of_part(name: str, wanted: float | int, whole: int) -> int:
    """The number of images that a fraction or count asks for, from 1 to `whole`."""
    if isinstance(wanted, float | np.floating):
        if not 0.0 < wanted <= 1.0:
            raise ConfigError(f"{name} as a fraction lies between 0 and 1, got {wanted}")
        size = round(float(wanted) * whole)
    elif isinstance(wanted, int | np.integer) and not isinstance(wanted, bool):
        size = int(wanted)
    else:
        raise ConfigError(f"{name} is a fraction or a count of images, got {wanted!r}")
    if not 1 <= size <= whole:
        raise ConfigError(f"{name} = {wanted} asks for {size} of {whole} images")
    return size
