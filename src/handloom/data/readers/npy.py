"""Images in NumPy's .npy files, whose header is parsed here and never evaluated.

    6 bytes     magic string 93 'NUMPY'        2 bytes     version 1.0, 2.0 or 3.0
    2 bytes     length of the header (4 from version 2.0 on), little-endian
    header      {'descr': '<f4', 'fortran_order': False, 'shape': (60000, 784), }
    then        the values

Source: NumPy Enhancement Proposal 1.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handloom._reasons import shown_path as shown
from handloom._typing import AnyArray, Shape, UInt8Array
from handloom.data.readers.file import check_pixel_bytes, foreign_format, open_regular, times
from handloom.errors import DataError, ShapeError

NPY_MAGIC = b"\x93NUMPY"
_MAX_HEADER_BYTES = 10_000
_MOST_AXES = 32  # that every NumPy can hold
_LENGTH_BYTES = {(1, 0): 2, (2, 0): 4, (3, 0): 4}
_GAP = " \t\n"
_ENTRY = re.compile(
    r"(?:'descr'\s*:\s*(?:'(?P<descr>[^']*)'|(?P<fields>\[.*\]))"
    r"|'fortran_order'\s*:\s*(?P<order>True|False)"
    r"|'shape'\s*:\s*\((?P<shape>[0-9, ]*)\))\s*(?:,|\Z)\s*".replace(r"\s", f"[{_GAP}]")
)
_NUMBERS = re.compile(r"[<>|=]?(?:[iu][1248]|f[248])")
_BLOCK_VALUES = 1 << 22  # checked and converted at a time: temporaries stay near 32 MB


@dataclass(frozen=True)
class _Header:
    dtype: np.dtype
    fortran_order: bool
    shape: Shape


def read_npy_images(path: Path | str, *, allow_empty: bool = False) -> UInt8Array:
    """The images in a .npy file: uint8 (N, H, W), or (N, C, H, W) with C = 3 or 4 colours.

    N is at least 1, unless `allow_empty`.

    Accepted are (N, D) with D = k² a square image, (N, H, W), and (N, H, W, C) with C = 1, 3
    or 4 (a single channel loses its axis); integers and floats of any width, either byte order,
    C or Fortran order.

    The range rule. Integers are taken as 0..255. Floats are taken as 0..1 when the largest value
    of the whole file is at most 1.0, and scaled by 255; otherwise as 0..255. Either is rounded to
    the nearest integer. NaN, infinity, a negative value or one over 255 is refused.

    Raises DataError for a header that is not plain numbers (Python objects, which would need
    pickle; structures; complex numbers), a file longer or shorter than its header declares, or a
    value outside the range, naming its row and pixel; ShapeError for another shape.
    """
    path = Path(path)
    values = _read_values(path, allow_empty)
    if values.ndim == 2:
        values = _as_squares(path, values)
    elif values.ndim == 4:
        values = _channels_first(path, values)
    elif values.ndim != 3:
        raise ShapeError(
            f"{shown(path)} has the shape {values.shape}; images are (N, k²), (N, H, W) or "
            "(N, H, W, C), a single one (1, H, W)"
        )
    return _to_uint8(path, values)


def _read_values(path: Path, allow_empty: bool) -> AnyArray:
    with open_regular(path) as (file, size):
        header = _read_header(file, path)
        declared = check_pixel_bytes(path, header.shape, header.dtype.itemsize)
        held = size - file.tell()
        if declared != held:
            raise DataError(
                f"{shown(path)} declares {times(header.shape)} values of {header.dtype}, "
                f"{declared} bytes, but holds {held} after its header; save it again"
            )
        if 0 in header.shape[(1 if allow_empty else 0) :]:
            raise DataError(f"{shown(path)} is empty: its shape is {header.shape}")
        values = np.fromfile(file, header.dtype, math.prod(header.shape))
    return values.reshape(header.shape, order="F" if header.fortran_order else "C")


def _read_header(file: io.BufferedReader, path: Path) -> _Header:
    start = file.read(8)
    if len(start) < 8 or not start.startswith(NPY_MAGIC):
        raise DataError(f"{shown(path)} is not a .npy file{foreign_format(start)}")
    version = (start[6], start[7])
    if version not in _LENGTH_BYTES:
        raise DataError(
            f"{shown(path)} has the .npy version {version}; 1.0, 2.0 and 3.0 can be read"
        )
    length = int.from_bytes(file.read(_LENGTH_BYTES[version]), "little")
    if length > _MAX_HEADER_BYTES:
        raise DataError(
            f"{shown(path)} declares a header of {length} bytes; an array of numbers needs fewer "
            f"than {_MAX_HEADER_BYTES}"
        )
    text = file.read(length)
    if len(text) < length:
        raise DataError(f"{shown(path)} ends within its header")
    return _parse_header(text.decode("latin-1"), path)


def _parse_header(text: str, path: Path) -> _Header:
    entries: dict[str, str] = {}
    header = text.strip(_GAP)
    braces, body = header[:1] + header[-1:], header[1:-1].strip(_GAP)
    at = 0
    while entry := _ENTRY.match(body, at):
        found = {key: value for key, value in entry.groupdict().items() if value is not None}
        if found.keys() & entries.keys():
            break
        entries |= found
        at = entry.end()
    if braces != "{}" or at != len(body) or len(entries) != 3:
        raise DataError(f"{shown(path)} has a header that is not a .npy header: {header[:80]!r}")
    if "fields" in entries:
        raise DataError(f"{shown(path)} contains records with several fields; save plain numbers")
    return _Header(
        _parse_dtype(entries["descr"], path),
        entries["order"] == "True",
        _parse_shape(entries["shape"], path),
    )


def _parse_dtype(descr: str, path: Path) -> np.dtype:
    if _NUMBERS.fullmatch(descr):
        return np.dtype(descr)
    what = f"values of type {descr[:40]!r}"
    if descr.endswith("O"):
        what = "Python objects, which only pickle could read, and pickle can run code"
    raise DataError(f"{shown(path)} contains {what}; save the images as uint8 or float32")


def _parse_shape(text: str, path: Path) -> Shape:
    sizes = [size.strip() for size in text.split(",")]
    if sizes[-1] == "":
        sizes.pop()  # (3,) and () are how Python writes short tuples
    are_numbers = all(re.fullmatch(r"0|[1-9][0-9]{0,18}", size) for size in sizes)
    if not are_numbers or len(sizes) > _MOST_AXES:
        raise DataError(f"{shown(path)} has a header with the impossible shape ({text[:80]})")
    return tuple(int(size) for size in sizes)


def _as_squares(path: Path, values: AnyArray) -> AnyArray:
    num_pixels = values.shape[1]
    side = math.isqrt(num_pixels)
    if side * side != num_pixels:
        raise ShapeError(
            f"{shown(path)} has rows of {num_pixels} pixels, which is not a square image "
            f"({side}² = {side * side}, {side + 1}² = {(side + 1) ** 2}); save it as (N, H, W)"
        )
    return values.reshape(-1, side, side)


def _channels_first(path: Path, values: AnyArray) -> AnyArray:
    if values.shape[3] not in (1, 3, 4):
        hint = "; move the channels to the end" if values.shape[1] in (1, 3, 4) else ""
        raise ShapeError(
            f"{shown(path)} has the shape {values.shape}; four axes have to be (N, H, W, C) with C "
            f"= 1, 3 or 4{hint}"
        )
    return values[..., 0] if values.shape[3] == 1 else values.transpose(0, 3, 1, 2)


def _to_uint8(path: Path, values: AnyArray) -> UInt8Array:
    is_float = values.dtype.kind == "f"
    largest = max((_checked_max(path, start, block) for start, block in _blocks(values)), default=0)
    scale = 255.0 if is_float and largest <= 1.0 else 1.0
    images = np.empty(values.shape, np.uint8)
    for start, block in _blocks(values):
        exact = np.rint(block.astype(np.float64) * scale) if is_float else block
        images[start : start + len(block)] = exact
    return images


def _blocks(values: AnyArray) -> Iterator[tuple[int, AnyArray]]:
    rows = max(1, _BLOCK_VALUES // math.prod(values.shape[1:]))
    for start in range(0, len(values), rows):
        yield start, values[start : start + rows]


def _checked_max(path: Path, start: int, block: AnyArray) -> float:
    with np.errstate(invalid="ignore"):  # a signalling NaN compares false as well
        good = (block >= 0) & (block <= 255)
    if not good.all():
        row, *pixel = (int(i) for i in np.unravel_index(np.argmin(good), good.shape))
        raise DataError(
            f"{shown(path)}: row {start + row}, pixel {tuple(pixel)} is {block[(row, *pixel)]}; "
            "pixels are integers in 0..255, or floats in 0..1 (when no value exceeds 1) or 0..255"
        )
    return float(block.max())
