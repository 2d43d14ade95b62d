"""How many threads a training uses: every core that the process may use, unless limited or given.

Whoever starts the process may allow it less than the machine has: an affinity, a container's quota,
OMP_NUM_THREADS and its like, threadpoolctl, joblib, which gives each of its workers a share of the
cores. The default is the least of all these. A number that is given is the user's own word and may
exceed the limits, up to a few threads per core.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path, PurePosixPath

from handloom.errors import ConfigError

MOST_PER_CORE = 4
"""Threads per core; more of them only wait for each other."""
VARIABLES = (
    "OMP_NUM_THREADS",
    "OMP_THREAD_LIMIT",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
)
"""What limits the threads of numerical libraries, the number that a process starts with."""


def available_cores(processes: int = 1) -> int:
    """Threads to compute with where none are given: cores, or fewer where a limit is lower.

    So many `processes` share the cores; the limits are those of each. At least 1.
    """
    return min([max(1, _cores() // processes), *_limits().values()])


def check_threads(threads: int | None, name: str = "training.threads") -> None:
    """Raise ConfigError for a number far above that of the cores; None is no number."""
    cores = _cores()
    if threads is not None and threads > MOST_PER_CORE * cores:
        has = "1 core" if cores == 1 else f"{cores} cores"
        raise ConfigError(
            f"{name} is {threads}, but this process has {has}; "
            f"use at most {MOST_PER_CORE * cores} threads, or remove {name}"
        )


def possible_threads(threads: int) -> int:
    """`threads`, or a few for each core of the machine where those are fewer.

    A run may come from a larger machine. What this process is allowed does not count: a training
    that is resumed keeps its number of threads, and so its bits.
    """
    return min(threads, MOST_PER_CORE * (os.cpu_count() or 1))


def above_the_limit(threads: int) -> str | None:
    """A sentence where `threads` exceed a present limit; None where they do not."""
    exceeded = {name: limit for name, limit in _limits().items() if limit < threads}
    if not exceeded:
        return None
    name = min(exceeded, key=exceeded.__getitem__)
    return (
        f"training.threads = {threads} exceeds the present limit, {name} = {exceeded[name]}: "
        "the recipe decides, because the bits depend on the number of threads"
    )


def limited_to(threads: int) -> AbstractContextManager[object]:
    """Hold BLAS to exactly `threads` within the context: the same count gives the same bits.

    BLAS has one limit for the whole process: of two contexts at a time in different threads the
    first one's counts.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=threads)


# -- what the process is allowed -------------------------------------------------------------------


def _cores() -> int:
    """Cores of this process: its affinity, bounded by a container's quota."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(cores, _quota() or cores))


def _limits() -> dict[str, int]:
    """The limits of threads that are in force, by what sets them."""
    from threadpoolctl import threadpool_info

    pools = threadpool_info()  # of the libraries that are loaded by now
    return _limits_of(os.environ) | {
        f"the threads of {pool['internal_api']}": pool["num_threads"]
        for pool in sorted(pools, key=lambda pool: -pool["num_threads"])
    }


def _limits_of(environ: Mapping[str, str]) -> dict[str, int]:
    """The limits in the environment. A list, as OpenMP knows it, begins with the outermost."""
    first = {name: environ.get(name, "").partition(",")[0].strip() for name in VARIABLES}
    numbers = {
        name: int(text) for name, text in first.items() if text.isdecimal() and len(text) < 10
    }
    return {name: number for name, number in numbers.items() if number > 0}


def _quota(
    root: Path = Path("/sys/fs/cgroup"), memberships: Path = Path("/proc/self/cgroup")
) -> int | None:
    """Whole cores, at least one, of the lowest quota on the process's cgroups and those above."""
    try:
        lines = memberships.read_text().splitlines()
    except (OSError, ValueError):
        lines = []
    quotas = [_quota_in(root)]
    for line in lines:
        _, controllers, path = line.split(":", 2) if line.count(":") >= 2 else ("", "", "/")
        if controllers and "cpu" not in controllers.split(","):
            continue
        inner = PurePosixPath(path.lstrip("/"))
        for base in (root / controllers, root / "cpu") if controllers else (root,):
            quotas += [_quota_in(base / folder) for folder in (inner, *inner.parents)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _quota_in(group: Path) -> int | None:
    """Whole cores of one cgroup's quota, of version 2 or 1; None where it has none."""
    try:
        if (file := group / "cpu.max").exists():
            quota, period = file.read_text().split()
        else:
            quota, period = (
                (group / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period")
            )
        return max(1, int(quota) // int(period)) if int(quota) > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None  # "max", or no such file
