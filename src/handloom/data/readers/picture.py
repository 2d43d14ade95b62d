"""One image file: PNG, JPEG, BMP or GIF, measured by its header before it is decoded."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from handloom._reasons import shown_path as shown
from handloom._typing import AnyArray, UInt8Array
from handloom.data.readers.file import foreign_format, open_regular
from handloom.errors import DataError

Mode = Literal["L", "RGB"]

MAX_PICTURE_PIXELS = 1 << 24
"""The largest image that is decoded: 16.8 million pixels, as of 4,096 × 4,096."""
_MAX_FILE_BYTES = 64 << 20


def read_picture(
    path: Path | str, *, size: tuple[int, int] | None = None, mode: Mode = "L"
) -> UInt8Array:
    """The image as uint8 (H, W) in grey ("L") or (3, H, W) in colour ("RGB").

    16-bit images keep their upper 8 bits, palettes are looked up, transparent images are laid
    on white paper, of an animation the first frame counts, and a camera's note on which side is up
    is followed. With `size` (H, W) the image is stretched to it: averaged over areas where it
    shrinks, cubic where it grows.

    Raises DataError for another format, more than 16.8 million pixels (told before memory is
    taken), or a file that is incomplete or damaged as far as the format lets one know.
    """
    path = Path(path)
    with open_regular(path) as (file, file_bytes):
        if file_bytes > _MAX_FILE_BYTES:
            raise DataError(f"{shown(path)} has {file_bytes:,} bytes, too many for a small image")
        data = file.read()
    _check_measures(path, data)
    picture = _decode(path, data, mode)
    if size is not None and picture.shape[:2] != size:
        picture = _stretched(picture, size)
    return picture if mode == "L" else np.ascontiguousarray(picture.transpose(2, 0, 1))


def is_picture(start: bytes) -> bool:
    """Whether a file with these first bytes claims to be of a format that read_picture knows."""
    return _measurer(start) is not None


def _check_measures(path: Path, data: bytes) -> None:
    measure = _measurer(data)
    if measure is None:
        raise DataError(f"{shown(path)} is not a PNG, JPEG, BMP or GIF image{foreign_format(data)}")
    try:
        width, height = measure(data)
    except (struct.error, IndexError, ValueError) as error:
        reason = str(error) if type(error) is ValueError else "it ends too early"
        raise DataError(f"{shown(path)} is an incomplete or damaged image: {reason}") from error
    if not 0 < width * height <= MAX_PICTURE_PIXELS:
        raise DataError(
            f"{shown(path)} is {width} × {height} pixels; images of 1 to {MAX_PICTURE_PIXELS:,} "
            "pixels are read"
        )


def _measurer(start: bytes) -> Callable[[bytes], tuple[int, int]] | None:
    """The function that reads (width, height) from a file of this format."""
    for signature, measure in _MEASURERS.items():
        if start.startswith(signature):
            return measure
    return None


def _measure_png(data: bytes) -> tuple[int, int]:
    kinds = [kind for kind, _ in _png_chunks(data)]
    if kinds[0] != b"IHDR" or kinds[-1] != b"IEND":
        raise ValueError("it does not run from an IHDR to an IEND chunk")
    return struct.unpack_from(">II", data, 16)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """(kind, position) of every chunk up to IEND, each checked against its CRC."""
    at, kind = 8, b""
    while kind != b"IEND":
        length, kind = struct.unpack_from(">I4s", data, at)
        (crc,) = struct.unpack_from(">I", data, at + 8 + length)
        if crc != zlib.crc32(memoryview(data)[at + 4 : at + 8 + length]):
            raise ValueError(f"its {kind.decode('latin-1')!r} chunk fails the checksum")
        yield kind, at
        at += 12 + length


def _measure_jpeg(data: bytes) -> tuple[int, int]:
    if b"\xff\xd9" not in data[-64:]:  # some cameras pad behind the end-of-image sign
        raise ValueError("it ends too early")
    at = 2
    while True:
        marker, code, length = struct.unpack_from(">BBH", data, at)
        if marker == code == 0xFF:  # fill bytes may stand before a segment
            at += 1
            continue
        if marker != 0xFF or length < 2:
            raise ValueError("its segments do not follow each other")
        if 0xC0 <= code <= 0xCF and code not in (0xC4, 0xC8, 0xCC):  # a start of frame
            height, width = struct.unpack_from(">HH", data, at + 5)
            return width, height
        at += 2 + length


def _measure_bmp(data: bytes) -> tuple[int, int]:
    (header_bytes,) = struct.unpack_from("<I", data, 14)
    width, height = struct.unpack_from("<HH" if header_bytes == 12 else "<ii", data, 18)
    return width, abs(height)  # negative: rows run from the top


def _measure_gif(data: bytes) -> tuple[int, int]:
    return struct.unpack_from("<HH", data, 6)


_MEASURERS = {
    b"\x89PNG\r\n\x1a\n": _measure_png,
    b"\xff\xd8\xff": _measure_jpeg,
    b"BM": _measure_bmp,
    b"GIF8": _measure_gif,
}


def _decode(path: Path, data: bytes, mode: Mode) -> UInt8Array:
    """(H, W) or (H, W, 3) in the order red, green, blue."""
    import cv2

    # A PNG may be transparent, which only UNCHANGED tells; the other flags turn camera images.
    flag = cv2.IMREAD_UNCHANGED if data.startswith(b"\x89PNG") else cv2.IMREAD_COLOR
    silent, before = cv2.utils.logging.LOG_LEVEL_SILENT, cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(silent)
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), flag)
    except cv2.error:
        decoded = None
    finally:
        cv2.utils.logging.setLogLevel(before)
    if decoded is None:
        raise DataError(f"{shown(path)} is an incomplete or damaged image: it cannot be decoded")
    if decoded.dtype == np.uint16:
        decoded = (np.asarray(decoded, np.uint16) >> 8).astype(np.uint8)
    return _in_mode(_on_white(decoded), mode)


def _on_white(pixels: AnyArray) -> UInt8Array:
    """Blue, green, red, alpha (H, W, 4) as seen on white paper (H, W, 3); others unchanged."""
    if pixels.ndim == 2 or pixels.shape[2] < 4:
        return pixels
    alpha = pixels[..., 3:].astype(np.float32) / 255.0
    seen = alpha * pixels[..., :3] + (1.0 - alpha) * 255.0
    return np.rint(seen).astype(np.uint8)


def _in_mode(pixels: UInt8Array, mode: Mode) -> UInt8Array:
    import cv2

    if pixels.ndim == 2:
        return pixels if mode == "L" else np.repeat(pixels[..., None], 3, axis=2)
    code = cv2.COLOR_BGR2GRAY if mode == "L" else cv2.COLOR_BGR2RGB
    return cv2.cvtColor(pixels, code).astype(np.uint8, copy=False)


def _stretched(picture: UInt8Array, size: tuple[int, int]) -> UInt8Array:
    import cv2

    height, width = size
    shrinks = height <= picture.shape[0] and width <= picture.shape[1]
    rule = cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC
    return cv2.resize(picture, (width, height), interpolation=rule).astype(np.uint8, copy=False)
