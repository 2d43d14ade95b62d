"""The only place that writes files: whole or not at all, and never through a link.

A folder that the user names may be a link; that is the user's word. Below a folder of ours (a run,
a study, an ensemble) nothing is written through a link, because such a folder may come from
somebody else: files are replaced by renaming, which takes the place of a link instead of following
it, and folders on the way are proved by `make_folder(path, within=…)`.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
import stat
import sys
from pathlib import Path
from typing import IO, Any, NoReturn

from handloom._reasons import cause
from handloom.errors import ConfigError, RunError

MAX_TEXT_BYTES = 64 << 20
"""Of a JSON or a csv file of a run that is read: a million epochs take less."""

_NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # a pipe without a writer would be waited for
_ATTEMPTS = 3
_DEVICES = Path("/dev")
_NO_FILE = "it is not a file but a pipe or a device"


def cache_folder() -> Path:
    """The folder of what can be had again: this user's downloads and compiled programs.

    HANDLOOM_CACHE, or `handloom` where the system keeps such things; raises ConfigError where that
    cannot be told, because the user has no home.
    """
    if chosen := os.environ.get("HANDLOOM_CACHE"):
        return Path(chosen) if Path(chosen).is_absolute() else _here() / chosen
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


def _here() -> Path:
    try:
        return Path.cwd()
    except FileNotFoundError:
        raise ConfigError("the current folder was removed; change to another one") from None


def write_atomic(path: Path, data: bytes) -> None:
    """Write `data` under a temporary name, sync it, then rename it to `path`.

    Whoever reads `path`, at any moment and after a loss of power, sees the old file or the new one.
    A link at `path` is replaced, not followed. Raises RunError, leaving the old file, when the disk
    is full or the folder is read-only.
    """
    if not path.name:
        raise RunError(f"cannot write {path}: it is a folder; name a file")
    try:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                _replace(path, data)
                return
            except FileNotFoundError:  # a resumed training swept our temporary file away
                if attempt == _ATTEMPTS or not path.parent.is_dir():
                    raise
    except OSError as error:
        raise RunError(
            f"cannot write {path}: {cause(error)}; what was there is unchanged"
        ) from error


def can_become_file(path: Path) -> bool:
    """Whether a file may be put at `path`, which the user named: not at a folder, pipe or device.

    A link to one of those is none either, nor is /dev/stdout or its like, wherever it leads: every
    program of the machine uses that name, and the rename would take it away.
    """
    try:
        if not path.exists():
            return True  # the writing says why it cannot be, where it cannot
        return path.is_file() and path.parent.resolve() != _DEVICES
    except OSError:
        return True


def _replace(path: Path, data: bytes) -> None:
    temporary = path.with_name(f".{secrets.token_hex(8)}.part")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK, 0o666)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically; NaN and infinity are refused by json itself."""
    text = json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False)
    # Half a character, as a name that is not UTF-8 has it, becomes an escape that JSON reads back.
    write_atomic(path, (text + "\n").encode(errors="backslashreplace"))


def append(path: Path, data: bytes) -> None:
    """Add `data` to the end of a file and sync it; raises RunError, also for a link."""
    try:
        with open_own(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise RunError(f"cannot write {path}: {cause(error)}") from error


def open_own(path: Path, flags: int) -> IO[bytes]:
    """Open a file to write into it where it stands; `flags` are those of os.open.

    Raises OSError unless it is a plain file with one name: what is written into a link, or into a
    second name of a file, changes something elsewhere.
    """
    handle = os.open(path, flags | _NO_LINK | _NO_WAIT, 0o666)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            _refuse(path, "it is not a plain file; remove it")
        if status.st_nlink > 1:
            _refuse(path, "it is a hard link to a file that has another name, too; remove it")
        readable = flags & os.O_RDWR
        return os.fdopen(handle, ("a+b" if flags & os.O_APPEND else "r+b") if readable else "ab")
    except BaseException:
        os.close(handle)
        raise


def read_file(path: Path, most: int = MAX_TEXT_BYTES) -> bytes:
    """The bytes of a plain file; raises OSError for a pipe, a device, or more than `most` bytes."""
    check_file(path)
    handle = os.open(path, os.O_RDONLY | _NO_WAIT | getattr(os, "O_BINARY", 0))
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            _refuse(path, _NO_FILE)
        if status.st_size > most:
            _refuse(path, f"it has {status.st_size:,} bytes; at most {most:,} are read")
        return file.read(status.st_size)  # not `most`, for which room would be made at once


def check_file(path: Path) -> None:
    """Raise OSError unless `path` is a plain file, which ends; for a library that reads it."""
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(mode):
        _refuse(path, _NO_FILE)


def read_json(path: Path, most: int = MAX_TEXT_BYTES) -> Any:
    """The JSON value in a file; raises OSError, or ValueError with a clause about the text."""
    return parse_json(read_file(path, most))


def parse_json(text: str | bytes, *, finite: bool = True) -> Any:
    """json.loads, which raises nothing but ValueError; with `finite`, NaN and infinity are none."""
    try:
        if finite:
            return json.loads(text, parse_constant=_no_number, parse_float=_finite)
        return json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number of JSON")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:20]} is beyond every number of 64 bits")
    return value


def make_folder(path: Path, *, within: Path | None) -> None:
    """Make a folder, if it is not there; raises RunError where the system refuses it.

    `within` is the folder of ours that holds it: nothing between the two may be a link. None: the
    user named `path`, and may have named a link.
    """
    if within is not None:
        check_inside(path, within)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why = "it is a file" if isinstance(error, FileExistsError) else cause(error)
        raise RunError(f"cannot make the folder {path}: {why}") from error


def check_inside(path: Path, root: Path) -> None:
    """Raise RunError where `path`, or a folder between it and `root`, is a link."""
    here = root
    for part in path.relative_to(root).parts:
        here /= part
        if here.is_symlink():
            raise RunError(f"{here} is a link, and nothing is written through it; remove the link")


def claim_folder(parent: Path, name: str) -> Path:
    """Make parent/name, or name-2, name-3 …: the first that does not exist, which is then ours.

    Of any number of processes each gets a folder of its own. Raises RunError.
    """
    make_folder(parent, within=None)
    number = 1
    while True:
        path = parent / (name if number == 1 else f"{name}-{number}")
        try:
            path.mkdir()
        except FileExistsError:
            number += 1
        except OSError as error:
            raise RunError(f"cannot make the folder {path}: {cause(error)}") from error
        else:
            return path


def sweep(folder: Path) -> None:
    """Remove what a killed `write_atomic` left below `folder`; for who alone may write there."""
    remove(*folder.rglob(".*.part"))


def remove(*paths: Path) -> None:
    """Remove files, links (not what they lead to) and whole folders; RunError where refused."""
    for path in paths:
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise RunError(f"cannot remove {path}: {cause(error)}") from error


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a loss of power, where the system can."""
    if os.name == "nt":
        return  # Windows cannot open a folder, and needs no sync of it
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _refuse(path: Path, why: str) -> NoReturn:
    raise OSError(errno.EINVAL, why, str(path))
