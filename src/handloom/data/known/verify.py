"""Is a file on disk the publisher's? And if it is not: what is it?"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from pathlib import Path
from typing import IO, NamedTuple

from handloom.data.known.names import KnownFile, owner_of
from handloom.data.readers.file import open_regular
from handloom.data.readers.idx import GZIP_MAGIC

_MAX_UNPACKED_BYTES = 1 << 30  # EMNIST Digits, the largest set, unpacks to 188 MB
_CHUNK_BYTES = 1 << 20


class Verdict(NamedTuple):
    """`right` or not, and `detail` to follow the file's name: 'is MNIST's train-images-…'."""

    right: bool
    detail: str


def verify(file: KnownFile, path: Path) -> Verdict:
    """Compare the file at `path` with the publisher's `file`, by sha256.

    Right are the .gz file itself, the bytes within it, and the same bytes packed by another
    program, as far as a hash of them is known. Unpacked bytes whose hash no source gives pass
    unverified if they look like IDX. Raises DataError if the file cannot be read.
    """
    with open_regular(path) as (stream, num_bytes):
        start = stream.read(4)
        stream.seek(0)
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        packed = start.startswith(GZIP_MAGIC)
        stream.seek(0)
        within = _digest_within(stream) if packed and digest != file.sha256 else None
    if digest == file.sha256:
        return Verdict(True, "has the publisher's sha256")
    if file.unpacked_sha256 in (digest, within) and file.unpacked_sha256:
        return Verdict(
            True, f"has the publisher's bytes, {'recompressed' if packed else 'unpacked'}"
        )
    if owner := owner_of(digest) or owner_of(within or ""):
        return Verdict(False, f"is {owner}")
    if packed and within is None and num_bytes < file.num_bytes:
        return Verdict(False, f"is incomplete: {num_bytes} of {file.num_bytes} bytes")
    if start.lstrip().startswith(b"<"):
        return Verdict(False, "is a web page")
    if not packed and not file.unpacked_sha256 and start.startswith(b"\0\0"):
        return Verdict(True, "is unpacked; no sha256 is published for that, so it is not verified")
    return Verdict(False, f"does not have the publisher's bytes (its sha256 is {digest})")


def _digest_within(packed: IO[bytes]) -> str | None:
    """Sha256 of what a gzip file holds; None if it is damaged or unreasonably large."""
    digest = hashlib.sha256()
    count = 0
    try:
        with gzip.GzipFile(fileobj=packed) as stream:
            while chunk := stream.read(_CHUNK_BYTES):
                count += len(chunk)
                if count > _MAX_UNPACKED_BYTES:
                    return None
                digest.update(chunk)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        return None
    return digest.hexdigest()
