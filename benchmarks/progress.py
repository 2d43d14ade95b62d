"""What is being done and how long it still takes: a status line, or a line every few seconds."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from handloom.cli.output import console

INTERVAL = 5.0  # seconds between two lines, where standard error is no terminal


class Progress:
    """Says on standard error what `tell` was given last, and how much time has passed.

    On a terminal that is one line, rewritten; elsewhere a line every INTERVAL seconds, so that a
    log shows that work goes on.
    """

    def __init__(self) -> None:
        self._text = ""
        self._started = time.monotonic()
        self.expected: float | None = None
        """Seconds of the whole run."""

    @property
    def passed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def tell(self, text: str) -> None:
        """What is being done from now on."""
        self._text = text

    def line(self) -> str:
        """'2:05 of about 12:40 · W1: round 3 of 9'."""
        total = "" if self.expected is None else f" of about {clock(self.expected)}"
        return f"{clock(self.passed)}{total} · {self._text}"

    @contextmanager
    def shown(self, *, quiet: bool) -> Iterator[None]:
        """Speak while the block runs; not at all where that is not wanted."""
        if quiet:
            yield
            return
        screen, done = console(stderr=True), threading.Event()
        with screen.status("") as status:

            def speak() -> None:
                while not done.wait(0.5 if screen.is_terminal else INTERVAL):
                    if screen.is_terminal:
                        status.update(self.line())
                    else:
                        screen.print(self.line(), markup=False, highlight=False)

            speaker = threading.Thread(target=speak, daemon=True)
            speaker.start()
            try:
                yield
            finally:
                done.set()
                speaker.join()


def clock(seconds: float) -> str:
    """'12:40', minutes and seconds."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02}"
