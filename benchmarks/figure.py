"""Speed: a bar for each implementation's step, and the least time that the machine allows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from handloom.views import style
from handloom.views.sheet import Sheet, message_sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANEL_WIDTH, LABEL_WIDTH, VALUE_WIDTH = 330, 470, 110  # pixels
BAR_HEIGHT, PANEL_GAP = 30, 96
COLUMNS = 2

COLOURS = {"ours": style.TRAIN, "torch": style.VALIDATION}
"""Of the families that are to be told apart; all others are grey."""


class PaceRow(NamedTuple):
    """One implementation: microseconds a step, and the family that gives its colour."""

    label: str
    microseconds: float
    family: str


class Pace(NamedTuple):
    """The rows of one workload, the quickest first; `roof` is the least that is possible, in µs."""

    title: str
    rows: tuple[PaceRow, ...]
    roof: float | None


def draw_paces(paces: Iterable[Pace], heading: str) -> Figure:
    """A panel of bars for each workload, two beside each other."""
    shown = [pace for pace in paces if pace.rows]
    if not shown:
        return message_sheet(heading, "no timings")
    lines = [shown[first : first + COLUMNS] for first in range(0, len(shown), COLUMNS)]
    heights = [BAR_HEIGHT * max(len(pace.rows) for pace in line) for line in lines]
    width = LABEL_WIDTH + PANEL_WIDTH + VALUE_WIDTH
    body = sum(heights) + PANEL_GAP * len(lines)
    note = "median microseconds per step; dashed: the least time the machine's peak allows"
    with style.house_style():
        sheet = Sheet(2 * style.MARGIN + width * min(COLUMNS, len(shown)), body, heading, note)
        top = 0
        for line, height in zip(lines, heights, strict=True):
            for column, pace in enumerate(line):
                _draw_panel(sheet, style.MARGIN + column * width, top, pace)
            top += height + PANEL_GAP
        return sheet.finished()


def _draw_panel(sheet: Sheet, left: int, top: int, pace: Pace) -> None:
    title = style.fitted(pace.title, LABEL_WIDTH + PANEL_WIDTH, weight="bold")
    sheet.text(left, top + 12, title, weight="bold")
    height = BAR_HEIGHT * len(pace.rows)
    axes = sheet.axes(left + LABEL_WIDTH, top + 46, PANEL_WIDTH, height)
    places = range(len(pace.rows))
    times = [row.microseconds for row in pace.rows]
    colours = [COLOURS.get(row.family, style.NEUTRAL) for row in pace.rows]
    axes.barh(places, times, color=colours, height=0.66)
    for place, row in zip(places, pace.rows, strict=True):
        y = top + 46 + (place + 0.5) * BAR_HEIGHT
        label = style.fitted(row.label, LABEL_WIDTH - 12, style.SMALL)
        sheet.text(
            left + LABEL_WIDTH - 8, y, label, size=style.SMALL, ha="right", va="center_baseline"
        )
        _write_value(axes, place, row)
    if pace.roof is not None:
        axes.axvline(pace.roof, color=style.INK, linestyle=(0, (4, 3)), linewidth=1.1)
    _tidy(axes, max(times), len(pace.rows))


def _write_value(axes: Axes, place: int, row: PaceRow) -> None:
    """The time at the bar's end, bold for ours."""
    axes.annotate(
        f"{row.microseconds:,.0f}",
        (row.microseconds, place),
        xytext=(4, 0),
        textcoords="offset points",
        va="center_baseline",
        size=style.SMALL,
        weight="bold" if row.family == "ours" else "normal",
        annotation_clip=False,
    )


def _tidy(axes: Axes, longest: float, rows: int) -> None:
    axes.set_xlim(0, longest)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_yticks([])
    axes.set_xticks([])
    axes.grid(False)
    axes.spines["bottom"].set_visible(False)
