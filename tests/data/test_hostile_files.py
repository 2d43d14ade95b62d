"""Random and mutated bytes at every reader: the right data or a HandloomError, in little memory."""

from __future__ import annotations

import gzip
import io
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from handloom.data import read_idx, read_images, read_labels, read_npy_images, read_picture
from handloom.errors import HandloomError

PICTURES = np.arange(2 * 4 * 4, dtype=np.uint8).reshape(2, 4, 4) * 7
IDX = struct.pack(">4I", 0x803, *PICTURES.shape) + PICTURES.tobytes()
MAX_BYTES = 64 << 20
MANY = settings.default.max_examples  # 100 with --slow


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.kron(PICTURES[0], np.ones((3, 3), np.uint8))).save(buffer, kind)
    return buffer.getvalue()


READERS: dict[str, Callable[[Path], object]] = {
    "idx": read_idx,
    "npy": read_npy_images,
    "csv": lambda path: read_labels(path, 3),
    "picture": read_picture,
    "images": read_images,
}
VALID: dict[str, list[bytes]] = {
    "idx": [IDX, gzip.compress(IDX, mtime=0)],
    "npy": [npy(PICTURES), npy(PICTURES.reshape(2, 16) / 255.0), npy(PICTURES.astype(">i4"))],
    "csv": [
        b"image_id,label\n0,2\n2,0\n1,1\n",
        b'\xef\xbb\xbf"image_id";label\r\n0;a\r\n1;b\r\n2;a',
    ],
    "picture": [encoded(kind) for kind in ("PNG", "JPEG", "BMP", "GIF")],
}
VALID["images"] = VALID["idx"] + VALID["npy"] + VALID["picture"]


@st.composite
def mutated(draw: st.DrawFn, originals: list[bytes]) -> bytes:
    """A valid file with up to three bytes changed, and sometimes cut, lengthened or shortened."""
    data = bytearray(draw(st.sampled_from(originals)))
    for at in draw(st.lists(st.integers(0, len(data) - 1), max_size=3)):
        data[at] = draw(st.integers(0, 255))
    how = draw(st.sampled_from(["keep", "keep", "cut", "lengthen", "shorten"]))
    at = draw(st.integers(0, len(data) - 1))
    if how == "cut":
        del data[at:]
    if how == "lengthen":
        data[at:at] = draw(st.binary(min_size=1, max_size=8))
    if how == "shorten":
        del data[at]
    return bytes(data)


def read_in_little_memory(reader: Callable[[Path], object], path: Path) -> object | None:
    """What the reader returns, or None after a HandloomError, whose text is one line."""
    result, message = None, ""
    tracemalloc.start()
    try:
        result = reader(path)
    except HandloomError as error:
        message = str(error)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < MAX_BYTES
    assert "\n" not in message
    return result


@pytest.mark.parametrize("kind", READERS)
def test_random_bytes(kind, tmp_path_factory):
    path = tmp_path_factory.mktemp("random") / "file"
    starts = [b"", *(original[:16] for original in VALID[kind])]

    @settings(max_examples=MANY, deadline=None, derandomize=True)
    @given(st.sampled_from(starts), st.binary(max_size=200))
    def check(start: bytes, rest: bytes) -> None:
        path.write_bytes(start + rest)
        read_in_little_memory(READERS[kind], path)

    check()


@pytest.mark.parametrize("kind", READERS)
def test_mutated_files(kind, tmp_path_factory):
    path = tmp_path_factory.mktemp("mutated") / "file"

    @settings(max_examples=2 * MANY, deadline=None, derandomize=True)
    @given(mutated(VALID[kind]))
    def check(data: bytes) -> None:
        path.write_bytes(data)
        result = read_in_little_memory(READERS[kind], path)
        if data in VALID[kind][:2]:
            assert result is not None

    check()


def test_where_npy_is_accepted_numpy_reads_the_same(tmp_path):
    path = tmp_path / "file.npy"
    accepted = 0

    @settings(max_examples=3 * MANY, deadline=None, derandomize=True)
    @given(mutated([npy(PICTURES), npy(np.asfortranarray(PICTURES)), npy(PICTURES.astype(">i4"))]))
    def check(data: bytes) -> None:
        nonlocal accepted
        path.write_bytes(data)
        try:
            images = read_npy_images(path)
        except HandloomError:
            return
        oracle = np.load(path)
        if oracle.dtype.kind in "iu" and oracle.ndim == 3:
            np.testing.assert_array_equal(images, oracle)
            accepted += 1

    check()
    assert accepted > 10


def test_where_idx_is_accepted_it_holds_what_it_declares(tmp_path):
    path = tmp_path / "file"
    accepted = 0

    @settings(max_examples=3 * MANY, deadline=None, derandomize=True)
    @given(mutated([IDX]))
    def check(data: bytes) -> None:
        nonlocal accepted
        path.write_bytes(data)
        try:
            array = read_idx(path)
        except HandloomError:
            return
        assert data[:4] == bytes([0, 0, 8, array.ndim])
        assert data[4:] == struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
        accepted += 1

    check()
    assert accepted > 10
