"""What the figures of a study have in common: words, colours, and the axis of the values."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from handloom._typing import FloatArray
from handloom.views import style
from handloom.views.study.trials import Trials, written_value

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PALEST = 0.22
"""The share of the colour map that is left out: white lines are no lines."""
MANY = 100
"""From so many trials on, each one is drawn smaller."""


def measured(value: float, metric: str) -> str:
    """A metric's value: accuracies in percent, with the digits that tell two trials apart."""
    return f"{value:.2%}".replace("%", " %") if metric.endswith("accuracy") else f"{value:.4g}"


def metric_name(metric: str) -> str:
    """val_accuracy -> validation accuracy."""
    return metric.replace("val_", "validation ").replace("train_", "train ").replace("_", " ")


def best_words(trials: Trials) -> str:
    """One sentence on the best trial: what it reached, and with which parameters."""
    if trials.best is None:
        return "No trial has finished yet."
    best = trials.trials[trials.best]
    told = ", ".join(
        f"{short_name(name)} {written_value(value)}"
        for name, value in best.parameters.items()
        if name.rpartition(".")[0] not in best.parameters  # an entry of a list that is told
    )
    reached = measured(best.value, trials.metric)
    return f"Best: {told or best.name}: {metric_name(trials.metric)} {reached}."


def short_name(name: str) -> str:
    """The end of a key path that tells what it is: lr, hidden.0; optimizer for optimizer.name."""
    path = name.removesuffix(".name").split(".")
    return ".".join(path[-2:] if path[-1].isdigit() or path[-1] == "length" else path[-1:])


def colours(quality: FloatArray) -> FloatArray:
    """(T,) -> (T, 4): the darker, the better; what has no value is grey."""
    from matplotlib import colormaps
    from matplotlib.colors import to_rgba

    known = np.isfinite(quality)
    places = PALEST + (1 - PALEST) * np.where(known, quality, 0.0)
    shown = colormaps[style.SEQUENTIAL](places)
    return np.where(known[:, np.newaxis], shown, to_rgba(style.NEUTRAL))


def scale_values(axes: Axes, trials: Trials, span: tuple[float, float] | None = None) -> None:
    """The vertical axis: the span worth showing, readable ticks, no accuracy above 100 %."""
    from matplotlib.ticker import PercentFormatter

    low, high = sorted(span or trials.shown_span())
    room = 0.06 * (high - low) or 0.1 * abs(high) or 0.1
    axes.set_ylim(low - room, high + room)
    axes.locator_params(axis="y", nbins=7)
    if trials.metric.endswith("accuracy"):
        axes.set_ylim(top=min(high + room, 1.0 + 0.2 * room))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    else:
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)


def left_out(trials: Trials) -> str:
    """A sentence on trials that are worse than the axis shows; nothing where there are none."""
    values = trials.values
    worse = trials.shown_span()[0]
    count = np.count_nonzero(values < worse if trials.is_maximised else values > worse)
    if not count:
        return ""
    lie = "1 trial lies" if count == 1 else f"{count} trials lie"
    return f" {lie} {'below' if trials.is_maximised else 'above'} the range shown."
