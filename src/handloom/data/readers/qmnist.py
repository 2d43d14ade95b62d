"""QMNIST's label files, which say of each digit also where in NIST's archive it comes from.

    bytes 0-3   the magic number 0x00000c02: int32 values, two axes
    8 more      N, and 8 columns
    then        N × 8 big-endian int32; column 0 is the class, column 2 the writer, ...

Source: facebookresearch/qmnist, README.md, sec. 2.2.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from handloom._reasons import shown_path as shown
from handloom._typing import IntArray
from handloom.data.readers.file import open_regular
from handloom.data.readers.idx import GZIP_MAGIC
from handloom.errors import DataError

_MAGIC = 0x0C02
_COLUMNS = 8
_HEADER_BYTES = 12
_MAX_BYTES = 16 << 20  # the 60,000 labels take 2 MB, all 402,953 of NIST's 13 MB


def read_extended_labels(path: Path | str) -> IntArray:
    """The classes in a QMNIST label file, packed or not: int64 (N,).

    Raises DataError for a file that is not one, is damaged, or is longer or shorter than it says.
    """
    path = Path(path)
    with open_regular(path) as (file, _):
        packed = file.read(2) == GZIP_MAGIC
        file.seek(0)
        try:
            stream = gzip.GzipFile(fileobj=file) if packed else file
            data = stream.read(_MAX_BYTES + 1)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise DataError(
                f"{shown(path)}: the gzip file is incomplete or damaged ({error}); fetch it again"
            ) from error
    header = data[:_HEADER_BYTES]
    magic, count, columns = struct.unpack(">3I", header.ljust(_HEADER_BYTES, b"\0"))
    if magic != _MAGIC or columns != _COLUMNS:
        raise DataError(f"{shown(path)} does not hold QMNIST's extended labels, int32 (N, 8)")
    if len(data) != _HEADER_BYTES + 4 * columns * count:
        raise DataError(
            f"{shown(path)} declares {count} × {columns} labels, but {len(data) - _HEADER_BYTES} "
            "bytes follow its header"
        )
    rows = np.frombuffer(data, ">i4", offset=_HEADER_BYTES).reshape(count, columns)
    return rows[:, 0].astype(np.int64)
