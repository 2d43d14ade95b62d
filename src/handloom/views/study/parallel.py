"""Parallel coordinates: every trial is a line through its parameters to its result."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from handloom._typing import FloatArray
from handloom.views import style
from handloom.views.sheet import Sheet, message_sheet
from handloom.views.study.slices import beside_each_other
from handloom.views.study.style import (
    MANY,
    best_words,
    colours,
    left_out,
    measured,
    metric_name,
    short_name,
)
from handloom.views.study.trials import Parameter, Trials

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Parallel(NamedTuple):
    """A line for each of the T complete trials, from the worst to the best, to be drawn so.

    `places` (T, P) in [0, 1] on the axis of each parameter, NaN where a trial has no such one.
    """

    parameters: tuple[Parameter, ...]
    places: FloatArray
    values: FloatArray  # (T,)
    quality: FloatArray  # (T,), 1 for the best


def parallel(trials: Trials) -> Parallel:
    """The complete trials as lines; those that share a level are spread over its share.

    A spread line stands the higher on its level the better the trial: a fan that is dark at one
    level and pale at another tells how much the level decides.
    """
    goodness = (trials.values if trials.is_maximised else -trials.values)[::-1]
    worst_first = np.argsort(goodness, kind="stable")[: np.count_nonzero(np.isfinite(goodness))]
    order = len(goodness) - 1 - worst_first  # turned twice: the first of equals is the last line
    columns = [_column(trials.places(p)[order], p) for p in trials.parameters]
    places = np.stack(columns, axis=1) if columns else np.empty((len(order), 0))
    return Parallel(trials.parameters, places, trials.values[order], trials.quality[order])


def _column(places: FloatArray, parameter: Parameter) -> FloatArray:
    if parameter.scale != "choice":
        return places
    return beside_each_other(places, len(parameter.levels))


# -- drawing ---------------------------------------------------------------------------------------

HEIGHT, HEAD, BELOW = 400, 64, 44
LEFT, RIGHT = 112, 88
MOST_GAP, LEAST_GAP, BODY = 240, 152, 1000
MISSING = -0.075
"""Where a line passes the axis of a parameter that its trial does not have."""
TIMES = np.linspace(0, 1, 25)
EASED = TIMES**2 * (3 - 2 * TIMES)
"""The way from one axis to the next: level at both ends, so that lines can be followed."""


def draw_parallel(trials: Trials) -> Figure:
    """Axes side by side, the last one the value; the darker a line, the better its trial."""
    heading = f"Settings and results: {trials.study}"
    if trials.best is None:
        return message_sheet(heading, best_words(trials))
    drawn = parallel(trials)
    if not drawn.parameters:
        return message_sheet(heading, "All trials have the same parameters.")
    note = (
        f"{best_words(trials)} One line per trial; darker is better, the best is black. "
        f"Lines that share a choice are spread out, better ones higher.{left_out(trials)}"
    )
    gaps = len(drawn.parameters)
    gap = max(LEAST_GAP, min(MOST_GAP, BODY // gaps))
    with style.house_style():
        left = style.MARGIN + LEFT
        sheet = Sheet(max(left + gaps * gap + RIGHT, 820), HEAD + HEIGHT + BELOW, heading, note)
        axes = sheet.axes(left, HEAD, gaps * gap, HEIGHT)
        axes.set_axis_off()
        axes.set_xlim(0, gaps)
        axes.set_ylim(0, 1)
        value = value_axis(trials)
        _draw_lines(axes, drawn, value)
        for column, parameter in enumerate(drawn.parameters):
            ticks = parameter.ticks()
            if np.isnan(drawn.places[:, column]).any():
                ticks.append((MISSING, "not set"))
            _draw_axis(axes, column, ticks)
            _write_head(sheet, left + column * gap, *_head(parameter.name), gap - 12)
        ticks = value.ticks(lambda number: measured(number, trials.metric))
        _draw_axis(axes, gaps, ticks, to_the_right=True)
        part, _, metric = metric_name(trials.metric).rpartition(" ")
        _write_head(sheet, left + gaps * gap, metric, part, 2 * RIGHT)
        return sheet.finished()


def value_axis(trials: Trials) -> Parameter:
    """The span of values worth showing, with some room, as an axis from 0 to 1."""
    low, high = sorted(trials.shown_span())
    room = 0.03 * (high - low) or 0.1 * abs(high) or 0.1
    return Parameter(trials.metric, "linear", (low - room, high + room))


def _draw_lines(axes: Axes, drawn: Parallel, value: Parameter) -> None:
    """The best one last, in black, over all others."""
    from matplotlib.collections import LineCollection

    ends = np.clip([value.place(number) for number in drawn.values], 0, 1)
    places = np.where(np.isnan(drawn.places), MISSING, drawn.places)
    places = np.column_stack([places, ends])
    columns = np.arange(places.shape[1] - 1)
    x = (columns[:, np.newaxis] + TIMES).ravel()
    steps = np.diff(places, axis=1)[..., np.newaxis] * EASED
    y = (places[:, :-1, np.newaxis] + steps).reshape(len(places), -1)
    lines = np.stack([np.broadcast_to(x, y.shape), y], axis=-1)
    crowd = len(lines) > MANY
    shades = colours(drawn.quality)
    shades[:, 3] = 0.45 if crowd else 0.85
    looks = {"linewidths": 0.8 if crowd else 1.4, "clip_on": False}
    axes.add_collection(LineCollection([*lines[:-1]], colors=shades[:-1], **looks))
    axes.plot(*lines[-1].T, color=style.BEST, linewidth=2.4, clip_on=False, zorder=4)


def _draw_axis(
    axes: Axes, column: int, ticks: list[tuple[float, str]], *, to_the_right: bool = False
) -> None:
    axes.plot([column, column], [0, 1], color=style.NEUTRAL, linewidth=1, zorder=3, clip_on=False)
    side = 1 if to_the_right else -1
    for place, label in ticks:
        if place != MISSING:
            ends = [column, column + side * 0.02]
            axes.plot(ends, [place, place], color=style.NEUTRAL, linewidth=1, clip_on=False)
        axes.annotate(
            style.fitted(label, LEFT - 20, style.SMALL),
            (column, place),
            xytext=(5 * side, 0),
            textcoords="offset points",
            ha="left" if to_the_right else "right",
            va="center_baseline",
            size=style.SMALL,
            annotation_clip=False,
            bbox={"facecolor": style.PAPER, "edgecolor": "none", "alpha": 0.8, "pad": 1.2},
            zorder=5,
        )


def _head(name: str) -> tuple[str, str]:
    """The end of a key path that tells what it is, and the part before it."""
    short = short_name(name)
    return short, name.removesuffix(short).rstrip(".") if name.endswith(short) else ""


def _write_head(sheet: Sheet, x: float, name: str, above: str, room: float) -> None:
    """What an axis is, and small above it of what."""
    place: dict[str, Any] = {"ha": "center", "va": "bottom"}
    y = HEAD - 16
    sheet.text(x, y, style.fitted(name, room, weight="bold"), weight="bold", **place)
    above = style.fitted(above, room, style.SMALL)
    sheet.text(x, y - style.line_height(), above, size=style.SMALL, colour=style.MUTED, **place)
