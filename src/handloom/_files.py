"""Files that are there whole or not at all."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from handloom.errors import ConfigError, RunError


def cache_folder() -> Path:
    """The folder of what can be had again: this user's downloads and compiled programs.

    HANDLOOM_CACHE, or `handloom` where the system keeps such things; raises ConfigError where that
    cannot be told, because the user has no home.
    """
    if chosen := os.environ.get("HANDLOOM_CACHE"):
        return Path(chosen).absolute()
    variable, usual = "XDG_CACHE_HOME", "~/.cache"
    if os.name == "nt":
        variable, usual = "LOCALAPPDATA", "~/AppData/Local"
    elif sys.platform == "darwin":
        usual = "~/Library/Caches"
    named = Path(os.environ.get(variable, ""))
    try:
        base = named if named.is_absolute() else Path(usual).expanduser()
    except RuntimeError:
        raise ConfigError("there is no home folder; set HANDLOOM_CACHE to a folder") from None
    return base / "handloom"


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` under a temporary name, sync it, then rename it to `path`.

    Whoever looks at `path`, at any moment and after a loss of power, sees the old file or the new
    one. Raises RunError, leaving the old file, when the disk is full or the folder is read-only.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    except OSError as error:
        raise RunError(
            f"cannot write {path}: {error.strerror}; what was there is unchanged"
        ) from error


def sweep(folder: Path) -> None:
    """Remove what a killed `write_atomic` left below `folder`; for who alone may write there."""
    for left_over in folder.rglob(".*.part"):
        left_over.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; NaN and infinity are refused by json itself."""
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)
    write_atomic(path, (text + "\n").encode())


def make_folder(path: Path) -> None:
    """Make a folder, if it is not there; raises RunError where the system refuses it."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"cannot make the folder {path}: {error.strerror}") from error


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a loss of power, where the system can."""
    if os.name == "nt":
        return  # Windows cannot open a folder, and needs no sync of it
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
