"""IDX: the format of MNIST's publishers, plain or gzipped.

    bytes 0-3   magic number: 0, 0, the type of the values (8 = uint8), the number of axes
    4 each      the size of every axis, big-endian uint32
    then        the values, last axis fastest

Labels have one axis (magic 0x00000801), images three (0x00000803: N, H, W), images with channels
four (0x00000804: N, C, H, W).  Source: the description beside the files of LeCun et al. 1998.
"""

from __future__ import annotations

import gzip
import io
import math
import struct
import zlib
from pathlib import Path
from typing import Literal

import numpy as np

from handloom._files import write_atomic
from handloom._reasons import shown_path as shown
from handloom._typing import IntArray, Shape, UInt8Array
from handloom.data.dataset import Dataset, TrainTest
from handloom.data.readers.file import check_pixel_bytes, foreign_format, open_regular, times
from handloom.errors import DataError, LabelError, ShapeError

Expect = Literal["images", "labels", "any"]

GZIP_MAGIC = b"\x1f\x8b"
_LABELS, _IMAGES, _IMAGES_WITH_CHANNELS = 0x801, 0x803, 0x804
_KINDS = {_LABELS: "labels", _IMAGES: "images", _IMAGES_WITH_CHANNELS: "images with channels"}
_ACCEPTED = {
    "images": (_IMAGES, _IMAGES_WITH_CHANNELS),
    "labels": (_LABELS,),
    "any": (_IMAGES, _LABELS, _IMAGES_WITH_CHANNELS),
}
_OTHER_TYPES = {0x09: "int8", 0x0B: "int16", 0x0C: "int32", 0x0D: "float32", 0x0E: "float64"}
_TRUSTED_UNPACKED_BYTES = 16 << 20
_TRUSTED_RATIO = 100  # MNIST packs 5:1 and blank paper 1000:1, as gzip bombs do


def read_idx(path: Path | str, *, expect: Expect = "any", allow_empty: bool = False) -> UInt8Array:
    """The array in an IDX file: labels (N,), images (N, H, W) or (N, C, H, W); uint8.

    N is at least 1, unless `allow_empty`.

    Whether the file is gzipped is told from its first bytes, not from its name. The declared
    sizes are compared with the file before memory is taken; a gzipped file, whose contents cannot
    be measured beforehand, may unpack to 16 MiB or to 100 times its size, whichever is more, and
    is never read further than one byte past what it declares.

    Raises DataError for another magic number than `expect` allows, values that are not uint8,
    sizes that lie, a truncated or damaged gzip file, or anything after the data.
    """
    path = Path(path)
    with open_regular(path) as (file, size):
        packed = file.read(2) == GZIP_MAGIC
        file.seek(0)
        if not packed:
            shape = _read_header(file, path, expect, allow_empty)
            _check_plain_size(path, shape, size)
            return _read_values(file, path, shape)
        try:
            with gzip.GzipFile(fileobj=file) as stream:
                shape = _read_header(stream, path, expect, allow_empty)
                _check_packed_size(path, shape, size)
                return _read_values(stream, path, shape)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(
                f"{shown(path)}: the gzip file is incomplete or damaged ({error}); fetch it again"
            ) from error


def write_idx(path: Path | str, array: UInt8Array | IntArray) -> None:
    """Write labels (N,), images (N, H, W) or (N, C, H, W) as IDX, gzipped if the name ends in .gz.

    Integers of any width are taken where all are in 0..255. Equal arrays give equal bytes.
    Raises ShapeError for other numbers of axes, DataError for other values.
    """
    path = Path(path)
    magic = 0x800 + array.ndim
    if magic not in _KINDS:
        raise ShapeError(f"IDX holds (N,), (N, H, W) or (N, C, H, W), got {array.shape}")
    if array.dtype.kind not in "iu" or np.any((array < 0) | (array > 255)):
        raise DataError(f"{shown(path)}: IDX is written from integers in 0..255 only")
    data = struct.pack(f">{1 + array.ndim}I", magic, *array.shape) + array.astype("u1").tobytes()
    if path.suffix == ".gz":
        data = gzip.compress(data, compresslevel=6, mtime=0)  # no time stamp: equal bytes each day
    write_atomic(path, data)


def read_idx_folder(
    folder: Path | str, *, name: str | None = None, class_names: tuple[str, ...] | None = None
) -> TrainTest:
    """The publishers' four files in `folder`: train-images, train-labels, t10k-images, t10k-labels.

    Each may be spelt `train-images-idx3-ubyte` or `train-images.idx3-ubyte`, with or without .gz;
    where several are there, the first of these four spellings is read. Without `class_names` the
    classes are called 0, 1, ... up to the largest label of either part.

    Raises DataError naming the file that is missing or wrong, or both counts where a part has not
    as many labels as images; LabelError for a label without a class name.
    """
    folder = Path(folder)
    name = name or folder.name or "data"
    train_images, train_labels = _read_part(folder, "train")
    test_images, test_labels = _read_part(folder, "t10k")
    if class_names is None:
        num_classes = 1 + max(int(train_labels.max()), int(test_labels.max()))
        class_names = tuple(str(class_id) for class_id in range(num_classes))
    try:
        return TrainTest(
            Dataset(train_images, train_labels, class_names, f"{name} train"),
            Dataset(test_images, test_labels, class_names, f"{name} test"),
        )
    except (LabelError, ShapeError) as error:
        raise type(error)(f"{shown(folder)}: {error}") from error


def _read_part(folder: Path, part: str) -> tuple[UInt8Array, IntArray]:
    images_path = _find(folder, f"{part}-images", "idx3-ubyte")
    labels_path = _find(folder, f"{part}-labels", "idx1-ubyte")
    labels = read_idx(labels_path, expect="labels")
    images = read_idx(images_path, expect="images")
    if len(images) != len(labels):
        raise DataError(
            f"{shown(images_path)} holds {len(images)} images but {labels_path.name} "
            f"{len(labels)} labels; the two files do not belong together"
        )
    return images, labels.astype(np.int64)


def _find(folder: Path, stem: str, suffix: str) -> Path:
    spellings = [f"{stem}-{suffix}", f"{stem}.{suffix}"]
    for spelling in spellings:
        for ending in ("", ".gz"):
            path = folder / (spelling + ending)
            if path.exists():
                return path
    raise DataError(f"{shown(folder)} has no {spellings[0]}[.gz]; it needs the publisher's 4 files")


def _read_header(stream: io.BufferedIOBase, path: Path, expect: Expect, allow_empty: bool) -> Shape:
    start = stream.read(4)
    magic = int.from_bytes(start, "big")
    if len(start) < 4 or magic not in _ACCEPTED[expect]:
        wanted = " or ".join(f"0x{m:08x} ({_KINDS[m]})" for m in _ACCEPTED[expect])
        raise DataError(f"{shown(path)}: {_found(start)}, expected the magic number {wanted}")
    num_axes = magic & 0xFF
    sizes = stream.read(4 * num_axes)
    if len(sizes) < 4 * num_axes:
        raise DataError(f"{shown(path)} ends within its header")
    shape = struct.unpack(f">{num_axes}I", sizes)
    if 0 in shape[(1 if allow_empty else 0) :]:
        raise DataError(f"{shown(path)} is empty: it declares {times(shape)} values")
    if num_axes == 4 and shape[1] not in (1, 3, 4):
        raise DataError(
            f"{shown(path)} declares {times(shape)} values; four axes have to be (N, C, H, W) with "
            "C = 1, 3 or 4 channels"
        )
    return shape


def _found(start: bytes) -> str:
    if len(start) < 4:
        return f"the file has only {len(start)} bytes"
    magic = int.from_bytes(start, "big")
    found = f"found 0x{magic:08x}"
    if magic in _KINDS:
        return f"{found} (a file of {_KINDS[magic]})"
    if start[:2] == b"\0\0" and start[2] in _OTHER_TYPES:
        return f"{found} ({_OTHER_TYPES[start[2]]} values, only uint8 is read)"
    return found + foreign_format(start)


def _check_plain_size(path: Path, shape: Shape, file_bytes: int) -> None:
    declared = check_pixel_bytes(path, shape)
    held = file_bytes - 4 - 4 * len(shape)
    if declared != held:
        raise DataError(
            f"{shown(path)} declares {times(shape)} = {declared} values, but {held} bytes follow "
            f"its header; the file is {'incomplete' if held < declared else 'too long'}"
        )


def _check_packed_size(path: Path, shape: Shape, file_bytes: int) -> None:
    declared = check_pixel_bytes(path, shape)
    if declared > max(_TRUSTED_UNPACKED_BYTES, _TRUSTED_RATIO * file_bytes):
        raise DataError(
            f"{shown(path)} declares {times(shape)} = {declared} values, over {_TRUSTED_RATIO} "
            f"times the {file_bytes} bytes of the gzip file; unpack it yourself if you trust it"
        )


def _read_values(stream: io.BufferedIOBase, path: Path, shape: Shape) -> UInt8Array:
    values = np.empty(math.prod(shape), np.uint8)
    filled = 0
    while filled < values.size:
        count = stream.readinto(values.data[filled:])
        if not count:
            raise DataError(
                f"{shown(path)} declares {times(shape)} = {values.size} values, "
                f"but holds only {filled}"
            )
        filled += count
    if stream.read(1):  # for gzip this also checks the CRC, which stands after the last byte
        raise DataError(
            f"{shown(path)} has bytes after the {times(shape)} = {values.size} values it declares"
        )
    return values.reshape(shape)
