"""The entry point of the program `handloom`: signals, streams, errors, exit codes.

Exit codes: 0 done · 1 a bug, with its traceback · 2 a user error, whose message says how to fix it
· 3 the training diverged · 129, 130 and 143 stopped: terminal closed, Ctrl-C, or a termination
signal · 141 the reader of the output went away.

The libraries are imported within `main`, since they take a while and Ctrl-C may come meanwhile.
"""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from handloom._reasons import explained
from handloom.cli import interrupts, streams
from handloom.errors import HandloomError, PictureWarning


def main() -> None:
    """Run the command `handloom`."""
    run(_handloom)


def run(command: Callable[[], None]) -> None:
    """Run a command line; an error that the user can mend becomes one line on standard error."""
    streams.prepare()
    # It warns of a home that cannot be written, where it does as well with a temporary folder.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    try:
        with interrupts.signals_interrupt(), warnings.catch_warnings():
            warnings.simplefilter("always", PictureWarning)
            warnings.showwarning = partial(_warn, warnings.showwarning)
            command()
    except HandloomError as error:
        streams.complain(str(error))
        sys.exit(error.exit_code)
    except (OSError, MemoryError, ImportError, RuntimeError, UnicodeEncodeError) as error:
        if (sentence := explained(error)) is None:
            raise
        streams.complain(sentence)
        sys.exit(HandloomError.exit_code)


def _handloom() -> None:
    from handloom.cli.app import app

    app(prog_name="handloom")


def _warn(otherwise: Any, message: Any, category: Any, *where: Any) -> None:
    """A warning of ours as a line; that of a library as Python shows it."""
    if issubclass(category, PictureWarning):
        streams.complain(f"warning: {message}")
    else:
        otherwise(message, category, *where)
