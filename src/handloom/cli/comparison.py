"""A comparison as `handloom compare` tells it, in 80 columns where names are not too long."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import fill
from typing import TYPE_CHECKING, Any

from handloom.cli.output import Voice, console

if TYPE_CHECKING:
    from handloom.studies.compare import Comparison, Figures
    from handloom.studies.compare.tables import Column

WIDTH = 80
GAP = 3  # characters between two columns
LEAST_NAME = 10
MOST_DIFFERENCES = 6
LONGEST_VALUE = 30
OPTIONAL_TABLES = ("augment", "torch")


def show_comparison(voice: Voice, comparison: Comparison) -> None:
    """Accuracies, costs, the answers, what differs, and what the columns mean."""
    from handloom.studies.compare.tables import ACCURACY, cost_columns, legend

    _show_table(voice, comparison.rows, ACCURACY)
    voice.say()
    _show_table(voice, comparison.rows, cost_columns(comparison.reach))
    for told in comparison.answers:
        voice.say(f"\n{wrapped(told)}")
    if differences := _differences(comparison):
        voice.say("\nThe recipes differ in")
        for line in differences:
            voice.say(f"  {line}")
    for told in (*comparison.notes, legend(comparison)):
        voice.say(f"\n{wrapped(told)}")


def _show_table(voice: Voice, rows: Sequence[Figures], columns: Sequence[Column]) -> None:
    """Without the columns that are empty; names are cut where a terminal has no room for them."""
    cells = [[column.cell(row) for row in rows] for column in columns]
    kept = [
        (column.heading, told) for column, told in zip(columns, cells, strict=True) if any(told)
    ]
    taken = sum(max(map(len, (heading, *told))) + GAP for heading, told in kept)
    marks = max(len(row.mark) for row in rows)
    room = max(LEAST_NAME, console().width - taken - marks - 1)
    names = [f"{row.mark:<{marks}} {cut(row.name, room)}" for row in rows]
    voice.table(
        ("name", *(heading for heading, _ in kept)),
        list(zip(names, *(told for _, told in kept), strict=True)),
    )


def cut(name: str, room: int) -> str:
    """A name in `room` characters, its middle left out where it is longer: both ends tell more."""
    if len(name) <= room:
        return name
    tail = (room - 1) // 2
    return f"{name[: room - 1 - tail]}…{name[len(name) - tail :]}"


def _differences(comparison: Comparison) -> list[str]:
    """What differs between the recipes, one line per key; of a table of another kind, or one that
    some do not have, that is enough."""
    marks, found = [row.mark for row in comparison.rows], dict(comparison.differences)
    for table in OPTIONAL_TABLES:
        inside = [found[key] for key in found if key.startswith(f"{table}.")]
        has_it = [
            any(value is not None for value in values) for values in zip(*inside, strict=True)
        ]
        if not all(has_it):
            found = {key: values for key, values in found.items() if f"{table}." not in key}
            found[table] = tuple("told" if has else None for has in has_it)
    lines = [
        f"{key}: {_by_value(marks, values)}"
        for key, values in found.items()
        if None not in values or f"{key.partition('.')[0]}.name" not in found
    ]
    more = len(lines) - MOST_DIFFERENCES
    return lines[:MOST_DIFFERENCES] + ([f"and {more} more keys"] if more > 0 else [])


def _by_value(marks: Sequence[str], values: Sequence[Any]) -> str:
    """'0.1 (A, C), 0.01 (B)'."""
    rows: dict[str, list[str]] = {}
    for mark, value in zip(marks, values, strict=True):
        rows.setdefault(cut(_written(value), LONGEST_VALUE), []).append(mark)
    return ", ".join(f"{value} ({', '.join(of)})" for value, of in rows.items())


def _written(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_written, value))}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def wrapped(text: str) -> str:
    """In lines; no 'p = 0.03' is parted, and no name at its hyphens."""
    held = text.replace("p = ", "p\u00a0=\u00a0").replace("p < ", "p\u00a0<\u00a0")
    lines = fill(held, WIDTH, subsequent_indent="  ", break_on_hyphens=False)
    return lines.replace("\u00a0", " ")
