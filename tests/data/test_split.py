from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handloom.data.dataset import Dataset
from handloom.data.split import folds, sample, split
from handloom.errors import ConfigError


def labelled(labels: list[int]) -> Dataset:
    """Images 1 × 2 whose pixels are their position, so that each can be known again."""
    positions = np.arange(len(labels))
    images = np.stack([positions // 256, positions % 256], axis=1).astype(np.uint8)[:, None]
    return Dataset(images, np.array(labels), ("a", "b", "c", "d"), "numbered")


def positions(part: Dataset) -> list[int]:
    return (part.images[:, 0, 0].astype(int) * 256 + part.images[:, 0, 1]).tolist()


LABELS = st.lists(st.integers(0, 3), min_size=2, max_size=200)
SEEDS = st.integers(0, 2**40)
property_test = settings(deadline=None, derandomize=True)  # a busy machine is no failure


@property_test
@given(LABELS, st.data(), SEEDS, st.booleans())
def test_split_is_disjoint_and_whole(
    labels: list[int], data: st.DataObject, seed: int, stratify: bool
) -> None:
    count = data.draw(st.integers(1, len(labels) - 1))
    whole = labelled(labels)
    train, validation = split(whole, count, seed=seed, stratify=stratify)
    assert len(validation) == count
    assert sorted(positions(train) + positions(validation)) == list(range(len(labels)))
    for part in (train, validation):
        assert positions(part) == sorted(positions(part))
        assert part.labels.tolist() == [labels[position] for position in positions(part)]
    if stratify:
        proportional = whole.class_counts() * count / len(labels)
        assert (abs(validation.class_counts() - proportional) < 1.0).all()


@property_test
@given(LABELS, st.data(), SEEDS, st.booleans())
def test_folds_validate_on_every_picture_once(
    labels: list[int], data: st.DataObject, seed: int, stratify: bool
) -> None:
    k = data.draw(st.integers(2, min(len(labels), 12)))
    whole = labelled(labels)
    parts = folds(whole, k, seed=seed, stratify=stratify)
    assert len(parts) == k
    assert sorted(np.concatenate([held_out for _, held_out in parts])) == list(range(len(labels)))
    for train, held_out in parts:
        assert sorted([*train, *held_out]) == list(range(len(labels)))
        if stratify:
            proportional = whole.class_counts() / k
            assert (abs(whole.take(held_out).class_counts() - proportional) < 1.0).all()
    sizes = [len(held_out) for _, held_out in parts]
    assert max(sizes) - min(sizes) <= 1


@property_test
@given(LABELS, st.data(), SEEDS)
def test_stratified_sample_is_proportional(
    labels: list[int], data: st.DataObject, seed: int
) -> None:
    count = data.draw(st.integers(1, len(labels)))
    whole = labelled(labels)
    part = sample(whole, count, seed=seed, stratify=True)
    assert len(set(positions(part))) == len(part) == count
    assert (abs(part.class_counts() - whole.class_counts() * count / len(labels)) < 1.0).all()


def test_fraction_is_rounded_to_a_count() -> None:
    train, validation = split(labelled([0] * 55), 0.1, seed=0)
    assert (len(train), len(validation)) == (49, 6)
    assert len(sample(labelled([0] * 55), 1.0, seed=0)) == 55
    assert len(sample(labelled([0] * 55), np.int64(3), seed=0)) == 3


def test_every_picture_is_equally_likely_to_be_chosen() -> None:
    whole = labelled([0, 1, 2, 3, 3, 3, 3, 3, 3, 3])
    for stratify in (False, True):
        chosen = [positions(sample(whole, 4, seed=s, stratify=stratify)) for s in range(2000)]
        counts = np.bincount(np.concatenate(chosen), minlength=10)
        same_class = counts if not stratify else counts[3:]
        expected = same_class.mean()
        assert ((same_class - expected) ** 2 / expected).sum() < 27.9  # chi², 9 degrees: 99.9 %


@pytest.mark.parametrize(
    "parts",
    [
        lambda seed: positions(split(labelled([0, 1] * 50), 0.3, seed=seed)[1]),
        lambda seed: positions(sample(labelled([0, 1] * 50), 30, seed=seed, stratify=True)),
        lambda seed: [p[1].tolist() for p in folds(labelled([0, 1] * 50), 5, seed=seed)],
    ],
    ids=["split", "sample", "folds"],
)
def test_parts_are_a_function_of_the_seed(parts: Callable[[int], list[int]]) -> None:
    assert parts(3) == parts(3)
    assert parts(3) != parts(4)


def test_split_and_sample_with_one_seed_are_not_alike() -> None:
    whole = labelled([0] * 100)
    assert positions(split(whole, 50, seed=0)[1]) != positions(sample(whole, 50, seed=0))


@pytest.mark.parametrize(
    ("validation", "told"),
    [
        (0, "0 of 10"),
        (-3, "-3 of 10"),
        (11, "11 of 10"),
        (10, "all 10"),
        (0.96, "all 10"),
        (0.01, "0 of 10"),
        (0.0, "got 0.0"),
        (1.5, "got 1.5"),
        (float("nan"), "got nan"),
        (True, "got True"),
        ("0.1", "got '0.1'"),
    ],
)
def test_an_impossible_part_is_refused_with_its_numbers(validation: float, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        split(labelled([0] * 10), validation, seed=0)


@pytest.mark.parametrize("size", [0, 11, 0.01, 1.01])
def test_an_impossible_sample_is_refused(size: float) -> None:
    with pytest.raises(ConfigError, match="sample"):
        sample(labelled([0] * 10), size, seed=0)


@pytest.mark.parametrize("k", [1, 0, 11])
def test_impossible_folds_are_refused(k: int) -> None:
    with pytest.raises(ConfigError, match=f"k = {k} of 10"):
        folds(labelled([0] * 10), k, seed=0)
