"""A command that is stopped from outside ends cleanly, and says how to resume it."""

from __future__ import annotations

import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from handloom.cli import streams

AGAIN_S = 0.05  # until an interrupt that a library lost is raised once more


class Stopped(SystemExit):
    """The program was asked to end; `message`, if not empty, is what a person should read then."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(code)
        self.message = message


class _Request:
    """The first signal that asked this process to end.

    Remembered here because a library may pass an interrupt on as an error of its own.
    """

    number: int | None = None

    @property
    def exit_code(self) -> int | None:
        """As a shell reports it of a program that a signal ended."""
        return None if self.number is None else 128 + self.number

    def take(self, number: int, frame: FrameType | None) -> None:
        self.number = self.number or number
        raise KeyboardInterrupt


_request = _Request()  # one, because signals are the process's


@contextmanager
def signals_interrupt() -> Iterator[None]:
    """What runs within is interrupted by Ctrl-C, SIGTERM and SIGHUP; then the program says that it
    was stopped, and ends with the exit code for it. A signal that was ignored, as under `nohup`,
    stays ignored.
    """
    _request.number = None
    before = _replace_handlers(_request.take)
    hook = sys.unraisablehook
    sys.unraisablehook = _raise_once_more
    try:
        yield
    except BaseException as error:
        stopped = _as_stopped(error)
        if stopped is None:
            raise
        for number in before:  # whoever asks again need not wait
            signal.signal(number, signal.SIG_DFL)
        if stopped.message:
            streams.complain(stopped.message)
        raise SystemExit(stopped.code) from None
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def resumable(how: Callable[[], str], *, aloud: bool = True) -> Iterator[None]:
    """Work that can be continued: if it is stopped, the line `how()` says in which way.

    `aloud` is whether this process may speak; of several that train together, one does.
    """
    try:
        yield
    except BaseException as error:
        stopped = _as_stopped(error)
        if stopped is None:
            raise
        stopped.message = f"stopped; {how()}" if aloud else ""
        raise stopped from None


def resuming(
    path: Path,
    data_dir: Path | None,
    *,
    workers: int | None = None,
    on: str | None = None,
) -> str:
    """The command that resumes the training at `path`."""
    command = ["handloom", "train", "--resume", str(path)]
    for flag, value in (("--data-dir", data_dir), ("--workers", workers), ("--on", on)):
        command += [] if value is None else [flag, str(value)]
    return shlex.join(command)


def _as_stopped(error: BaseException) -> Stopped | None:
    """The end that a signal or a reader who went away asked for; None if `error` is another's."""
    if isinstance(error, Stopped):
        return error
    if isinstance(error, streams.ReaderGone):
        return Stopped(error.exit_code, "")
    if _request.exit_code is not None:
        return Stopped(_request.exit_code, "stopped")
    return Stopped(130, "stopped") if isinstance(error, KeyboardInterrupt) else None


def _replace_handlers(handler: Callable[[int, FrameType | None], None]) -> dict[int, Any]:
    """Handle the signals that ask a program to end; gives the handlers that were there before."""
    before: dict[int, Any] = {}
    if threading.current_thread() is not threading.main_thread():
        return before  # Python leaves signals to the main thread
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            before[number] = signal.signal(number, handler)
    return before


def _raise_once_more(lost: sys.UnraisableHookArgs) -> None:
    """An interrupt that came within a destructor or a C callback cannot leave it: try again."""
    if _request.number is None or not issubclass(lost.exc_type, KeyboardInterrupt):
        sys.__unraisablehook__(lost)
        return
    again = threading.Timer(AGAIN_S, os.kill, [os.getpid(), _request.number])
    again.daemon = True
    again.start()
