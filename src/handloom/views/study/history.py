"""Search history: the result of each trial, in order, and the best so far."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from handloom._typing import AnyArray, FloatArray, IntArray
from handloom.views import style
from handloom.views.sheet import Sheet, message_sheet
from handloom.views.study.style import (
    MANY,
    best_words,
    colours,
    left_out,
    measured,
    metric_name,
    scale_values,
)
from handloom.views.study.trials import Trials

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class SearchHistory(NamedTuple):
    """Of T trials in the order of their start: `values` is NaN where none was reached."""

    numbers: IntArray  # (T,), the study's, from 1
    values: FloatArray  # (T,), of pruned trials the last one
    spreads: FloatArray  # (T,), over the seeds of a trial; NaN for one seed
    is_complete: AnyArray  # (T,), bool
    best_so_far: FloatArray  # (T,), of complete trials; NaN before the first


def search_history(trials: Trials) -> SearchHistory:
    """The course of a search; failed and running trials leave a gap."""
    complete = trials.values
    best_of = np.fmax if trials.is_maximised else np.fmin
    ended = [trial.state in ("complete", "pruned") for trial in trials.trials]
    values = np.array([trial.value for trial in trials.trials], np.float64)
    return SearchHistory(
        numbers=np.array(
            [
                place if trial.number is None else trial.number
                for place, trial in enumerate(trials.trials, start=1)
            ],
            np.int64,
        ),
        values=np.where(ended, values, np.nan),
        spreads=np.array([trial.spread for trial in trials.trials], np.float64),
        is_complete=np.isfinite(complete),
        best_so_far=best_of.accumulate(complete) if ended else complete,
    )


# -- drawing ---------------------------------------------------------------------------------------

WIDTH, HEIGHT = 820, 380
LEFT, RIGHT, BELOW = 78, 150, 60


def draw_search_history(trials: Trials) -> Figure:
    """One dot per trial, darker is better; a cross where it was pruned; the line is the best."""
    heading = f"Search history: {trials.study}"
    if trials.best is None:
        return message_sheet(heading, best_words(trials))
    history = search_history(trials)
    with style.house_style():
        width = 2 * style.MARGIN + LEFT + WIDTH + RIGHT
        sheet = Sheet(width, HEIGHT + BELOW, heading, _note(trials, history))
        axes = sheet.axes(style.MARGIN + LEFT, 8, WIDTH, HEIGHT)
        scale_values(axes, trials, _span(trials, history))
        _draw_trials(axes, trials, history)
        _draw_best(axes, trials, history)
        _scale_numbers(axes, int(history.numbers.max()))
        axes.set_ylabel(metric_name(trials.metric))
        return sheet.finished()


def _note(trials: Trials, history: SearchHistory) -> str:
    states = [trial.state for trial in trials.trials]
    count = len(states)
    counts = ", ".join(
        f"{states.count(state)} {state}"
        for state in ("pruned", "failed", "running")
        if state in states
    )
    told = f"{count} trial{'' if count == 1 else 's'}" + (f", of which {counts}" if counts else "")
    bars = " Bars: one standard deviation over the seeds." if _has_bars(history) else ""
    crosses = " Crosses: pruned." if "pruned" in states else ""
    return f"{best_words(trials)} {told}. Line: the best so far.{bars}{crosses}{left_out(trials)}"


def _has_bars(history: SearchHistory) -> bool:
    return bool(np.isfinite(history.spreads[history.is_complete]).any())


def _span(trials: Trials, history: SearchHistory) -> tuple[float, float]:
    """The values worth showing, with the bars on both sides of them."""
    low, high = sorted(trials.shown_span())
    with np.errstate(invalid="ignore"):
        shown = history.is_complete & (history.values >= low) & (history.values <= high)
    bars = np.nan_to_num(history.spreads[shown])
    below, above = history.values[shown] - bars, history.values[shown] + bars
    return float(below.min()), float(above.max())


def _draw_trials(axes: Axes, trials: Trials, history: SearchHistory) -> None:
    """Dots and crosses; what lies beyond the axis is an arrow at its edge rather than nowhere."""
    low, high = axes.get_ylim()
    edge = 0.02 * (high - low)
    shown = np.clip(history.values, low + edge, high - edge)
    inside, done = shown == history.values, history.is_complete
    size = 16 if len(shown) > MANY else 38
    shades = colours(trials.quality)
    known = done & inside & np.isfinite(history.spreads)
    bars = {"fmt": "none", "ecolor": style.NEUTRAL, "elinewidth": 1.0, "zorder": 1.5}
    axes.errorbar(history.numbers[known], shown[known], history.spreads[known], **bars)
    arrow = "v" if trials.is_maximised else "^"
    rims = {"edgecolors": style.NEUTRAL, "linewidths": 0.4, "zorder": 3}
    for chosen, marker in ((done & inside, "o"), (done & ~inside, arrow)):
        at = history.numbers[chosen], shown[chosen]
        axes.scatter(*at, size, shades[chosen], marker=marker, **rims)
    pruned = ~done & np.isfinite(shown)
    cross = {"c": style.NEUTRAL, "marker": "x", "linewidths": 1.0, "zorder": 2}
    axes.scatter(history.numbers[pruned], shown[pruned], 0.7 * size, **cross)


def _draw_best(axes: Axes, trials: Trials, history: SearchHistory) -> None:
    """The best so far as steps, a ring around the best of all, its value beside the end."""
    known = np.isfinite(history.best_so_far)
    numbers, values = history.numbers[known], history.best_so_far[known]
    axes.step(numbers, values, where="post", color=style.BEST, linewidth=1.3, zorder=2.5)
    best = trials.best or 0
    at = (history.numbers[best], history.values[best])
    axes.plot(*at, "o", color=style.BEST, markersize=10, mfc="none", zorder=4)
    axes.annotate(
        f"best\n{measured(float(values[-1]), trials.metric)}",
        (1, values[-1]),
        xycoords=("axes fraction", "data"),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        annotation_clip=False,
    )


def _scale_numbers(axes: Axes, last: int) -> None:
    from matplotlib.ticker import MaxNLocator

    axes.set_xlim(1 - 0.02 * last - 0.2, last + 0.02 * last + 0.2)
    axes.set_xlabel("trial")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
