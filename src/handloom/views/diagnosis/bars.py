"""One bar per value, and the band of usual values."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from handloom.views import style
from handloom.views.sheet import Sheet, message_sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_BARS = 40


class Bar(NamedTuple):
    """One thing: `value` is drawn, `told` is written beside it; `is_ill` colours it."""

    name: str
    value: float
    told: str
    is_ill: bool = False


class Bars(NamedTuple):
    """What to draw: `unit` names the axis, `usual` are the ends of the band of usual values.

    With `is_log` values that are not above zero have no bar. Of more than 40 bars the ill ones are
    drawn, then the first.
    """

    heading: str
    note: str
    unit: str
    bars: tuple[Bar, ...]
    usual: tuple[float, float] | None = None
    is_log: bool = False


# -- drawing ---------------------------------------------------------------------------------------

NAME_WIDTH, AXES_WIDTH, TOLD_WIDTH = 230, 470, 190
ROW = 34
BAND = "#e8f1ec"
DECADE = 10.0


@style.house_style()
def draw_bars(bars: Bars) -> Figure:
    """One row per bar: its name at the left, its text at the right."""
    shown = _shown(bars.bars)
    if not shown:
        return message_sheet(bars.heading, "There is nothing to measure.")
    left_out = len(bars.bars) - len(shown)
    note = bars.note + (f" {left_out:,} more are not shown." if left_out else "")
    height = ROW * len(shown)
    width = 2 * style.MARGIN + NAME_WIDTH + AXES_WIDTH + TOLD_WIDTH
    sheet = Sheet(width, height + 62, bars.heading, note)
    left = style.MARGIN + NAME_WIDTH
    axes = sheet.axes(left, 0, AXES_WIDTH, height)
    low, high = _limits(bars, shown)
    _scale(axes, bars, low, high, len(shown))
    names = style.shown_names(tuple(bar.name for bar in shown))
    for place, (bar, name) in enumerate(zip(shown, names, strict=True)):
        colour = style.WRONG if bar.is_ill else style.TRAIN
        if math.isfinite(bar.value) and (bar.value > low or not bars.is_log):
            axes.barh(place, bar.value - low, left=low, height=0.6, color=colour)
        y = ROW * (place + 0.5)
        fitted = style.fitted(name, NAME_WIDTH - 14)
        sheet.text(left - 12, y, fitted, ha="right", va="center_baseline")
        sign = f"{style.WRONG_SIGN} " if bar.is_ill else ""
        told = style.fitted(sign + bar.told, TOLD_WIDTH - 14)
        ink = style.WRONG if bar.is_ill else style.MUTED
        sheet.text(left + AXES_WIDTH + 14, y, told, colour=ink, va="center_baseline")
    return sheet.finished()


def _shown(bars: tuple[Bar, ...]) -> tuple[Bar, ...]:
    """At most MOST_BARS in their order, ill ones before others."""
    places = sorted(range(len(bars)), key=lambda place: not bars[place].is_ill)[:MOST_BARS]
    return tuple(bars[place] for place in sorted(places))


def _limits(bars: Bars, shown: tuple[Bar, ...]) -> tuple[float, float]:
    """The axis's ends: all values and the band are within."""
    values = [bar.value for bar in shown if math.isfinite(bar.value)] + [*(bars.usual or ())]
    if not bars.is_log:
        return 0.0, max(values, default=0.0) * 1.04 or 1.0
    positive = [value for value in values if value > 0] or [1.0]
    low, high = min(positive) / DECADE**0.5, max(positive) * DECADE**0.25
    return low, high


def _scale(axes: Axes, bars: Bars, low: float, high: float, rows: int) -> None:
    from matplotlib.ticker import (
        FuncFormatter,
        LogLocator,
        MaxNLocator,
        NullFormatter,
        PercentFormatter,
    )

    if bars.is_log:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=6))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    if bars.unit.startswith("share"):
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    axes.set_xlim(low, high)
    axes.set_ylim(rows - 0.5, -0.5)
    axes.set_yticks([])
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(f"{bars.unit}{', log scale' if bars.is_log else ''}")
    if bars.usual is not None:
        axes.axvspan(max(bars.usual[0], low), bars.usual[1], color=BAND, zorder=0)
