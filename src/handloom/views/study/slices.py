"""Each parameter on its own: the results of the trials over its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from handloom._typing import FloatArray
from handloom.views import style
from handloom.views.sheet import Sheet, message_sheet
from handloom.views.study.style import (
    MANY,
    best_words,
    colours,
    left_out,
    metric_name,
    scale_values,
)
from handloom.views.study.trials import Parameter, Trials

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Slice(NamedTuple):
    """The complete trials that have a parameter: `places` and `values` (n,), in order of start.

    `medians` (L,) are of the levels of a choice; empty where the parameter is none.
    """

    parameter: Parameter
    places: FloatArray
    values: FloatArray
    quality: FloatArray  # (n,)
    best: int | None  # the place of the study's best trial among them
    medians: FloatArray


def slices(trials: Trials) -> tuple[Slice, ...]:
    """A slice for every parameter; the trials of one level stand beside each other, as started."""
    return tuple(_slice(trials, parameter) for parameter in trials.parameters)


def _slice(trials: Trials, parameter: Parameter) -> Slice:
    every = trials.places(parameter)
    known = np.isfinite(every) & np.isfinite(trials.values)
    places, values = every[known], trials.values[known]
    medians = np.empty(0)
    if parameter.scale == "choice":
        levels = [parameter.place(level) for level in parameter.levels]
        of_levels = [values[places == level] for level in levels]
        medians = np.array([np.median(of) if of.size else np.nan for of in of_levels])
        places = beside_each_other(places, len(levels))
    best = np.flatnonzero(np.flatnonzero(known) == trials.best)
    return Slice(
        parameter,
        places,
        values,
        trials.quality[known],
        int(best[0]) if best.size else None,
        medians,
    )


SHARE = 0.62
"""How much of a level's share of an axis its trials may take."""


def beside_each_other(places: FloatArray, num_levels: int) -> FloatArray:
    """Places (n,) of levels, those that are equal spread evenly over SHARE of a level's share.

    NaNs stay. The first of equals comes first.
    """
    spread = places.copy()
    for level in np.unique(places[np.isfinite(places)]):
        same = np.flatnonzero(places == level)
        spread[same] += SHARE * ((np.arange(len(same)) + 0.5) / len(same) - 0.5) / num_levels
    return spread


# -- drawing ---------------------------------------------------------------------------------------

COLUMNS, WIDTH, HEIGHT = 3, 300, 250
LEFT, GAP, HEAD, BELOW = 84, 44, 34, 68


def draw_slices(trials: Trials) -> Figure:
    """A panel for each parameter, on one scale of values; the darker a dot, the better."""
    heading = f"Each parameter on its own: {trials.study}"
    if trials.best is None:
        return message_sheet(heading, best_words(trials))
    drawn = slices(trials)
    if not drawn:
        return message_sheet(heading, "All trials have the same parameters.")
    columns, rows = min(COLUMNS, len(drawn)), -(-len(drawn) // COLUMNS)
    width = max(style.MARGIN + LEFT + columns * (WIDTH + GAP), 820)
    bars = " Bars: the median of each level." if any(s.medians.size for s in drawn) else ""
    note = f"{best_words(trials)} One dot per trial; darker is better.{bars}{left_out(trials)}"
    with style.house_style():
        sheet = Sheet(width, rows * (HEAD + HEIGHT + BELOW), heading, note)
        for index, one in enumerate(drawn):
            row, column = divmod(index, COLUMNS)
            left = style.MARGIN + LEFT + column * (WIDTH + GAP)
            top = row * (HEAD + HEIGHT + BELOW)
            sheet.text(left, top, style.fitted(one.parameter.name, WIDTH), weight="bold")
            axes = sheet.axes(left, top + HEAD, WIDTH, HEIGHT)
            scale_values(axes, trials)
            _draw_slice(axes, one)
            if column:
                axes.tick_params(labelleft=False)
            else:
                axes.set_ylabel(metric_name(trials.metric))
        return sheet.finished()


def _draw_slice(axes: Axes, one: Slice) -> None:
    low, high = axes.get_ylim()
    shown = np.clip(one.values, low, high)
    size = 14 if len(shown) > MANY else 30
    order = np.argsort(one.quality, kind="stable")  # the better ones on top
    axes.scatter(
        one.places[order],
        shown[order],
        size,
        colours(one.quality[order]),
        edgecolors=style.NEUTRAL,
        linewidths=0.3,
        zorder=3,
        clip_on=False,
    )
    if one.best is not None:
        at = one.places[one.best], shown[one.best]
        axes.plot(*at, "o", color=style.BEST, markersize=9, mfc="none", zorder=4, clip_on=False)
    _draw_medians(axes, one)
    _scale_parameter(axes, one.parameter)


def _draw_medians(axes: Axes, one: Slice) -> None:
    half = 0.45 / max(len(one.medians), 1)
    for level, median in zip(one.parameter.levels, one.medians, strict=False):
        place = one.parameter.place(level)
        axes.plot([place - half, place + half], [median, median], color=style.INK, linewidth=1.3)


MOST_LABELLED = 24


def _scale_parameter(axes: Axes, parameter: Parameter) -> None:
    """The values under the axis; where they would touch each other, in two lines or upright."""
    ticks = parameter.ticks()
    is_choice = parameter.scale == "choice"
    room = 0.0 if is_choice else 0.04
    axes.set_xlim(-room, 1 + room)
    axes.grid(not is_choice, axis="x")
    ticks = ticks[:: -(-len(ticks) // MOST_LABELLED)]
    labels, upright = [label for _, label in ticks], False
    share = WIDTH / max(len(ticks), 1)
    widest = max((style.text_width(label, style.SMALL) for label in labels), default=0.0)
    if is_choice and share - 6 < widest <= 2 * share - 6:
        labels = ["\n" * (place % 2) + label for place, label in enumerate(labels)]
    elif is_choice and widest > share - 6:
        upright = len(labels) > 3
        fitting = BELOW - 16 if upright else share - 6
        labels = [style.fitted(label, fitting, style.SMALL) for label in labels]
    axes.set_xticks([place for place, _ in ticks], labels, rotation=90 if upright else 0)
    axes.tick_params(axis="x", length=0 if is_choice else 3.5)
