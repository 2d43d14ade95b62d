"""Learning curves: the objective of every trial by epoch, the best one in front."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from handloom._typing import FloatArray
from handloom.views import style
from handloom.views.sheet import Sheet, message_sheet
from handloom.views.study.style import (
    MANY,
    best_words,
    colours,
    measured,
    metric_name,
    scale_values,
)
from handloom.views.study.trials import Trials

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class TrialCurve(NamedTuple):
    """One run of a trial: `values` (epochs,), NaN for a gap; `quality` of its trial, or NaN."""

    trial: int
    values: FloatArray
    quality: float
    is_pruned: bool
    is_best: bool


def trial_curves(trials: Trials) -> tuple[TrialCurve, ...]:
    """A curve for each run that has a value, in the order to draw them: the best trial's last."""
    found = [
        TrialCurve(place, curve, float(quality), trial.state == "pruned", place == trials.best)
        for place, (trial, quality) in enumerate(zip(trials.trials, trials.quality, strict=True))
        for curve in trial.curves
        if np.isfinite(curve).any()
    ]
    return tuple(sorted(found, key=lambda c: (c.is_best, np.nan_to_num(c.quality, nan=-1.0))))


# -- drawing ---------------------------------------------------------------------------------------

WIDTH, HEIGHT = 820, 400
LEFT, RIGHT, BELOW = 78, 150, 60


def draw_trial_curves(trials: Trials) -> Figure:
    """One line per run, the darker the better; grey without a final value, a cross where pruned."""
    heading = f"Learning curves of all trials: {trials.study}"
    drawn = trial_curves(trials)
    if not drawn:
        return message_sheet(heading, "No epoch of any trial has been recorded.")
    with style.house_style():
        width = 2 * style.MARGIN + LEFT + WIDTH + RIGHT
        sheet = Sheet(width, HEIGHT + BELOW, heading, _note(trials, drawn))
        axes = sheet.axes(style.MARGIN + LEFT, 8, WIDTH, HEIGHT)
        _scale(axes, trials, drawn)
        _draw_curves(axes, drawn)
        if drawn[-1].is_best:
            _label_best(axes, trials, drawn[-1])
        axes.set_xlabel("epoch")
        axes.set_ylabel(metric_name(trials.metric))
        return sheet.finished()


def _note(trials: Trials, drawn: tuple[TrialCurve, ...]) -> str:
    what = "One line per seed of a trial" if _has_seeds(trials) else "One line per trial"
    pruned = " A cross: pruned there." if any(curve.is_pruned for curve in drawn) else ""
    return f"{best_words(trials)} {what}; darker is better, the best is black.{pruned}"


def _has_seeds(trials: Trials) -> bool:
    return any(len(trial.curves) > 1 for trial in trials.trials)


LEFT_OUT = 0.06
"""The share of all values, the worst ones, that the axis leaves out: those of first epochs."""


def _scale(axes: Axes, trials: Trials, drawn: tuple[TrialCurve, ...]) -> None:
    """All epochs; of the values those of trials worth showing, but for their first epochs."""
    from matplotlib.ticker import MaxNLocator

    epochs = max(len(curve.values) for curve in drawn)
    axes.set_xlim(1 - 0.02 * epochs, epochs + 0.02 * epochs)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, integer=True, min_n_ticks=1))
    low, high = sorted(trials.shown_span())
    with np.errstate(invalid="ignore"):
        is_shown = (trials.values >= low) & (trials.values <= high)
    shown = [curve for curve in drawn if is_shown[curve.trial]] or drawn
    values = np.concatenate([curve.values for curve in shown])
    values = values[np.isfinite(values)]
    if trials.is_maximised:
        span = np.quantile(values, LEFT_OUT), values.max()
    else:
        span = values.min(), np.quantile(values, 1 - LEFT_OUT)
    scale_values(axes, trials, (float(span[0]), float(span[1])))


def _draw_curves(axes: Axes, drawn: tuple[TrialCurve, ...]) -> None:
    shades = colours(np.array([curve.quality for curve in drawn]))
    crowd = len(drawn) > MANY
    for curve, shade in zip(drawn, shades, strict=True):
        epochs = np.arange(1, len(curve.values) + 1)
        colour = style.BEST if curve.is_best else tuple(shade)
        looks: dict[str, Any] = {"linewidth": 0.7, "alpha": 0.5} if crowd else {"linewidth": 1.1}
        if curve.is_best:
            looks = {"linewidth": 2.2}
        marker = "o" if np.count_nonzero(np.isfinite(curve.values)) == 1 else ""
        axes.plot(epochs, curve.values, color=colour, marker=marker, markersize=3, **looks)
        if curve.is_pruned:
            last = np.flatnonzero(np.isfinite(curve.values))[-1]
            axes.plot(epochs[last], curve.values[last], "x", color=style.MUTED, markersize=4)


def _label_best(axes: Axes, trials: Trials, best: TrialCurve) -> None:
    """The best trial's value, where its line ends."""
    last = np.flatnonzero(np.isfinite(best.values))[-1]
    low, high = axes.get_ylim()
    value = trials.trials[best.trial].value
    axes.annotate(
        f"best\n{measured(value, trials.metric)}",
        (1, float(np.clip(best.values[last], low, high))),
        xycoords=("axes fraction", "data"),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        annotation_clip=False,
    )
