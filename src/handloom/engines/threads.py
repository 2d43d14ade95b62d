"""How many threads a training uses: every core that the process may use, unless told."""

from __future__ import annotations

import os
from contextlib import AbstractContextManager
from pathlib import Path


def available_cores() -> int:
    """Cores this process may use: its affinity, bounded by a container's quota."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    return max(1, min(cores, _quota(Path("/sys/fs/cgroup/cpu.max")) or cores))


def limited_to(threads: int) -> AbstractContextManager[object]:
    """Hold BLAS to `threads` within the context: the same count gives the same bits."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=threads)


def _quota(path: Path) -> int | None:
    """Whole cores of a cgroup's quota, 'quota period' in microseconds; None where there is none."""
    try:
        quota, period = path.read_text().split()
        return max(1, int(quota) // int(period))
    except (OSError, ValueError):
        return None
