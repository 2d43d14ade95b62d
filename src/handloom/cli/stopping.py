"""A command that is stopped from outside ends tidily, and says how it is continued."""

from __future__ import annotations

import shlex
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer

from handloom.cli.output import ReaderGone


@contextmanager
def told_how_to_go_on(way: Callable[[], str], *, aloud: bool = True) -> Iterator[None]:
    """Work that may be stopped by Ctrl-C, a termination signal, or a reader of its output that
    goes away: it then ends with the exit code for it and, if it may speak, with the line `way()`.
    """

    was_terminated = False  # remembered here: a library may pass an interrupt on as one of its own

    def terminate(number: int, frame: object) -> None:  # noqa: ARG001
        nonlocal was_terminated
        was_terminated = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except (KeyboardInterrupt, ReaderGone) as stop:
        if aloud:
            sys.stderr.write(f"handloom: stopped; {way()}\n")
        code = 143 if was_terminated else 130
        raise typer.Exit(stop.exit_code if isinstance(stop, ReaderGone) else code) from None
    finally:
        signal.signal(signal.SIGTERM, before)


def resuming(path: Path, data_dir: Path | None) -> str:
    """The command that goes on with the training at `path`."""
    command = ["handloom", "train", "--resume", str(path)]
    if data_dir is not None:
        command += ["--data-dir", str(data_dir)]
    return shlex.join(command)
