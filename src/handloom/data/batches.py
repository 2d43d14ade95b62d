"""Batches: pictures in the order of an epoch, made into numbers one batch ahead of their use."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import KW_ONLY, dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import DTypeLike

from handloom._typing import FloatArray, IntArray
from handloom.data.augment import Augmentation
from handloom.data.chance import Purpose, checked_seed, generator
from handloom.data.dataset import Dataset
from handloom.data.normalise import Normalisation
from handloom.errors import ConfigError


class Batch(NamedTuple):
    """What a network takes at once: x (n, C, H, W), C-contiguous, and labels (n,) int64."""

    x: FloatArray
    labels: IntArray


@dataclass(frozen=True, eq=False)
class Batches:
    """A data set in batches. What an epoch yields is a function of (seed, epoch) and nothing else.

    Pictures stay uint8 in the data set; a batch is gathered, augmented and normalised when its
    turn comes, with `prefetch` in a thread, while the batch before it is being used. The last
    batch may be short; `drop_last` leaves it out.  Raises: ConfigError for a batch size below 1, or
    where `drop_last` leaves no batch at all.
    """

    dataset: Dataset
    normalisation: Normalisation
    batch_size: int
    _: KW_ONLY
    seed: int
    shuffle: bool = True
    augmentation: Augmentation | None = None
    drop_last: bool = False
    prefetch: bool = True
    dtype: DTypeLike = np.float32

    def __post_init__(self) -> None:
        checked_seed(self.seed)
        if self.batch_size < 1:
            raise ConfigError(f"batch_size is at least 1, got {self.batch_size}")
        if self.drop_last and 0 < len(self.dataset) < self.batch_size:
            raise ConfigError(
                f"drop_last with batch_size {self.batch_size} leaves nothing of the "
                f"{len(self.dataset)} pictures; make the batches smaller or keep the last one"
            )

    @property
    def steps_per_epoch(self) -> int:
        """Batches an epoch."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        return whole if self.drop_last or not rest else whole + 1

    def __len__(self) -> int:
        return self.steps_per_epoch

    def order(self, epoch: int) -> IntArray:
        """Positions in the data set, (N,), in the order in which the epoch visits them."""
        if not self.shuffle:
            return np.arange(len(self.dataset))
        return generator(self.seed, Purpose.ORDER, epoch).permutation(len(self.dataset))

    def epoch(self, epoch: int) -> Iterator[Batch]:
        """The batches of one epoch, counted from 0. Close it, or leave its loop, at any time.

        An error while a batch is prepared is raised here, in that batch's turn, with the traceback
        of the thread.
        """
        order = self.order(epoch)

        def prepare(step: int) -> Batch:
            indices = order[step * self.batch_size : (step + 1) * self.batch_size]
            images = self.dataset.images[indices]
            if self.augmentation is not None:
                images = self.augmentation.apply(images, indices, seed=self.seed, epoch=epoch)
            return Batch(self.normalisation(images, self.dtype), self.dataset.labels[indices])

        steps = range(self.steps_per_epoch)
        if not self.prefetch or not steps:
            yield from map(prepare, steps)
            return
        # Leaving this block, at the end, by an error or by close(), waits for the thread to end.
        with ThreadPoolExecutor(1, thread_name_prefix="handloom-batches") as thread:
            ahead = thread.submit(prepare, 0)
            for step in steps[1:]:
                ready, ahead = ahead.result(), thread.submit(prepare, step)
                yield ready
            yield ahead.result()
