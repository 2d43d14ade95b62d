"""Loss over a learning rate that grows from step to step: the learning-rate range test."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from handloom._typing import FloatArray
from handloom.views import style
from handloom.views.sheet import Sheet, message_sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class RateRange(NamedTuple):
    """Loss of each step, (n,), at its learning rate, (n,), and `smooth` (n,), a running mean.

    `steepest` is the rate at which the smooth loss fell fastest, `largest` the one at which it was
    lowest, beyond which it rises; both None where it never fell. `used` is the recipe's.
    """

    rates: FloatArray
    losses: FloatArray
    smooth: FloatArray
    steepest: float | None
    largest: float | None
    used: float


# -- drawing ---------------------------------------------------------------------------------------

WIDTH, HEIGHT = 760, 360


@style.house_style()
def draw_rate_range(found: RateRange) -> Figure:
    """The two curves, and the three rates as upright lines."""
    heading = "Which learning rates work"
    if found.steepest is None or found.largest is None:
        return message_sheet(heading, "The loss did not fall at any of the rates that were tried.")
    note = (
        f"One pass from the initial weights; the rate grows over {len(found.rates):,} steps. "
        "Rates worth trying lie between the steepest fall and the lowest loss."
    )
    sheet = Sheet(WIDTH + 2 * style.MARGIN + 120, HEIGHT + 126, heading, note)
    axes = sheet.axes(style.MARGIN + 60, 70, WIDTH, HEIGHT)
    axes.plot(found.rates, found.losses, color=style.FAINT, linewidth=1.0)
    axes.plot(found.rates, found.smooth, color=style.TRAIN)
    _scale(axes, found)
    axes.axvspan(found.steepest, found.largest, color="#e8f1ec", zorder=0)
    marks = (
        (found.steepest, "steepest fall", style.RIGHT),
        (found.largest, "lowest", style.RIGHT),
        (found.used, "the recipe's", style.WRONG),
    )
    for line, (rate, name, colour) in enumerate(marks):
        _mark(axes, rate, f"{name} {rate:.2g}", colour, line)
    return sheet.finished()


def _scale(axes: Axes, found: RateRange) -> None:
    """Losses from the lowest to somewhat above the start: what comes after is off the page."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.set_xscale("log")
    axes.set_xlim(min(found.rates[0], found.used), max(found.rates[-1], 1.5 * found.used))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("learning rate, log scale")
    low, start = float(found.smooth.min()), float(found.smooth[0])
    room = max(start - low, 1e-6)
    axes.set_ylim(max(0.0, low - 0.3 * room), start + 0.6 * room)
    axes.set_ylabel("loss per step")


def _mark(axes: Axes, rate: float, label: str, colour: str, line: int) -> None:
    """An upright line, its label above the axes, in a line of text of its own."""
    axes.axvline(rate, color=colour, linestyle=(0, (4, 3)), linewidth=1.2)
    axes.annotate(
        label, (rate, 1), xycoords=("data", "axes fraction"), xytext=(0, 3 + 11 * line),
        textcoords="offset points", ha="center", size=style.SMALL, color=colour,
    )  # fmt: skip
