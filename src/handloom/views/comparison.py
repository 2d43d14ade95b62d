"""Accuracy against cost: several networks by their parameters and by their training time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from handloom.views import style
from handloom.views.sheet import Sheet, message_sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class ComparedRow(NamedTuple):
    """One network: accuracies are fractions, `low` and `high` the ends of its interval."""

    mark: str
    """A letter, which stands beside its point."""
    name: str
    accuracy: float
    low: float
    high: float
    parameters: float
    seconds: float
    """Of its training."""


class Compared(NamedTuple):
    """What to draw; `part` is that of the accuracies."""

    part: str
    rows: tuple[ComparedRow, ...]


class Point(NamedTuple):
    """A network in one panel; it is `worth_it` where no cheaper one is as accurate."""

    row: ComparedRow
    cost: float
    worth_it: bool


def points(rows: Sequence[ComparedRow], costs: Sequence[float]) -> tuple[Point, ...]:
    """The rows with what each costs; those without a cost above zero are left out.

    Of networks that cost the same the most accurate is worth it, of equal ones all.
    """
    priced = [(row, cost) for row, cost in zip(rows, costs, strict=True) if cost > 0]
    return tuple(
        Point(row, cost, not any(_beats(other, (row, cost)) for other in priced))
        for row, cost in priced
    )


def _beats(one: tuple[ComparedRow, float], other: tuple[ComparedRow, float]) -> bool:
    """Whether `one` is as good in both respects, and better in one."""
    no_worse = one[0].accuracy >= other[0].accuracy and one[1] <= other[1]
    return no_worse and (one[0].accuracy > other[0].accuracy or one[1] < other[1])


# -- drawing ---------------------------------------------------------------------------------------

WIDTH, PANEL_TOP = 1300, 34
LEGEND_LINE, MARK_WIDTH = 24, 34
MOST_BESIDE = 14
"""Up to so many names stand beside the panels, more of them below."""
LOG_FROM, MANY_DECADES = 4.0, 100.0
"""Ratios of the dearest to the cheapest: from which an axis is logarithmic, and from which its
ticks are powers of ten alone."""
LABEL_WIDTH, LABEL_HEIGHT = 20, 16  # pixels, of a mark


class _Layout(NamedTuple):
    """Where panels and names stand."""

    panel: tuple[int, int]
    lefts: tuple[int, int]
    legend: tuple[int, int]
    columns: int
    column_width: int


BESIDE = _Layout((380, 350), (92, 560), (990, 0), 1, 282)
BELOW = _Layout((530, 440), (92, 740), (style.MARGIN, 548), 4, 311)


@style.house_style()
def draw_comparison(compared: Compared) -> Figure:
    """Accuracy against parameters and against seconds of training, the networks by their marks."""
    heading = "Accuracy against cost"
    rows = compared.rows
    if not rows:
        return message_sheet(heading, "There is nothing to compare.")
    note = (
        f"Accuracy on {compared.part} images, with its 95 % interval. "
        "Filled: on the Pareto front (no cheaper network is as accurate)."
    )
    layout = BESIDE if len(rows) <= MOST_BESIDE else BELOW
    lines = -(-len(rows) // layout.columns)
    panels_end = PANEL_TOP + layout.panel[1] + 60
    sheet = Sheet(WIDTH, max(panels_end, layout.legend[1] + lines * LEGEND_LINE), heading, note)
    for left, title, costs in (
        (layout.lefts[0], "Parameters", [row.parameters for row in rows]),
        (layout.lefts[1], "Seconds of training", [row.seconds for row in rows]),
    ):
        axes = sheet.axes(left, PANEL_TOP, *layout.panel)
        sheet.text(left, 0, title, weight="bold")
        _draw_panel(axes, points(rows, costs), rows)
    for place, row in enumerate(rows):
        column, line = divmod(place, lines)
        x = layout.legend[0] + column * layout.column_width
        _write_name(sheet, x, layout.legend[1] + line * LEGEND_LINE, row, layout.column_width)
    return sheet.finished()


def _write_name(sheet: Sheet, x: int, y: int, row: ComparedRow, width: int) -> None:
    sheet.text(x, y, row.mark, weight="bold", colour=style.TRAIN)
    (name,) = style.shown_names((row.name,))
    sheet.text(x + MARK_WIDTH, y, style.fitted(name, width - MARK_WIDTH - 10))


def _draw_panel(axes: Axes, shown: Sequence[Point], rows: Sequence[ComparedRow]) -> None:
    _scale_accuracy(axes, rows)
    if not shown:
        axes.set_xticks([])
        middle = {"ha": "center", "va": "center", "transform": axes.transAxes}
        axes.text(0.5, 0.5, "not recorded", color=style.MUTED, **middle)
        return
    _scale_costs(axes, [point.cost for point in shown])
    for point in shown:
        colour = style.TRAIN if point.worth_it else style.NEUTRAL
        row = point.row
        axes.plot([point.cost] * 2, [row.low, row.high], color=colour, linewidth=1.1, alpha=0.7)
        filling = colour if point.worth_it else style.PAPER
        axes.plot(point.cost, row.accuracy, "o", color=colour, markersize=7, mfc=filling)
    _write_marks(axes, shown)


def _scale_accuracy(axes: Axes, rows: Sequence[ComparedRow]) -> None:
    """From the lowest interval to the highest, with some room; none above 100 %."""
    from matplotlib.ticker import PercentFormatter

    low, high = min(row.low for row in rows), max(row.high for row in rows)
    room = 0.06 * (high - low) or 0.05
    axes.set_ylim(max(0.0, low - room), min(1.0 + room / 2, high + room))
    axes.locator_params(axis="y", nbins=6)
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))


def _scale_costs(axes: Axes, costs: Sequence[float]) -> None:
    """Logarithmic where costs are of several sizes; ticks as 100 k, 2 M."""
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

    low, high = min(costs), max(costs)
    if high / low >= LOG_FROM:
        axes.set_xscale("log")
        room = (high / low) ** 0.12
        axes.set_xlim(low / room, high * room)
        subs = (1,) if high / low >= MANY_DECADES else (1, 2, 5)
        axes.xaxis.set_major_locator(LogLocator(subs=subs, numticks=7))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        room = 0.12 * (high - low) or 0.5 * high
        axes.set_xlim(max(0.0, low - room), high + room)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=5))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))


def _write_marks(axes: Axes, shown: Sequence[Point]) -> None:
    """Each mark right of its point; where others stand already, above them, with a line to it."""
    taken: list[tuple[float, float]] = []
    for point in sorted(shown, key=lambda point: point.row.accuracy):
        x, y = axes.transData.transform((point.cost, point.row.accuracy))
        place = x + 9, y - LABEL_HEIGHT / 2
        while any(_overlap(place, other) for other in taken):
            place = place[0], place[1] + 2
        taken.append(place)
        away = place[1] + LABEL_HEIGHT / 2 - y
        axes.annotate(
            point.row.mark,
            (point.cost, point.row.accuracy),
            xytext=((place[0] - x) * 72 / style.DPI, away * 72 / style.DPI),
            textcoords="offset points",
            va="center_baseline",
            size=style.SMALL,
            weight="bold",
            arrowprops=(
                {"arrowstyle": "-", "color": style.FAINT, "shrinkA": 0, "shrinkB": 4}
                if away > LABEL_HEIGHT / 2
                else None
            ),
            annotation_clip=False,
        )


def _overlap(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return abs(one[0] - other[0]) < LABEL_WIDTH and abs(one[1] - other[1]) < LABEL_HEIGHT


def short(value: float) -> str:
    """A number on an axis: 0.5, 20, 300 k, 1.5 M."""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"
