"""Loss, accuracy and learning rate over the epochs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from handloom._typing import FloatArray
from handloom.views import style
from handloom.views.sheet import Sheet, message_sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Line(NamedTuple):
    """One quantity over the training: `values` (n,) at `epochs` (n,), which may be fractions."""

    name: str
    epochs: FloatArray
    values: FloatArray

    def last(self) -> tuple[float, float]:
        """Epoch and value of the last finite point."""
        place = np.flatnonzero(np.isfinite(self.values))[-1]
        return float(self.epochs[place]), float(self.values[place])


class Best(NamedTuple):
    """The epoch with the best value of the metric that was watched."""

    metric: str
    epoch: int
    value: float


class Curves(NamedTuple):
    """What to draw. Lines without a finite value are left out; accuracies are fractions."""

    num_epochs: int
    loss: tuple[Line, ...]
    accuracy: tuple[Line, ...]
    lr: tuple[Line, ...]
    best: Best | None


def curves(rows: Sequence[Mapping[str, Any]], monitor: str) -> Curves:
    """The curves of a run's metrics rows; `monitor` is the metric that chose the best epoch.

    Rows of whole epochs carry 'epoch' (from 1), 'step' and metrics; rows with 'mid_epoch' lie
    between them and carry validation only. A metric that is missing, null or not finite leaves a
    gap. A best accuracy is the highest, the best of anything else the lowest; the first of equals.
    """
    whole = [row for row in rows if not row.get("mid_epoch")]
    steps_per_epoch = whole[0]["step"] / whole[0]["epoch"] if whole else math.nan
    every = [(_time(row, steps_per_epoch), row) for row in rows] if whole else []
    epochs = [(float(row["epoch"]), row) for row in whole]
    return Curves(
        num_epochs=max((int(row["epoch"]) for row in whole), default=0),
        loss=_lines(("train", "train_loss", epochs), ("validation", "val_loss", every)),
        accuracy=_lines(("train", "train_accuracy", epochs), ("validation", "val_accuracy", every)),
        lr=_lines(("learning rate", "lr", epochs)),
        best=_best(whole, monitor),
    )


def _time(row: Mapping[str, Any], steps_per_epoch: float) -> float:
    return row["step"] / steps_per_epoch if row.get("mid_epoch") else float(row["epoch"])


def _lines(*sources: tuple[str, str, list[tuple[float, Mapping[str, Any]]]]) -> tuple[Line, ...]:
    lines = (
        Line(name, np.array([time for time, _ in rows]), _values([row for _, row in rows], metric))
        for name, metric, rows in sources
    )
    return tuple(line for line in lines if np.isfinite(line.values).any())


def _values(rows: Sequence[Mapping[str, Any]], metric: str) -> FloatArray:
    told = (row.get(metric) for row in rows)
    values = np.array([math.nan if value is None else value for value in told], np.float64)
    return np.where(np.isfinite(values), values, math.nan)


def _best(rows: Sequence[Mapping[str, Any]], monitor: str) -> Best | None:
    values = _values(rows, monitor)
    if not np.isfinite(values).any():
        return None
    place = int(np.nanargmax(values) if monitor.endswith("accuracy") else np.nanargmin(values))
    return Best(monitor, int(rows[place]["epoch"]), float(values[place]))


# -- drawing ---------------------------------------------------------------------------------------

PANEL_TOP, PANEL_HEIGHT = 64, 330
MOST_MARKED = 20
"""Up to so many epochs each one is a dot; beyond, the line alone is easier to read."""
LOG_FROM, LOG_UNTIL = 50.0, 1e5
"""Ratios of largest to smallest between which a logarithmic axis tells more. Beyond, the smallest
are as good as zero, like the end of a cosine, and would take most of its room."""
COLOURS = {"train": style.TRAIN, "validation": style.VALIDATION, "learning rate": style.MUTED}


class _Panel(NamedTuple):
    """One set of axes: where they stand, and how a value is written."""

    title: str
    lines: tuple[Line, ...]
    left: int
    width: int
    written: Callable[[float], str]
    is_accuracy: bool = False
    has_labels: bool = True

    @property
    def is_log(self) -> bool:
        low, high = _span(self.lines)
        return not self.is_accuracy and low > 0 and LOG_FROM <= high / low <= LOG_UNTIL


@style.house_style()
def draw_curves(curves: Curves) -> Figure:
    """Loss, accuracy and, smaller, the learning rate; the best epoch marked."""
    if not (curves.loss or curves.accuracy or curves.lr):
        return message_sheet("Training curves", "No epoch with a finite metric has been recorded.")
    sheet = Sheet(1300, 458, "Training curves", _note(curves))
    loss = "Loss (lower is better)"
    accuracy = "Accuracy (higher is better)"
    _draw_panel(sheet, curves, _Panel(loss, curves.loss, 74, 340, _number))
    _draw_panel(
        sheet, curves, _Panel(accuracy, curves.accuracy, 600, 340, style.percent, is_accuracy=True)
    )
    _draw_panel(
        sheet, curves, _Panel("Learning rate", curves.lr, 1128, 150, _number, has_labels=False)
    )
    return sheet.finished()


def _draw_panel(sheet: Sheet, curves: Curves, panel: _Panel) -> None:
    axes = sheet.axes(panel.left, PANEL_TOP, panel.width, PANEL_HEIGHT)
    _draw_epochs(axes, curves, panel.lines)
    sheet.text(panel.left, 0, panel.title, weight="bold")
    if not panel.lines:
        axes.set_yticks([])
        middle = {"ha": "center", "va": "center", "transform": axes.transAxes}
        axes.text(0.5, 0.5, "not recorded", color=style.MUTED, **middle)
        return
    if panel.is_log:
        sheet.text(panel.left, 24, "log scale", size=style.SMALL, colour=style.MUTED)
    _draw_lines(axes, panel.lines)
    _scale_values(axes, panel)
    if curves.best is not None:
        _mark_best(axes, curves.best, panel.lines)
    if panel.has_labels:
        _label_ends(axes, panel)


def _note(curves: Curves) -> str:
    told = "Train: mean over the epoch. Validation: measured after the epoch."
    if curves.best is None:
        return told
    metric, epoch, value = curves.best
    words = metric.replace("val_", "validation ").replace("train_", "train ").replace("_", " ")
    shown = style.percent(value) if metric.endswith("accuracy") else _number(value)
    return f"Best {words}: {shown} at epoch {epoch} of {curves.num_epochs} (dashed). {told}"


def _number(value: float) -> str:
    """Three digits that count, without an exponent where one can do without."""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _draw_epochs(axes: Axes, curves: Curves, lines: tuple[Line, ...]) -> None:
    from matplotlib.ticker import MaxNLocator

    first = min([1.0, *(float(line.epochs.min()) for line in lines)])
    room = max(0.04 * (curves.num_epochs - first), 0.1)
    axes.set_xlim(max(first - room, first / 2), curves.num_epochs + room)
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=4, integer=True, min_n_ticks=1))


def _draw_lines(axes: Axes, lines: tuple[Line, ...]) -> None:
    for line in lines:
        is_short = np.count_nonzero(np.isfinite(line.values)) <= MOST_MARKED
        marker = "o" if is_short else ""
        axes.plot(line.epochs, line.values, color=COLOURS[line.name], marker=marker, markersize=4)


def _span(lines: tuple[Line, ...]) -> tuple[float, float]:
    values = np.concatenate([line.values for line in lines])
    return float(np.nanmin(values)), float(np.nanmax(values))


def _scale_values(axes: Axes, panel: _Panel) -> None:
    """Readable ticks, and some room around the lines; no accuracy above 100 %."""
    from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

    low, high = _span(panel.lines)
    if panel.is_log:
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(low / 1.6, high * 1.6)
        return
    axes.locator_params(axis="y", nbins=6)
    room = 0.08 * (high - low) or 0.1 * abs(high) or 0.1
    axes.set_ylim(max(0.0, low - room) if low >= 0 else low - room, high + room)
    if panel.is_accuracy:
        axes.set_ylim(top=min(high + room, 1.0 + 0.2 * room))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    else:
        axes.ticklabel_format(axis="y", style="plain", useOffset=False)


def _mark_best(axes: Axes, best: Best, lines: tuple[Line, ...]) -> None:
    """A dashed line at the best epoch, and a ring around the value that was watched."""
    axes.axvline(best.epoch, color=style.BEST, linestyle=(0, (4, 3)), linewidth=1.1, zorder=1.5)
    axes.annotate(
        "best", (best.epoch, 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
        textcoords="offset points", ha="center", size=style.SMALL,
    )  # fmt: skip
    watched = {"train": "train", "val": "validation"}.get(best.metric.partition("_")[0])
    for line in lines:
        if line.name == watched:
            at = line.values[np.flatnonzero(line.epochs == best.epoch)]
            axes.plot([best.epoch] * len(at), at, "o", color=style.BEST, markersize=8, mfc="none")


def _label_ends(axes: Axes, panel: _Panel) -> None:
    """Each line's name and last value beside its end, pushed apart where ends are close."""
    ends = [(line, line.last()[1]) for line in panel.lines]
    ends.sort(key=lambda end: end[1])
    to_axes = axes.transData + axes.transAxes.inverted()
    places = [to_axes.transform((axes.get_xlim()[1], value))[1] for _, value in ends]
    apart = 2.3 * style.line_height() / PANEL_HEIGHT
    if len(places) == 2 and places[1] - places[0] < apart:
        middle = min(max(sum(places) / 2, apart / 2), 1 - apart / 2)
        places = [middle - apart / 2, middle + apart / 2]
    for (line, value), place in zip(ends, places, strict=True):
        label = f"{line.name}\n{panel.written(value)}"
        axes.text(
            1.03,
            place,
            label,
            transform=axes.transAxes,
            color=COLOURS[line.name],
            va="center",
        )
