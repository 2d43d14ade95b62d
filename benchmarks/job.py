"""What a peer offers, and the job that it is given; knows NumPy only, as every Python of a peer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

import numpy as np

TUNED_ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # the largest that glibc takes
    "MALLOC_TRIM_THRESHOLD_": str(4 << 30),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""glibc keeps freed memory instead of giving it back: no page faults for every new tensor."""


@dataclass(frozen=True)
class Row:
    """A configuration that a peer offers; of those with the same `kind` the quickest takes part."""

    name: str
    threads: int
    settings: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    """Variables that its process starts with."""
    kind: str = ""
    setup: float = 0.5
    """Seconds that its compilers take, about: for the estimate of the duration."""


@dataclass(frozen=True)
class Job:
    """What is to be done, in plain values: see `workloads` and `stage`."""

    task: str
    folder: str
    threads: int
    layers: list[dict[str, Any]]
    batch_size: int
    size: int
    optimizer: dict[str, Any]
    settings: dict[str, Any]
    dtype: str
    check_steps: int
    """Batches at the start that come in the data's own order: what the driver compares."""

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Job:
        """The keys are the fields."""
        return cls(**{each.name: values[each.name] for each in fields(cls)})

    def pictures(self) -> tuple[np.ndarray, np.ndarray]:
        """Images (N, 1, 28, 28) uint8 and labels (N,) int64."""
        folder = Path(self.folder)
        return np.load(folder / "images.npy"), np.load(folder / "labels.npy")

    def weights(self) -> dict[str, np.ndarray]:
        """The first weights by name ("1.weight"), in the order of the layers."""
        with np.load(Path(self.folder) / "weights.npz") as stored:
            return {name: stored[name].astype(self.dtype) for name in stored.files}

    def weights_of(self, layer: int) -> dict[str, np.ndarray]:
        """The first weights of one layer, by their name within it."""
        prefix = f"{layer}."
        return {
            name.removeprefix(prefix): value
            for name, value in self.weights().items()
            if name.startswith(prefix)
        }

    def batches(self, count: int) -> Iterator[np.ndarray]:
        """Rows (batch_size,) of `count` pictures without end: a new order for each epoch."""
        size = self.batch_size
        yield from np.arange(self.check_steps * size).reshape(-1, size)
        rng = np.random.default_rng(1)
        while True:
            order = rng.permutation(count)
            yield from order[: count // size * size].reshape(-1, size)

    def slices(self, count: int) -> Iterator[slice]:
        """Batches of `count` pictures as they lie, without end."""
        while True:
            for first in range(0, count - self.batch_size + 1, self.batch_size):
                yield slice(first, first + self.batch_size)


class Runner(Protocol):
    """A job that stands ready."""

    note: str
    """Versions and the like, for the report."""

    def run(self, steps: int) -> None:
        """Do so many steps, and return when they are done."""
        ...

    def result(self) -> dict[str, np.ndarray]:
        """The trained weights by name, or {"outputs": (batch_size, K)} for the first batch."""
        ...


class Unable(Exception):
    """The library cannot do this job; the message says why."""
