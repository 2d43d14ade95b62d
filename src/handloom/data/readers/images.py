"""Images without labels, for predicting: from whatever file or folder they lie in."""

from __future__ import annotations

from pathlib import Path

from handloom._reasons import shown_path as shown
from handloom._typing import UInt8Array
from handloom.data.readers.file import foreign_format, open_regular
from handloom.data.readers.folder import read_flat_folder
from handloom.data.readers.idx import GZIP_MAGIC, read_idx
from handloom.data.readers.npy import NPY_MAGIC, read_npy_images
from handloom.data.readers.picture import Mode, is_picture, read_picture
from handloom.errors import DataError


def read_images(
    path: Path | str, *, size: tuple[int, int] | None = None, mode: Mode = "L"
) -> UInt8Array:
    """The images at `path`: uint8 (N, H, W), or (N, C, H, W) where they have colours.

    A file is told by its first bytes, not by its name: .npy (see read_npy_images), IDX plain or
    gzipped (read_idx), or a single image, N = 1 (read_picture). A folder gives the images in
    it, sorted by name (picture_files tells which). `size` (H, W) and `mode` apply to image
    files only. An array may hold no images at all: N = 0. Raises DataError for anything else,
    and what the reader of the format raises.
    """
    path = Path(path)
    if path.is_dir():
        return read_flat_folder(path, size=size, mode=mode)
    with open_regular(path) as (file, _):
        start = file.read(16)
    if start.startswith(NPY_MAGIC):
        return read_npy_images(path, allow_empty=True)
    if is_picture(start):
        return read_picture(path, size=size, mode=mode)[None]
    if start.startswith((b"\0\0", GZIP_MAGIC)):
        return read_idx(path, expect="images", allow_empty=True)
    raise DataError(
        f"{shown(path)} is not a .npy, IDX, PNG, JPEG, BMP or GIF file{foreign_format(start)}"
    )
