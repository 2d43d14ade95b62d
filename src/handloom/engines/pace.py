"""How many steps are handed over at once: as many as take a given time."""

from __future__ import annotations

import time
from collections.abc import Iterator

FIRST_STEPS = 8  # of the first portion, before any was timed


class Pace:
    """Cuts steps into portions of about `seconds` each, by how long the last ones took.

    `steady` ones have all the same length: processes that train together may not look at a clock.
    """

    def __init__(self, seconds: float, *, steady: bool = False) -> None:
        self._seconds = seconds
        self._steady = steady
        self._seconds_a_step = 0.0
        self._last_read = 0.0

    def portions(self, start: int, stop: int) -> Iterator[tuple[int, int]]:
        """(first, last + 1) of each portion of the steps start … stop - 1."""
        self._last_read = time.perf_counter()
        while start < stop:
            steps = FIRST_STEPS
            if self._seconds_a_step and not self._steady:
                steps = max(1, round(self._seconds / self._seconds_a_step))
            yield start, min(stop, start + steps)
            start += steps

    def took(self, steps: int) -> None:
        """A portion of so many steps is done: they took the time since the one before it."""
        now = time.perf_counter()
        self._seconds_a_step = (now - self._last_read) / steps
        self._last_read = now
