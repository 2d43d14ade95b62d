"""Batches: images in the order of an epoch, made into numbers one batch ahead of their use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import KW_ONLY, dataclass, replace
from functools import cached_property, partial
from itertools import islice
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from handloom._typing import AnyArray, FloatArray, IntArray, UInt8Array
from handloom.data.batches.augment import Augmentation
from handloom.data.batches.mixing import Mixing, Mixtures, mix, mix_labels
from handloom.data.chance import Purpose, checked_seed, generator
from handloom.data.dataset import Dataset
from handloom.data.prepare.normalise import Normalisation
from handloom.data.prepare.resize import Stage, resize
from handloom.errors import ConfigError

Item = TypeVar("Item")
Made = TypeVar("Made")


class Batch(NamedTuple):
    """What a network takes at once: x (n, C, H, W), C-contiguous, and what it should say of it."""

    x: FloatArray
    labels: AnyArray
    """(n,) int64; where images are mixed, the shares of the classes (n, K) float32."""


class Pixels(NamedTuple):
    """The examples of some steps before normalisation, for who gathers them from memory alone.

    Example i, in the order of the steps, is the image images[rows[i]] with the label labels[i].
    """

    images: UInt8Array
    """(M, C, H, W), C-contiguous: the whole data set's images, or the changed ones alone."""
    rows: IntArray
    """(n,) int64, in [0, M)."""
    labels: AnyArray
    """As a batch has them."""


@dataclass(frozen=True, eq=False)
class Batches:
    """A data set in batches. What an epoch yields is a function of (seed, epoch) and nothing else.

    Images stay uint8 in the data set; a batch is gathered, augmented, mixed and normalised when
    its turn comes, with `prefetch` in a thread, while the batch before it is being used. The last
    batch may be short; `drop_last` leaves it out, `drop_single` only where it is one example, which
    is another one in every epoch. An epoch of one of the `stages`, in the order in which they end,
    sees the images resized (progressive resizing). `dtype` is that of the numbers of a batch; an
    engine takes them in its network's. Raises: ConfigError for a batch size below 1, or where
    `drop_last` or `drop_single` leaves no batch at all.
    """

    dataset: Dataset
    normalisation: Normalisation
    batch_size: int
    _: KW_ONLY
    seed: int
    shuffle: bool = True
    augmentation: Augmentation | None = None
    mixing: Mixing | None = None
    stages: tuple[Stage, ...] = ()
    drop_last: bool = False
    drop_single: bool = False
    prefetch: bool = True
    dtype: DTypeLike = np.float32

    def __post_init__(self) -> None:
        checked_seed(self.seed)
        if self.batch_size < 1:
            raise ConfigError(f"batch_size is at least 1, got {self.batch_size}")
        if self.drop_last and 0 < len(self.dataset) < self.batch_size:
            raise ConfigError(
                f"drop_last with batch_size {self.batch_size} leaves nothing of the "
                f"{len(self.dataset)} images; use smaller batches or keep the last one"
            )
        if self.drop_single and len(self.dataset) == 1:
            raise ConfigError("drop_single drops the only image; add more images, or keep it")

    @property
    def steps_per_epoch(self) -> int:
        """Batches an epoch."""
        whole, rest = divmod(len(self.dataset), self.batch_size)
        dropped = self.drop_last or (self.drop_single and rest == 1)
        return whole if dropped or not rest else whole + 1

    @property
    def left_out(self) -> int:
        """Examples that an epoch does not visit."""
        return max(0, len(self.dataset) - self.steps_per_epoch * self.batch_size)

    def __len__(self) -> int:
        return self.steps_per_epoch

    @cached_property
    def planes(self) -> UInt8Array:
        """All images as (N, C, H, W), C-contiguous: the data set's own array where it can be."""
        return np.ascontiguousarray(self.dataset.planes)

    def order(self, epoch: int) -> IntArray:
        """Positions in the data set, (N,), in the order in which the epoch visits them."""
        if not self.shuffle:
            return np.arange(len(self.dataset))
        return generator(self.seed, Purpose.ORDER, epoch).permutation(len(self.dataset))

    def epoch(self, epoch: int) -> Epoch:
        """One pass over the data, counted from 0."""
        return Epoch(self._at(epoch), epoch, self.order(epoch))

    def _at(self, epoch: int) -> Batches:
        """These batches, or those of the images in the size of the epoch's stage."""
        heights = [stage.height for stage in self.stages if epoch < stage.until]
        if not heights or heights[0] == self.planes.shape[2]:
            return self
        if heights[0] not in self._resized:
            images = resize(self.dataset.images, heights[0])
            self._resized.clear()  # a stage that is over does not come back
            self._resized[heights[0]] = replace(
                self, dataset=replace(self.dataset, images=images), stages=()
            )
        return self._resized[heights[0]]

    @cached_property
    def _resized(self) -> dict[int, Batches]:
        """The batches of the last stage that was asked for, by its height."""
        return {}


@dataclass(frozen=True, eq=False)
class Epoch:
    """The batches of one epoch, a step each: all, some, or a single one of them.

    Iterators prepare one batch ahead in a thread, where `batches.prefetch` says so; close them, or
    leave their loop, at any time. An error while a batch is prepared is raised in that batch's
    turn, with the traceback of the thread.
    """

    batches: Batches
    number: int
    """Counted from 0."""
    order: IntArray
    """Positions in the data set, (N,), in the order in which they are visited."""

    @property
    def normalisation(self) -> Normalisation:
        """What makes numbers of the pixels."""
        return self.batches.normalisation

    @property
    def batch_size(self) -> int:
        """Examples a step; the last step may have fewer."""
        return self.batches.batch_size

    def __len__(self) -> int:
        return self.batches.steps_per_epoch

    def __iter__(self) -> Iterator[Batch]:
        return self.between(0, len(self))

    def __getitem__(self, step: int) -> Batch:
        if not 0 <= step < len(self):
            raise IndexError(f"step {step} of an epoch of {len(self)}")
        return self._part(step, slice, self.batches.dtype)

    def between(
        self,
        start: int,
        stop: int,
        part: Callable[[int], slice] = slice,
        *,
        dtype: DTypeLike | None = None,
    ) -> Iterator[Batch]:
        """The batches of the steps start … stop - 1, in order.

        `part` says which rows are wanted of a batch, given how many it has; as it is, all of them.
        `dtype` is that of the numbers, where it is not the batches' own.
        """
        prepared = one_ahead if self.batches.prefetch else map
        make = partial(self._part, part=part, dtype=self.batches.dtype if dtype is None else dtype)
        yield from prepared(make, range(start, stop))

    def positions(self, start: int, stop: int) -> IntArray:
        """Positions in the data set, (n,), of the examples of the steps start … stop - 1."""
        return self.order[start * self.batch_size : stop * self.batch_size]

    def pixels(self, start: int, stop: int) -> Pixels:
        """The examples of the steps start … stop - 1 as uint8, augmented and mixed if the data are.

        Where they are neither no image is copied: `images` is the whole set, and `rows` the
        order.
        """
        positions = self.positions(start, stop)
        if self.batches.augmentation is None and self.mixtures is None:
            return Pixels(self.batches.planes, positions, self.batches.dataset.labels[positions])
        images, labels = self._examples(positions)
        return Pixels(images, np.arange(len(positions)), labels)

    @cached_property
    def mixtures(self) -> Mixtures | None:
        """What is mixed with each image of the data set in this epoch, if anything is."""
        batches = self.batches
        if batches.mixing is None:
            return None
        count, _, height, width = batches.planes.shape
        return batches.mixing.draw(count, height, width, seed=batches.seed, epoch=self.number)

    def _part(self, step: int, part: Callable[[int], slice], dtype: DTypeLike) -> Batch:
        positions = self.positions(step, step + 1)
        images, labels = self._examples(positions[part(len(positions))])
        return Batch(self.normalisation(images, dtype), labels)

    def _examples(self, positions: IntArray) -> tuple[UInt8Array, AnyArray]:
        """Images (n, C, H, W) as this epoch has them, and their labels or targets."""
        dataset = self.batches.dataset
        images, labels = self._augmented(positions), dataset.labels[positions]
        if self.mixtures is None:
            return images, labels
        mixtures = self.mixtures.take(positions)
        mixed = np.flatnonzero(mixtures.share < 1)
        partners = self._augmented(mixtures.partner[mixed])
        images[mixed] = mix(images[mixed], partners, mixtures.take(mixed))
        others = dataset.labels[mixtures.partner]
        return images, mix_labels(labels, others, mixtures, dataset.num_classes)

    def _augmented(self, positions: IntArray) -> UInt8Array:
        """The images at some positions of the data set, (n, C, H, W), without partners."""
        augmentation, seed = self.batches.augmentation, self.batches.seed
        images = self.batches.planes[positions]
        if augmentation is None:
            return images
        return augmentation.apply(images, positions, seed=seed, epoch=self.number)


def one_ahead(prepare: Callable[[Item], Made], items: Iterable[Item]) -> Iterator[Made]:
    """map(prepare, items), where a thread prepares the next one while one is being used."""
    from concurrent.futures import ThreadPoolExecutor  # which takes time, and few trainings need it

    coming = iter(items)
    # Leaving this block, at the end, by an error or by close(), waits for the thread to end.
    with ThreadPoolExecutor(1, thread_name_prefix="handloom-batches") as thread:
        ahead = [thread.submit(prepare, item) for item in islice(coming, 1)]
        for item in coming:
            ready = ahead.pop().result()
            ahead.append(thread.submit(prepare, item))
            yield ready
        for last in ahead:
            yield last.result()
