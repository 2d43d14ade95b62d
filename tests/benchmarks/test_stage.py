"""What everybody finds in place."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks.stage import load_pictures, set_stage
from benchmarks.workloads import chosen


def test_random_pictures_are_half_zeros_and_always_the_same() -> None:
    images, labels, what = load_pictures("mnist", "random", None)
    again, _, _ = load_pictures("mnist", "random", None)
    assert images.shape == (2000, 1, 28, 28)
    assert images.dtype == np.uint8
    assert set(labels.tolist()) == set(range(10))
    assert what == "random bytes, 50% zeros"
    assert np.array_equal(images, again)


def test_random_where_the_set_is_not_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HANDLOOM_DATA", raising=False)
    monkeypatch.setattr("handloom.data.known.catalogue.cache_folder", lambda: tmp_path)
    assert load_pictures("mnist", "auto", tmp_path)[2].startswith("random")


@pytest.mark.data
def test_real_pictures_where_they_are() -> None:
    images, labels, what = load_pictures("mnist", "auto", None)
    assert images.shape == (60_000, 1, 28, 28)
    assert len(labels) == 60_000
    assert what == "mnist, 81% zeros"


def test_the_stage_holds_the_first_weights(tmp_path: Path) -> None:
    (workload,) = chosen(["W2"])
    set_stage(tmp_path, workload, *load_pictures("mnist", "random", None)[:2])
    with np.load(tmp_path / "weights.npz") as weights:
        assert list(weights.files) == [
            f"{n}.{part}" for n in (1, 3, 5) for part in ("weight", "bias")
        ]
        assert weights["1.weight"].shape == (256, 784)
    assert np.load(tmp_path / "images.npy").shape == (2000, 1, 28, 28)
