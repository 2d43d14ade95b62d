"""Waiting for other programs to leave the machine alone."""

from __future__ import annotations

import time
from pathlib import Path

LOOK, PATIENCE = 0.03, 2.0  # seconds: one look at the load, and the longest wait
SHARE_OF_WAITING = 0.2  # of the time of all turns; more is not waited altogether
BUSY = 0.2  # of the machine

_STAT = Path("/proc/stat")


class Quiet:
    """Waits for the machine to idle, for `seconds` altogether and PATIENCE at a time at most."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds

    def wait(self) -> bool:
        """Wait for a moment without other programs; whether there was one.

        The pause also lets the threads of the last turn fall asleep. Where the system does not give
        its load, there is only the pause, and no complaint.
        """
        started = time.monotonic()
        give_up = started + min(PATIENCE, self._left)
        while True:
            before = _busy_and_all()
            time.sleep(LOOK)
            after = _busy_and_all()
            if before is None or after is None:
                return True
            busy, everything = after[0] - before[0], after[1] - before[1]
            is_quiet = busy <= BUSY * max(1, everything)
            if is_quiet or time.monotonic() > give_up:
                self._left -= max(0.0, time.monotonic() - started - LOOK)
                return is_quiet


def _busy_and_all() -> tuple[int, int] | None:
    """Ticks of all cores since the start: those that were used, and all."""
    try:
        fields = _STAT.read_text().split("\n", 1)[0].split()[1:9]
    except OSError:
        return None
    ticks = [int(field) for field in fields]
    return sum(ticks) - ticks[3] - ticks[4], sum(ticks)  # 3 is idle, 4 waits for a disk
