"""Output of the command line: for a person, for a program, or none."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any

from handloom.cli import streams

if TYPE_CHECKING:
    from rich.console import Console

WIDTH_WITHOUT_TERMINAL = 10_000  # no line of a table is broken on its way to a file or a program
LARGEST_IN_FULL = 1e4


class Voice(Enum):
    """Who reads the output."""

    PERSON = "person"
    PROGRAM = "program"
    NOBODY = "nobody"

    @classmethod
    def choose(cls, *, as_json: bool, quiet: bool = False) -> Voice:
        """`--json` takes precedence over `-q`."""
        if as_json:
            return cls.PROGRAM
        return cls.NOBODY if quiet else cls.PERSON

    def say(self, text: str = "") -> None:
        """Lines for a person, just as they are."""
        if self is Voice.PERSON:
            write(f"{text}\n")

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table for a person; columns of numbers stand at the right, the last one may wrap."""
        if self is not Voice.PERSON:
            return
        from rich import box
        from rich.cells import cell_len
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        cells = [tuple(row) for row in rows]
        for index, column in enumerate(columns):
            below = [row[index] for row in cells]
            may_wrap = index == len(columns) - 1
            table.add_column(
                column,
                justify="right" if all(map(_looks_numeric, below)) else "left",
                min_width=None if may_wrap else max(map(cell_len, [column, *below])),
                no_wrap=not may_wrap,
                overflow="fold",
            )
        for row in cells:
            table.add_row(*map(Text, row))
        screen = console()
        roomy = screen.options.update(max_width=WIDTH_WITHOUT_TERMINAL)
        least = screen.measure(table, options=roomy).minimum
        screen.width = max(screen.width, least)  # the terminal breaks lines, but drops no figure
        with screen.capture() as captured:
            screen.print(table)
        write("".join(f"{line.rstrip()}\n" for line in captured.get().splitlines()))

    def answer(self, value: Any) -> None:
        """The result for a program: one JSON document on standard output."""
        if self is Voice.PROGRAM:
            text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
            if not streams.can_show(text):
                text = json.dumps(value, indent=2, allow_nan=False)
            write(text + "\n")


def write(text: str) -> None:
    """Print on standard output, at once; what it may raise, `streams.prepare` says."""
    sys.stdout.write(text)
    sys.stdout.flush()


def console(*, stderr: bool = False) -> Console:
    """Standard output, or the other; a terminal only if it really is one."""
    from rich.console import Console

    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDTH_WITHOUT_TERMINAL
    return Console(stderr=stderr, width=width, force_terminal=stream.isatty())


@contextmanager
def telling(*, quiet: bool) -> Iterator[Callable[[str], None]]:
    """What is being done, on a terminal's last line; nothing where there is no terminal."""
    screen = console(stderr=True)
    if quiet or not screen.is_terminal:
        yield lambda _: None
        return
    with screen.status("") as status:
        yield status.update


def number(value: float | None, digits: int = 4) -> str:
    """A figure for a person, short even if it is huge; None and NaN are no numbers."""
    if value is None or not math.isfinite(value):
        return "not finite"
    return f"{value:.{digits}f}" if abs(value) < LARGEST_IN_FULL else f"{value:.1e}"


def counted(number: int, what: str) -> str:
    """'1 thread', '2 threads'."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _looks_numeric(cell: str) -> bool:
    return set(cell) <= set("0123456789+-.,e%×·")
