"""Python expressions that call constructors, printed as a formatter would print them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

WIDTH = 88
"""Columns of a line, as black and ruff take by default."""
INDENT = "    "


@dataclass(frozen=True)
class Call:
    """name(argument, …); an argument is another call, or a text such as 'stride=2'."""

    name: str
    arguments: tuple[Call | str, ...] = ()

    def __str__(self) -> str:
        return f"{self.name}({', '.join(map(str, self.arguments))})"

    def calls(self) -> Iterator[Call]:
        """Every call in this one, the innermost first, and this one."""
        for argument in self.arguments:
            if isinstance(argument, Call):
                yield from argument.calls()
        yield self

    def short(self, names: Mapping[Call, str]) -> Call:
        """The same with calls of functions in place of the calls within it that have a name."""
        return Call(
            self.name,
            tuple(
                argument if isinstance(argument, str) else _named(argument, names)
                for argument in self.arguments
            ),
        )

    def lines(self, indent: str, before: str = "", after: str = "") -> Iterator[str]:
        """Lines of `before` + call + `after`: one if it fits, else one line per argument."""
        whole = f"{indent}{before}{self}{after}"
        if len(whole) <= WIDTH or not self.arguments:
            yield whole
            return
        yield f"{indent}{before}{self.name}("
        for argument in self.arguments:
            if isinstance(argument, str):
                yield f"{indent}{INDENT}{argument},"
            else:
                yield from argument.lines(indent + INDENT, after=",")
        yield f"{indent}){after}"


def _named(call: Call, names: Mapping[Call, str]) -> Call:
    return Call(names[call]) if call in names else call.short(names)
