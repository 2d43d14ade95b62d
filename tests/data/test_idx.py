"""IDX: round trips, the publishers' spellings, and every way in which such a file can lie."""

from __future__ import annotations

import gzip
import os
import struct
import tracemalloc

import numpy as np
import pytest

from handloom.data import read_idx, read_idx_folder, write_idx
from handloom.errors import DataError, LabelError, ShapeError


def idx_bytes(magic: int, shape: tuple[int, ...], body: bytes) -> bytes:
    return struct.pack(f">{1 + len(shape)}I", magic, *shape) + body


@pytest.fixture
def pictures(rng) -> np.ndarray:
    return rng.integers(0, 256, (5, 4, 3), np.uint8)


@pytest.fixture
def publishers_folder(tmp_path, rng):
    folder = tmp_path / "tiny"
    folder.mkdir()
    for part, count in (("train", 20), ("t10k", 10)):
        images = rng.integers(0, 256, (count, 4, 3), np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", images)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", np.arange(count) % 10)
    return folder


@pytest.mark.parametrize("name", ["a-idx", "a-idx.gz"])
@pytest.mark.parametrize("shape", [(6,), (5, 4, 3), (2, 3, 4, 5)])
def test_what_is_written_is_read(tmp_path, rng, name, shape):
    array = rng.integers(0, 256, shape, np.uint8)
    write_idx(tmp_path / name, array)
    read = read_idx(tmp_path / name)
    np.testing.assert_array_equal(read, array)
    assert read.dtype == np.uint8
    assert read.flags.writeable


def test_the_bytes_are_those_of_the_format(tmp_path):
    write_idx(tmp_path / "a", np.array([[[1, 2, 3]]], np.uint8))
    assert (tmp_path / "a").read_bytes() == bytes.fromhex(
        "00000803 00000001 00000001 00000003 010203"
    )


def test_gzip_is_told_by_content_and_has_no_time_stamp(tmp_path, pictures):
    write_idx(tmp_path / "a.gz", pictures)
    packed = (tmp_path / "a.gz").read_bytes()
    assert packed[4:8] == b"\0\0\0\0"
    (tmp_path / "no-ending").write_bytes(packed)
    (tmp_path / "raw.gz").write_bytes(gzip.decompress(packed))
    np.testing.assert_array_equal(read_idx(tmp_path / "no-ending"), pictures)
    np.testing.assert_array_equal(read_idx(tmp_path / "raw.gz"), pictures)


def test_writing_refuses_what_idx_cannot_hold(tmp_path):
    with pytest.raises(ShapeError, match=r"got \(2, 2\)"):
        write_idx(tmp_path / "a", np.zeros((2, 2), np.uint8))
    for bad in (np.array([256]), np.array([-1]), np.array([0.5])):
        with pytest.raises(DataError, match=r"integers in 0\.\.255 only"):
            write_idx(tmp_path / "a", bad)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "expect", "message"),
    [
        (
            idx_bytes(0x801, (1,), b"\7"),
            "images",
            r"0x00000801 \(a file of labels\), expected the "
            r"magic number 0x00000803 \(images\)",
        ),
        (
            idx_bytes(0x803, (1, 1, 1), b"\7"),
            "labels",
            r"0x00000803 \(a file of images\), expected "
            r"the magic number 0x00000801 \(labels\)",
        ),
        (idx_bytes(0xD03, (1, 1, 1), b"1234"), "any", r"0x00000d03 \(float32 values, only uint8"),
        (b"<!DOCTYPE html><html>", "any", "found 0x3c21444f; it looks like a web page"),
        (b"PK\3\4rest of a zip", "any", "a zip archive: unpack it first"),
        (b"", "any", "the file has only 0 bytes"),
        (b"\0\0\x08\x03\0\0", "any", "ends within its header"),
        (idx_bytes(0x803, (0, 28, 28), b""), "any", "is empty: it declares 0 × 28 × 28"),
        (
            idx_bytes(0x804, (1, 2, 2, 3), bytes(12)),
            "any",
            "four axes have to be .N, C, H, W. with C = 1",
        ),
        (
            idx_bytes(0x803, (2, 3, 3), bytes(17)),
            "any",
            "declares 2 × 3 × 3 = 18 values, but 17 "
            "bytes follow its header; the file is incomplete",
        ),
        (idx_bytes(0x803, (2, 3, 3), bytes(19)), "any", "but 19 bytes .* too long"),
    ],
    ids=lambda value: ascii(value)[:30],
)
def test_wrong_contents_are_named(tmp_path, data, expect, message):
    (tmp_path / "bad-idx").write_bytes(data)
    with pytest.raises(DataError, match=message) as caught:
        read_idx(tmp_path / "bad-idx", expect=expect)
    assert "bad-idx" in str(caught.value)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_no_picture_of_a_size_that_none_can_have(tmp_path, pack):
    (tmp_path / "x").write_bytes(pack(idx_bytes(0x803, (0, 2**32 - 1, 2**32 - 1), b"")))
    with pytest.raises(DataError, match="is empty: it declares 0 × 4294967295 × 4294967295 values"):
        read_idx(tmp_path / "x", allow_empty=True)


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_sizes_that_overflow_are_refused_before_memory_is_taken(tmp_path, pack):
    (tmp_path / "huge").write_bytes(pack(idx_bytes(0x803, (2**31, 2**31, 2), b"abc")))
    (tmp_path / "large").write_bytes(pack(idx_bytes(0x803, (1_000_000, 28, 28), b"abc")))
    tracemalloc.start()
    with pytest.raises(DataError, match=f"{2**63:,} bytes; at most"):
        read_idx(tmp_path / "huge")
    with pytest.raises(
        DataError, match=r"1000000 × 28 × 28 = 784000000 values, (but|over 100 times)"
    ):
        read_idx(tmp_path / "large")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


def test_a_gzip_bomb_is_not_unpacked(tmp_path):
    bomb = gzip.compress(idx_bytes(0x803, (100, 4, 4), bytes(64 << 20)))
    (tmp_path / "bomb.gz").write_bytes(bomb)
    honest = gzip.compress(idx_bytes(0x803, (64 << 10, 32, 32), bytes(64 << 20)))
    (tmp_path / "honest-bomb.gz").write_bytes(honest)
    tracemalloc.start()
    with pytest.raises(DataError, match="has bytes after the 100 × 4 × 4 = 1600 values"):
        read_idx(tmp_path / "bomb.gz")
    with pytest.raises(DataError, match=f"over 100 times the {len(honest)} bytes of the gzip file"):
        read_idx(tmp_path / "honest-bomb.gz")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4 << 20


def test_damaged_gzip_files(tmp_path, pictures):
    write_idx(tmp_path / "good.gz", pictures)
    good = (tmp_path / "good.gz").read_bytes()
    wrong_crc = bytearray(good)
    wrong_crc[-8] ^= 1
    damaged = bytearray(good)
    damaged[30] ^= 0xFF
    cases = {
        "truncated": good[:-12],
        "no trailer": good[:-8],
        "header only": good[:5],
        "wrong crc": bytes(wrong_crc),
        "damaged": bytes(damaged),
        "trailing garbage": good + b"garbage",
    }
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(DataError, match=f"{name}: the gzip file is incomplete or damaged"):
            read_idx(tmp_path / name)


def test_gzip_that_holds_more_or_less_than_declared(tmp_path, pictures):
    raw = idx_bytes(0x803, pictures.shape, pictures.tobytes())
    (tmp_path / "short").write_bytes(gzip.compress(raw[:-1]))
    (tmp_path / "long").write_bytes(gzip.compress(raw + b"x"))
    (tmp_path / "twice").write_bytes(gzip.compress(raw) * 2)
    with pytest.raises(DataError, match="declares 5 × 4 × 3 = 60 values, but holds only 59"):
        read_idx(tmp_path / "short")
    for name in ("long", "twice"):
        with pytest.raises(
            DataError, match="has bytes after the 5 × 4 × 3 = 60 values it declares"
        ):
            read_idx(tmp_path / name)


def test_a_path_that_is_no_file(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*nowhere: no such file"):
        read_idx(tmp_path / "nowhere")
    with pytest.raises(DataError, match="is not a file but a folder"):
        read_idx(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="is not a file but a pipe or a device"):
        read_idx(tmp_path / "pipe")
    with pytest.raises(DataError, match="the name contains a null byte"):
        read_idx(tmp_path / "a\0b")


def test_a_strange_name_stays_on_one_line(tmp_path):
    (tmp_path / "a\nb").write_bytes(b"nothing")
    with pytest.raises(DataError) as caught:
        read_idx(tmp_path / "a\nb")
    assert "\n" not in str(caught.value)


def test_the_publishers_folder(publishers_folder):
    data = read_idx_folder(publishers_folder)
    assert data.test is not None
    assert (len(data.train), len(data.test)) == (20, 10)
    assert data.train.class_names == tuple("0123456789")
    assert data.train.labels[:12].tolist() == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]
    assert data.train.name == "tiny train"


def test_dotted_and_unpacked_spellings(publishers_folder):
    whole = read_idx_folder(publishers_folder)
    for path in list(publishers_folder.iterdir()):
        dotted = publishers_folder / path.name.replace("-idx", ".idx").removesuffix(".gz")
        dotted.write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    again = read_idx_folder(publishers_folder)
    assert again.train.fingerprint() == whole.train.fingerprint()


def test_a_missing_file_is_named(publishers_folder):
    (publishers_folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match=r"tiny has no t10k-labels-idx1-ubyte\[\.gz\]"):
        read_idx_folder(publishers_folder)


def test_image_and_label_counts_that_differ_are_both_told(publishers_folder):
    write_idx(publishers_folder / "train-labels-idx1-ubyte.gz", np.zeros(19, np.uint8))
    with pytest.raises(DataError, match=r"holds 20 images but train-labels\S+ 19 labels"):
        read_idx_folder(publishers_folder)


def test_swapped_files_are_told(publishers_folder):
    images = publishers_folder / "train-images-idx3-ubyte.gz"
    images.write_bytes((publishers_folder / "train-labels-idx1-ubyte.gz").read_bytes())
    with pytest.raises(DataError, match=r"train-images.*a file of labels"):
        read_idx_folder(publishers_folder)


def test_labels_without_a_class_name(publishers_folder):
    with pytest.raises(LabelError, match=r"tiny: tiny train: label 9 in row 9 is outside 0\.\.8"):
        read_idx_folder(publishers_folder, class_names=tuple("abcdefghi"))


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "first_train", "first_test", "train_counts", "mean", "test_mean"),
    [
        (
            "mnist",
            [5, 0, 4, 1, 9, 2, 1, 3, 1, 4],
            [7, 2, 1, 0, 4, 1, 4, 9, 5, 9],
            [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
            0.130660,
            None,
        ),
        (
            "fashion-mnist",
            [9, 0, 0, 3, 0, 2, 7, 2, 5, 5],
            [9, 2, 1, 1, 6, 1, 4, 6, 5, 7],
            [6000] * 10,
            0.286041,
            0.286849,
        ),
    ],
)
def test_the_real_sets(data_dir, name, first_train, first_test, train_counts, mean, test_mean):
    data = read_idx_folder(data_dir / name)
    assert data.test is not None
    assert data.train.images.shape == (60000, 28, 28)
    assert data.test.images.shape == (10000, 28, 28)
    assert data.train.labels[:10].tolist() == first_train
    assert data.test.labels[:10].tolist() == first_test
    assert data.train.class_counts().tolist() == train_counts
    assert data.train.images.mean() / 255 == pytest.approx(mean, abs=5e-7)
    if test_mean is not None:
        assert data.test.images.mean() / 255 == pytest.approx(test_mean, abs=5e-7)
