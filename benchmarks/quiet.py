"""Waiting for other programs to leave the machine alone."""

from __future__ import annotations

import time
from pathlib import Path

LOOK, PATIENCE = 0.03, 2.0  # seconds: one look at the load, and the longest wait
BUSY = 0.2  # of the machine

_STAT = Path("/proc/stat")


def wait_for_quiet() -> bool:
    """Wait until the machine idles, for two seconds at most; whether it does.

    The pause also lets the threads of the last turn fall asleep. Where the system does not tell
    its load, there is only the pause, and no complaint.
    """
    give_up = time.monotonic() + PATIENCE
    while True:
        before = _busy_and_all()
        time.sleep(LOOK)
        after = _busy_and_all()
        if before is None or after is None:
            return True
        busy, everything = after[0] - before[0], after[1] - before[1]
        if busy <= BUSY * max(1, everything):
            return True
        if time.monotonic() > give_up:
            return False


def _busy_and_all() -> tuple[int, int] | None:
    """Ticks of all cores since the start: those that were used, and all."""
    try:
        fields = _STAT.read_text().split("\n", 1)[0].split()[1:9]
    except OSError:
        return None
    ticks = [int(field) for field in fields]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)  # 3 is idle, 4 waits for a disk
