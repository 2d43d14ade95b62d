"""Object files that were compiled before, kept on disk."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import llvmlite


def folder() -> Path:
    """Where compiled programs are kept."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "handloom" / "loom"


def key(*parts: object) -> str:
    """Changes whenever the machine code could: the request, this room's sources, LLVM."""
    digest = hashlib.sha256(llvmlite.__version__.encode())
    for source in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    for part in parts:
        digest.update(repr(part).encode())
    return digest.hexdigest()[:32]


def read(key: str) -> bytes | None:
    """The object file of this key, if it is there."""
    path = folder() / f"{key}.o"
    return path.read_bytes() if path.exists() else None


def write(key: str, code: bytes) -> None:
    """Keep an object file; other processes see all of it or nothing."""
    folder().mkdir(parents=True, exist_ok=True)
    aside = folder() / f"{key}.{os.getpid()}"
    aside.write_bytes(code)
    aside.replace(folder() / f"{key}.o")
