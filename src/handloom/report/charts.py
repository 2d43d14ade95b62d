"""A training's curves as charts of a page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from handloom.report.blocks import Chart, Mark, Series, Table
from handloom.training import History
from handloom.views import Curves, curves
from handloom.views.run.curves import LOG_FROM, LOG_UNTIL

Row = Mapping[str, Any]
DIGITS = 5
"""Significant digits of a value in the page."""
EPOCHS = "epoch"
"""The group of all charts over epochs, and the label of their axis."""
COLOURS = {"train": "train", "validation": "validation"}
COLUMNS = {
    "epoch": "epoch",
    "train loss": "train_loss",
    "validation loss": "val_loss",
    "train accuracy": "train_accuracy",
    "validation accuracy": "val_accuracy",
    "learning rate": "lr",
    "gradient norm": "grad_norm",
    "seconds": "seconds",
}


def training_charts(history: History, monitor: str) -> tuple[Chart, ...]:
    """Loss, accuracy, learning rate and gradient norm of one training, the best epoch marked."""
    drawn = curves(history.rows, monitor)
    marks = () if drawn.best is None else (Mark(drawn.best.epoch, "best"),)
    quantities = (
        ("Loss", "lower is better", "number", _series_of(drawn, "loss")),
        ("Accuracy", "higher is better", "percent", _series_of(drawn, "accuracy")),
        ("Learning rate", "at the end of the epoch", "number", _series_of(drawn, "lr")),
        ("Gradient norm", "mean over the steps", "number", _gradient_norm(history.epochs)),
    )
    return tuple(
        epoch_chart(title, note, unit, series, marks)
        for title, note, unit, series in quantities
        if series
    )


def epoch_chart(
    title: str, note: str, unit: str, series: tuple[Series, ...], marks: tuple[Mark, ...] = ()
) -> Chart:
    """Lines over epochs; losses and rates that span decades on a logarithmic axis."""
    values = [y for each in series for y in each.y if y is not None]
    low, high = min(values), max(values)
    return Chart(
        title,
        note,
        EPOCHS,
        unit,
        series,
        summarise(title, series, unit),
        group=EPOCHS,
        marks=marks,
        is_log=unit == "number" and low > 0 and LOG_FROM <= high / low <= LOG_UNTIL,
    )


def summarise(title: str, series: Sequence[Series], unit: str) -> str:
    """A sentence on what a chart shows: where its lines begin and end; of many lines, the count."""
    if len(series) > 6:
        return f"{title}: {len(series)} lines."
    told = []
    for each in series:
        values = [value for value in each.y if value is not None]
        first, last = (_figure(value, unit) for value in (values[0], values[-1]))
        told.append(f"{each.name} from {first} to {last}")
    return f"{title}: {', '.join(told)}."


def points(name: str, xs: Iterable[float], ys: Iterable[float | None], colour: str) -> Series:
    """A series with its values rounded; values that are not finite become gaps."""
    return Series(name, tuple(map(_short, xs)), tuple(map(_finite, ys)), colour)


def metric_series(name: str, rows: Sequence[Row], metric: str, colour: str) -> Series | None:
    """One metric of one training over its epochs; None where it was never measured."""
    series = points(name, (row["epoch"] for row in rows), (row.get(metric) for row in rows), colour)
    return None if all(value is None for value in series.y) else series


def epoch_table(rows: Sequence[Row]) -> Table:
    """All metrics, one row per epoch."""
    columns = {name: key for name, key in COLUMNS.items() if any(key in row for row in rows)}
    cells = tuple(tuple(_cell(row.get(key)) for key in columns.values()) for row in rows)
    return Table("Metrics by epoch", tuple(columns), cells, folded=True)


def _series_of(drawn: Curves, quantity: str) -> tuple[Series, ...]:
    lines = getattr(drawn, quantity)
    return tuple(
        points(line.name, line.epochs, line.values, COLOURS.get(line.name, "c2")) for line in lines
    )


def _gradient_norm(rows: Sequence[Row]) -> tuple[Series, ...]:
    series = metric_series("gradient norm", rows, "grad_norm", "c3")
    return () if series is None else (series,)


def _short(value: float) -> float:
    return float(f"{float(value):.{DIGITS}g}")


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else _short(value)


def _figure(value: float, unit: str) -> str:
    return f"{value:.2%}".replace("%", " %") if unit == "percent" else f"{value:.4g}"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.4g}"
