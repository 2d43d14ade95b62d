from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handloom.data.readers.qmnist import read_extended_labels
from handloom.errors import DataError


def extended(rows: np.ndarray) -> bytes:
    return struct.pack(">3I", 0x0C02, *rows.shape) + rows.astype(">i4").tobytes()


@pytest.mark.parametrize("pack", [gzip.compress, bytes], ids=["packed", "plain"])
def test_the_class_is_the_first_column(
    pack: object, tmp_path: Path, rng: np.random.Generator
) -> None:
    rows = rng.integers(0, 300_000, (50, 8))
    path = tmp_path / "qmnist-train-labels-idx2-int.gz"
    path.write_bytes(pack(extended(rows)))
    labels = read_extended_labels(path)
    assert labels.dtype == np.int64
    np.testing.assert_array_equal(labels, rows[:, 0])


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "does not hold QMNIST's extended labels"),
        (struct.pack(">2I", 0x801, 3) + b"abc", "does not hold QMNIST's extended labels"),
        (extended(np.zeros((2, 7))), "does not hold QMNIST's extended labels"),
        (extended(np.zeros((2, 8)))[:-1], "declares 2 × 8 labels, but 63 bytes follow"),
        (extended(np.zeros((2, 8))) + b"+", "declares 2 × 8 labels, but 65 bytes follow"),
        (struct.pack(">3I", 0x0C02, 2**32 - 1, 8), "declares 4294967295 × 8 labels"),
        (gzip.compress(extended(np.zeros((2, 8))))[:-9], "incomplete or damaged"),
        (gzip.compress(b"\0" * (17 << 20)), "does not hold QMNIST's extended labels"),
    ],
    ids=["empty", "idx1", "7 columns", "short", "long", "lies", "cut gzip", "bomb"],
)
def test_what_is_no_label_file_is_refused(data: bytes, told: str, tmp_path: Path) -> None:
    path = tmp_path / "labels"
    path.write_bytes(data)
    with pytest.raises(DataError, match=told):
        read_extended_labels(path)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.booleans())
def test_random_bytes_are_read_or_refused(tmp_path: Path, data: bytes, packed: bool) -> None:
    path = tmp_path / "labels"
    path.write_bytes(gzip.compress(data) if packed else struct.pack(">I", 0x0C02) + data)
    try:
        labels = read_extended_labels(path)
    except DataError:
        return
    assert labels.ndim == 1
