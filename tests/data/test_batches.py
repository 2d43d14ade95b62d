from __future__ import annotations

import threading
import traceback
import tracemalloc
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest

from handloom.data.batches.augment import Augmentation
from handloom.data.batches.batches import Batch, Batches
from handloom.data.batches.mixing import Mixing
from handloom.data.dataset import Dataset
from handloom.data.prepare.normalise import Normalisation
from handloom.errors import ConfigError

SCALE = Normalisation("scale")


def numbered(count: int, channels: int | None = None) -> Dataset:
    """Images whose label is their position."""
    shape = (count, 6, 5) if channels is None else (count, channels, 6, 5)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    return Dataset(images, np.arange(count), tuple(map(str, range(max(count, 1)))), "numbered")


def visited(batches: Batches, epoch: int) -> list[int]:
    return [int(label) for batch in batches.epoch(epoch) for label in batch.labels]


def preparing_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("handloom-batches")]


class Watched:
    """A normalisation that counts its calls and does `before(call)` first."""

    def __init__(self, before: Callable[[int], None] = lambda call: None) -> None:
        self.calls = 0
        self.before = before

    def __call__(self, images: np.ndarray, dtype: Any) -> np.ndarray:
        self.calls += 1
        self.before(self.calls)
        return SCALE(images, dtype)


@pytest.fixture(params=[True, False], ids=["thread", "no thread"])
def prefetch(request: pytest.FixtureRequest) -> bool:
    return request.param


def test_an_epoch_visits_every_picture_once(prefetch: bool) -> None:
    dataset = numbered(23)
    batches = Batches(dataset, SCALE, 5, seed=0, prefetch=prefetch)
    seen = list(batches.epoch(0))
    assert [len(batch.labels) for batch in seen] == [5, 5, 5, 5, 3]
    assert len(batches) == batches.steps_per_epoch == 5
    positions = np.concatenate([batch.labels for batch in seen])
    assert sorted(positions) == list(range(23))
    np.testing.assert_array_equal(positions, batches.order(0))
    for x, labels in seen:
        assert (x.dtype, x.shape[1:], x.flags.c_contiguous) == (np.float32, (1, 6, 5), True)
        assert labels.dtype == np.int64
        np.testing.assert_array_equal(x, SCALE(dataset.images[labels]))


def test_order_is_a_function_of_seed_and_epoch() -> None:
    batches = Batches(numbered(50), SCALE, 8, seed=1)
    second = visited(batches, 1)
    assert visited(batches, 0) != second
    assert visited(Batches(numbered(50), SCALE, 11, seed=1), 1) == second
    assert visited(Batches(numbered(50), SCALE, 8, seed=2), 1) != second


def test_drop_last_leaves_the_short_batch_out(prefetch: bool) -> None:
    batches = Batches(numbered(23), SCALE, 5, seed=0, drop_last=True, prefetch=prefetch)
    assert [len(batch.labels) for batch in batches.epoch(0)] == [5, 5, 5, 5]
    assert batches.steps_per_epoch == 4


@pytest.mark.parametrize(
    ("count", "size", "expected"),
    [(21, 5, [5, 5, 5, 5]), (22, 5, [5, 5, 5, 5, 2]), (20, 5, [5, 5, 5, 5]), (6, 5, [5]),
     (5, 5, [5]), (3, 5, [3]), (2, 5, [2]), (2, 1, [1, 1]), (0, 5, [])],
)  # fmt: skip
def test_a_last_batch_of_one_may_be_left_out(
    count: int, size: int, expected: list[int], prefetch: bool
) -> None:
    batches = Batches(numbered(count), SCALE, size, seed=0, drop_single=True, prefetch=prefetch)
    assert [len(batch.labels) for batch in batches.epoch(0)] == expected
    assert (len(batches), batches.left_out) == (len(expected), count - sum(expected))
    assert len(batches.epoch(0).pixels(0, len(batches)).rows) == sum(expected)


def test_the_example_that_is_left_out_differs_from_epoch_to_epoch() -> None:
    batches = Batches(numbered(21), SCALE, 5, seed=0, drop_single=True)
    left_out = [set(range(21)) - set(visited(batches, epoch)) for epoch in range(4)]
    assert [len(each) for each in left_out] == [1, 1, 1, 1]
    assert len(set.union(*left_out)) == 4
    kept = Batches(numbered(21), SCALE, 5, seed=0)
    assert visited(batches, 3) == visited(kept, 3)[:-1]
    assert (kept.left_out, Batches(numbered(23), SCALE, 5, seed=0, drop_last=True).left_out) == (
        0,
        3,
    )


def test_without_shuffle_the_order_is_the_sets() -> None:
    assert visited(Batches(numbered(12), SCALE, 5, seed=0, shuffle=False), 3) == list(range(12))


def test_augmentation_does_not_depend_on_the_batching() -> None:
    def pictures(batch_size: int, epoch: int = 2, **kwargs: Any) -> np.ndarray:
        augmentation = Augmentation(rotate=10.0, elastic_alpha=5.0, noise=0.05)
        batches = Batches(
            numbered(40), SCALE, batch_size, seed=3, augmentation=augmentation, **kwargs
        )
        found = np.empty((40, 1, 6, 5), np.float32)
        for x, labels in batches.epoch(epoch):
            found[labels] = x
        return found

    expected = pictures(40, shuffle=False, prefetch=False)
    np.testing.assert_array_equal(pictures(7), expected)
    np.testing.assert_array_equal(pictures(1, prefetch=False), expected)
    assert not np.array_equal(pictures(40, epoch=3), expected)
    assert not np.array_equal(expected, SCALE(numbered(40).images))


def test_dtype_is_the_callers_choice() -> None:
    batches = Batches(numbered(3), SCALE, 2, seed=0, dtype=np.float64)
    assert {batch.x.dtype for batch in batches.epoch(0)} == {np.dtype(np.float64)}


# -- parts of an epoch -----------------------------------------------------------------------------


def same_batches(some: Iterable[Batch], others: Iterable[Batch]) -> bool:
    return all(
        np.array_equal(one.x, other.x) and np.array_equal(one.labels, other.labels)
        for one, other in zip(some, others, strict=True)
    )


@pytest.mark.parametrize("augmentation", [None, Augmentation(rotate=10.0, noise=0.05)])
def test_parts_of_an_epoch_are_the_whole_in_pieces(
    augmentation: Augmentation | None, prefetch: bool
) -> None:
    batches = Batches(numbered(23), SCALE, 5, seed=0, augmentation=augmentation, prefetch=prefetch)
    epoch = batches.epoch(2)
    whole = list(epoch)
    assert len(epoch) == len(whole) == 5
    assert same_batches([*epoch.between(0, 2), *epoch.between(2, 5)], whole)
    assert same_batches([epoch[step] for step in range(5)], whole)
    assert same_batches(epoch, whole), "an epoch can be walked again"
    assert list(epoch.between(3, 3)) == []


@pytest.mark.parametrize("step", [-1, 5])
def test_a_step_beyond_the_epoch_is_refused(step: int) -> None:
    with pytest.raises(IndexError, match="of an epoch of 5"):
        Batches(numbered(23), SCALE, 5, seed=0).epoch(0)[step]


@pytest.mark.parametrize("augmentation", [None, Augmentation(rotate=10.0, noise=0.05)])
@pytest.mark.parametrize(("start", "stop"), [(0, 5), (1, 3), (4, 5), (2, 2)])
@pytest.mark.parametrize("channels", [None, 1, 3])
def test_pixels_are_the_batches_before_normalisation(
    augmentation: Augmentation | None, start: int, stop: int, channels: int | None
) -> None:
    dataset = numbered(23, channels)
    batches = Batches(dataset, SCALE, 5, seed=0, augmentation=augmentation)
    epoch = batches.epoch(1)
    images, rows, labels = epoch.pixels(start, stop)
    assert (images.dtype, images.ndim, images.flags.c_contiguous) == (np.uint8, 4, True)
    assert rows.dtype == labels.dtype == np.int64
    seen = list(epoch.between(start, stop))
    x = SCALE(images[rows])
    np.testing.assert_array_equal(x, np.concatenate([x[:0], *(batch.x for batch in seen)]))
    assert labels.tolist() == [label for batch in seen for label in batch.labels]


def test_pixels_without_augmentation_copy_no_picture() -> None:
    dataset = numbered(23)
    epoch = Batches(dataset, SCALE, 5, seed=0, drop_last=True).epoch(0)
    pixels = epoch.pixels(0, len(epoch))
    assert np.shares_memory(pixels.images, dataset.images)
    assert np.shares_memory(pixels.rows, epoch.order)
    assert (pixels.images.shape, len(pixels.rows)) == ((23, 1, 6, 5), 20)


def test_pixels_of_a_set_in_another_layout_are_copied_once() -> None:
    across = np.asfortranarray(numbered(23).images)
    batches = Batches(Dataset(across, np.zeros(23, int), ("a",)), SCALE, 5, seed=0)
    first, second = batches.epoch(0).pixels(0, 2), batches.epoch(1).pixels(0, 2)
    assert first.images is second.images
    np.testing.assert_array_equal(first.images[:, 0], across)


# -- the thread ------------------------------------------------------------------------------------


def test_one_batch_is_prepared_ahead_and_no_more() -> None:
    started = threading.Semaphore(0)
    watched = Watched(lambda call: started.release())
    iterator = iter(Batches(numbered(20), watched, 4, seed=0).epoch(0))  # type: ignore[arg-type]
    assert watched.calls == 0
    for call in range(1, 5):
        next(iterator)
        for _ in range(2 if call == 1 else 1):
            assert started.acquire(timeout=10.0)  # the next one begins while this one is in use
        assert watched.calls == call + 1
        assert not started.acquire(timeout=0.02)
    next(iterator)
    assert next(iterator, None) is None
    assert preparing_threads() == []


def test_an_error_comes_once_in_its_turn_with_its_traceback(prefetch: bool) -> None:
    def break_at_third(call: int) -> None:
        if call == 3:
            raise OSError("the disk is gone")

    batches = Batches(
        numbered(20),
        Watched(break_at_third),  # type: ignore[arg-type]
        4,
        seed=0,
        prefetch=prefetch,
    )
    iterator = iter(batches.epoch(0))
    next(iterator), next(iterator)
    with pytest.raises(OSError, match="the disk is gone") as caught:
        next(iterator)
    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert frames.count("break_at_third") == 1
    assert next(iterator, None) is None
    assert preparing_threads() == []


@pytest.mark.parametrize("taken", [1, 2, 5])
def test_leaving_early_ends_the_thread(taken: int) -> None:
    batches = Batches(numbered(20), SCALE, 4, seed=0)
    iterator = iter(batches.epoch(0))
    for _ in range(taken):
        next(iterator)
    assert len(preparing_threads()) == 1
    iterator.close()  # type: ignore[attr-defined]
    assert preparing_threads() == []
    for _ in batches.epoch(0):
        break
    assert preparing_threads() == []


def test_an_error_of_the_user_ends_the_thread() -> None:
    def use() -> None:
        for _ in Batches(numbered(20), SCALE, 4, seed=0).epoch(0):
            raise KeyError("a mistake in the loop")

    with pytest.raises(KeyError) as caught:
        use()
    caught.value.__traceback__ = None  # lets go of the loop's frame, and with it of the iterator
    del caught
    assert preparing_threads() == []


def test_an_iterator_that_was_never_begun_has_no_thread() -> None:
    iterator = iter(Batches(numbered(20), SCALE, 4, seed=0).epoch(0))
    assert preparing_threads() == []
    del iterator


def test_the_set_is_never_made_into_numbers_as_a_whole() -> None:
    dataset = Dataset(np.zeros((4000, 28, 28), np.uint8), np.zeros(4000, int), ("a",), "large")
    tracemalloc.start()
    try:
        count = sum(len(batch.x) for batch in Batches(dataset, SCALE, 100, seed=0).epoch(0))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert count == 4000
    assert peak < dataset.images.size  # a quarter of the set in float32; some batches are less


def test_an_empty_set_has_no_batches(prefetch: bool) -> None:
    batches = Batches(numbered(0), SCALE, 4, seed=0, prefetch=prefetch)
    assert (len(batches), list(batches.epoch(0))) == (0, [])


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"batch_size": 0}, "batch_size is at least 1, got 0"),
        ({"batch_size": 30, "drop_last": True}, "batch_size 30 leaves nothing of the 20"),
        ({"batch_size": 5, "seed": -1}, "seed"),
        ({"batch_size": 5, "drop_single": True, "count": 1}, "drops the only image"),
    ],
)
def test_an_impossible_setting_is_refused(settings: dict[str, Any], told: str) -> None:
    count = settings.pop("count", 20)
    with pytest.raises(ConfigError, match=told):
        Batches(numbered(count), SCALE, **({"seed": 0} | settings))


def test_parts_of_a_batch_are_its_rows(prefetch: bool) -> None:
    """Empty ones, too: the last batch has one image."""
    batches = Batches(
        numbered(21, 2), SCALE, 5, seed=0, augmentation=Augmentation(rotate=20.0, flip=0.5),
        mixing=Mixing(mixup=0.5, cutmix=0.5), prefetch=prefetch,
    )  # fmt: skip
    epoch = batches.epoch(1)
    first = epoch.between(0, len(epoch), lambda count: slice(0, count // 2))
    rest = epoch.between(0, len(epoch), lambda count: slice(count // 2, count))
    for whole, *parts in zip(epoch, first, rest, strict=True):
        for position in range(2):
            joined = np.concatenate([part[position] for part in parts])
            np.testing.assert_array_equal(joined, whole[position])
