"""How much memory this process may still take, as far as the system says."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from handloom.errors import ConfigError

_FREE = 256 << 20  # bytes that nobody asks the system for: less than a library takes
_UNLIMITED = 1 << 60  # cgroups of version 1 write a huge number where there is no limit


def available_memory() -> int | None:
    """Bytes: the least of what the machine has free, a container's rest, and a limit of the shell.

    None where the system does not say.
    """
    return min((max(0, found) for found in _found()), default=None)


def check_available(count: int, what: str) -> None:
    """Raise ConfigError where `count` bytes, which `what` takes, are more than there are."""
    if count < _FREE or (available := available_memory()) is None or count <= available:
        return
    raise ConfigError(
        f"{what} takes {shown_bytes(count)}, and {shown_bytes(available)} are available; "
        "take a smaller training.batch_size or network"
    )


def shown_bytes(count: int) -> str:
    """'18.2 GiB', or '350 MiB' below one."""
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.0f} MiB"


def _found() -> Iterator[int]:
    """Each limit that is in force, less what is used of it."""
    for line in _lines(Path("/proc/meminfo")):
        if line.startswith("MemAvailable:"):
            yield int(line.split()[1]) << 10
    yield from _of_groups(Path("/sys/fs/cgroup"), Path("/proc/self/cgroup"))
    if (left := _of_address_space()) is not None:
        yield left


def _of_groups(root: Path, memberships: Path) -> Iterator[int]:
    """What the process's cgroups, of version 2 or 1, and those above them still allow."""
    for line in [*_lines(memberships), "0::/"]:
        path = line.rpartition(":")[2]
        inner = PurePosixPath(path.lstrip("/"))
        for folder in (inner, *inner.parents):
            for base, limit, used in (
                (root, "memory.max", "memory.current"),
                (root / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
            ):
                most, taken = _number(base / folder / limit), _number(base / folder / used)
                if most is not None and taken is not None and most < _UNLIMITED:
                    yield most - taken + _reclaimable(base / folder)


def _reclaimable(group: Path) -> int:
    """Bytes of files that the system only keeps in case they are read again."""
    kept = [line.split() for line in _lines(group / "memory.stat")]
    return sum(int(words[1]) for words in kept if words[0] in ("inactive_file", "active_file"))


def _of_address_space() -> int | None:
    """What `ulimit -v` leaves; None where it is not set."""
    try:
        import resource
    except ImportError:  # on Windows
        return None
    most, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = [line.split() for line in _lines(Path("/proc/self/statm"))]
    if most == resource.RLIM_INFINITY or not pages:
        return None
    return most - int(pages[0][0]) * os.sysconf("SC_PAGE_SIZE")


def _number(path: Path) -> int | None:
    lines = _lines(path)
    return int(lines[0]) if lines and lines[0].isdecimal() else None


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text().splitlines()
    except (OSError, ValueError):
        return []
