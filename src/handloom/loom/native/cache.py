"""Object files that were compiled before, kept on disk.

What lies here is loaded and run, so the folder must be this user's and closed to everybody else;
one that is not stays unused, as does a disk that is full or read-only: then every program is
compiled anew. A file begins with a checksum of its name and its content, and one that a crash or a
disk has damaged is as good as missing. Files are renamed into place whole, so that any number of
processes may read and write at the same time.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache
from numbers import Number
from pathlib import Path
from typing import NamedTuple

import llvmlite
from llvmlite.binding import llvm_version_info

import handloom
from handloom import nn
from handloom._files import cache_folder, write_atomic
from handloom.errors import HandloomError

LIMIT = 256 << 20
"""Bytes of all files together; beyond it those go that were not used for the longest time."""

_OPEN = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY"))
_DIGEST = hashlib.sha256().digest_size


class Entry(NamedTuple):
    """A file of the cache."""

    path: Path
    size: int
    """Bytes."""
    used: float
    """When it was last read or written, in seconds since 1970."""


def folder() -> Path:
    """Where compiled programs are kept; raises ConfigError where the user has no folder at all."""
    return cache_folder() / "loom"


def unusable() -> str | None:
    """Why nothing is kept, as a clause; None where the folder is safe, or made now."""
    try:
        place = folder()
        place.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):
            place.mkdir(mode=0o700)
        status = place.lstat()
    except HandloomError as error:
        return str(error)
    except OSError as error:
        return f"the cache's folder cannot be made: {error}"
    if not stat.S_ISDIR(status.st_mode):
        return f"{place} is not a folder, or a link to one"
    if os.name != "nt" and (status.st_uid != os.geteuid() or status.st_mode & 0o077):
        return f"{place} is not this user's, or open to others (chmod 700 closes it)"
    return None


def entries() -> list[Entry]:
    """All files of the cache, the longest unused first; none where the folder cannot be used."""
    found = []
    if unusable() is None:
        for path in (*folder().glob("*.o"), *folder().glob(".*.part")):
            with suppress(OSError):  # another process has just removed it
                status = path.lstat()
                found.append(Entry(path, status.st_size, status.st_mtime))
    return sorted(found, key=lambda entry: entry.used)


def clear() -> int:
    """Remove all files of the cache; returns how many bytes that freed."""
    return sum(map(_remove, entries()))


def key(*parts: object) -> str:
    """A name that changes whenever the machine code could: with `parts`, our sources, or LLVM.

    The parts are numbers, strings, dataclasses, and collections of them; raises TypeError for
    anything else, whose text might not tell it from its like.
    """
    return hashlib.sha256(f"{_compiler()} {_spelled(parts)}".encode()).hexdigest()[:32]


def read(key: str) -> bytes | None:
    """The object file of this key, if it is there and whole."""
    if unusable():
        return None
    path = _path(key)
    try:
        with os.fdopen(_open_own(path), "rb") as file:
            stored = file.read()
    except OSError:
        return None
    checksum, code = stored[:_DIGEST], stored[_DIGEST:]
    if checksum != _checksum(key, code):
        return None
    with suppress(OSError):
        os.utime(path)
    return code


def write(key: str, code: bytes) -> None:
    """Keep an object file, where that is possible, and hold the cache to its limit."""
    if unusable():
        return
    with suppress(HandloomError):
        write_atomic(_path(key), _checksum(key, code) + code)
    kept = entries()
    excess = sum(entry.size for entry in kept) - LIMIT
    while kept and excess > 0:
        excess -= _remove(kept.pop(0))


def _path(key: str) -> Path:
    return folder() / f"{key}.o"


def _checksum(key: str, code: bytes) -> bytes:
    return hashlib.sha256(key.encode() + code).digest()


def _open_own(path: Path) -> int:
    """Open a file of this user, not a link to one: the folder may be another since we looked.

    Nor a pipe, for whose writer the program would wait, or anything else that no writing here made.
    """
    handle = os.open(path, _OPEN)
    status = os.fstat(handle)
    foreign = os.name != "nt" and status.st_uid != os.geteuid()
    if foreign or not stat.S_ISREG(status.st_mode) or status.st_size > LIMIT:
        os.close(handle)
        raise PermissionError(f"{path} is not a file of this user's cache")
    return handle


def _remove(entry: Entry) -> int:
    """Remove a file; returns how many bytes that freed."""
    try:
        entry.path.unlink()
    except OSError:  # removed already; or open, on Windows
        return 0
    return entry.size


@cache
def _compiler() -> str:
    """What writes the code, apart from the request: this room, the layers it follows, and LLVM."""
    digest = hashlib.sha256()
    for room in (Path(__file__).parents[1], Path(nn.__file__).parent):
        for source in sorted(room.rglob("*.py")):
            digest.update(source.name.encode() + source.read_bytes())
    versions = handloom.__version__, llvmlite.__version__, llvm_version_info
    return f"{digest.hexdigest()} {versions}"


def _spelled(part: object) -> str:
    """A text that is the same for equal values only, today and in the next process."""
    if part is None or isinstance(part, str | bytes | Number):
        return repr(part)
    if isinstance(part, list | tuple):
        return f"[{', '.join(map(_spelled, part))}]"
    if isinstance(part, Mapping):
        return f"{{{', '.join(map(_spelled, part.items()))}}}"
    if isinstance(part, type):
        return f"{part.__module__}.{part.__qualname__}"
    if is_dataclass(part):
        values = {field.name: getattr(part, field.name) for field in fields(part)}
        return f"{_spelled(type(part))}({_spelled(values)})"
    raise TypeError(f"a {type(part).__name__} cannot be part of a key: its text may be any other's")
