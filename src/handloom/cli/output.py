"""How the command line speaks: to a person, to a program, or not at all."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors.")]
WIDTH_WITHOUT_TERMINAL = 120


class Voice(Enum):
    """Who listens."""

    PERSON = "person"
    PROGRAM = "program"
    NOBODY = "nobody"

    @classmethod
    def choose(cls, *, as_json: bool, quiet: bool = False) -> Voice:
        """`--json` wins over `-q`: a program wants its answer."""
        if as_json:
            return cls.PROGRAM
        return cls.NOBODY if quiet else cls.PERSON

    def say(self, text: str = "") -> None:
        """Lines for a person, just as they are."""
        if self is Voice.PERSON:
            typer.echo(text)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A table for a person; columns of numbers stand at the right."""
        if self is not Voice.PERSON:
            return
        from rich import box
        from rich.table import Table
        from rich.text import Text

        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        cells = [tuple(row) for row in rows]
        for index, column in enumerate(columns):
            numbers = all(_looks_numeric(row[index]) for row in cells)
            table.add_column(column, justify="right" if numbers else "left")
        for row in cells:
            table.add_row(*map(Text, row))
        console().print(table)

    def answer(self, value: Any) -> None:
        """The answer for a program: one JSON document on standard output."""
        if self is Voice.PROGRAM:
            typer.echo(json.dumps(value, indent=2, ensure_ascii=False))


def console() -> Console:
    """Standard output; wide enough for every table where it is no terminal."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL)


def complete_run(incomplete: str) -> list[str]:
    """Run folders that the shell may offer."""
    parent = Path(incomplete) if incomplete.endswith("/") else Path(incomplete).parent
    if not incomplete:
        parent = Path("runs")
    found = (str(path.parent) for path in sorted(parent.glob("*/recipe.toml")))
    return [path for path in found if path.startswith(incomplete)]


def _looks_numeric(cell: str) -> bool:
    return not cell or cell.strip("-+.,%e×").replace(",", "").replace(".", "")[:1].isdigit()
