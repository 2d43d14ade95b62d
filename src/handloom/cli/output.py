"""How the command line speaks: to a person, to a program, or not at all."""

from __future__ import annotations

import json
import sys
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON for a program.")]
QuietFlag = Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors.")]


class Voice(Enum):
    """Who listens."""

    PERSON = "person"
    PROGRAM = "program"
    NOBODY = "nobody"

    @classmethod
    def choose(cls, *, as_json: bool, quiet: bool) -> Voice:
        """`--json` wins over `-q`: a program wants its answer."""
        if as_json:
            return cls.PROGRAM
        return cls.NOBODY if quiet else cls.PERSON

    def say(self, text: object = "") -> None:
        """A line, or anything rich can draw, for a person."""
        if self is Voice.PERSON:
            console().print(text, highlight=False, markup=False, soft_wrap=isinstance(text, str))

    def answer(self, value: Any) -> None:
        """The answer for a program: one JSON document on standard output."""
        if self is Voice.PROGRAM:
            sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def console() -> Console:
    """Standard output; wide tables are not cut where it is no terminal."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 120)
