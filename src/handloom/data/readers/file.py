"""What every reader asks of a file before it reads it: is it one, how large, may it be so large."""

from __future__ import annotations

import io
import math
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from handloom._reasons import shown_path as shown
from handloom._typing import Shape
from handloom.errors import DataError

MAX_PIXEL_BYTES = 2 << 30
"""The most memory that the pixels of one file or folder may take: 2 GiB; EMNIST takes 0.6."""


@contextmanager
def open_regular(path: Path) -> Iterator[tuple[io.BufferedReader, int]]:
    """The file at `path`, open for reading in bytes, and its size in bytes.

    Raises DataError when it is missing, a folder, a pipe or a device (which may never end), or
    when the system refuses to read it, now or later.
    """
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise DataError(f"{shown(path)} is not a file but {_kind(status.st_mode)}")
        with path.open("rb") as file:
            yield file, status.st_size
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"cannot read {shown(path)}: {reason}") from error
    except ValueError as error:
        if "null byte" not in str(error):  # every other one is the caller's
            raise
        raise DataError(f"cannot read {shown(path)}: the name contains a null byte") from error


def check_pixel_bytes(path: Path, shape: Shape, item_bytes: int = 1) -> int:
    """Bytes of an array of `shape`, computed without overflow; DataError beyond the limit.

    The limit holds for a shape with a 0 too, as if that were 1: NumPy knows no such array either.
    """
    num_bytes = math.prod(shape) * item_bytes
    if num_bytes == 0 and math.prod(max(size, 1) for size in shape) > MAX_PIXEL_BYTES:
        raise DataError(f"{shown(path)} is empty: it declares {times(shape)} values")
    if num_bytes > MAX_PIXEL_BYTES:
        raise DataError(
            f"{shown(path)} declares {times(shape)} values, {num_bytes:,} bytes; at most "
            f"{MAX_PIXEL_BYTES:,} are read from one place: split it into smaller parts"
        )
    return num_bytes


def times(shape: Shape) -> str:
    """'60000 × 28 × 28'."""
    return " × ".join(str(size) for size in shape)


def foreign_format(start: bytes) -> str:
    """What a file that starts with these bytes really is: ', it looks like …', or ''."""
    for signature, name in _SIGNATURES.items():
        if start.startswith(signature):
            return f"; it looks like {name}"
    return ""


_SIGNATURES = {
    b"\x1f\x8b": "a gzip file",
    b"PK\x03\x04": "a zip archive: unpack it first",
    b"\x93NUMPY": "a NumPy .npy file",
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"<": "a web page, perhaps an error page saved by a download",
    b"image_id": "a table of labels",
    b"\x80\x04": "a Python pickle, which is never read because it can run code",
}


def _kind(mode: int) -> str:
    return "a folder" if stat.S_ISDIR(mode) else "a pipe or a device"
