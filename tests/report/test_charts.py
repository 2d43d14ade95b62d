from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

from handloom.report.charts import epoch_chart, epoch_table, points, summarise, training_charts
from handloom.run.results import Run
from handloom.training import History

from .conftest import read

ROWS = [
    {"epoch": 1, "step": 10, "train_loss": 2.0, "val_loss": 1.5, "val_accuracy": 0.5, "lr": 0.1},
    {"epoch": 2, "step": 15, "mid_epoch": True, "val_loss": 1.2, "val_accuracy": 0.55},
    {"epoch": 2, "step": 20, "train_loss": None, "val_loss": 1.0, "val_accuracy": 0.625, "lr": 0.1},
]


def test_the_curves_are_those_of_the_metrics(run: Run, page: Path) -> None:
    rows = [json.loads(line) for line in run.folder.metrics.read_text().splitlines()]
    charts = read(page).charts
    for title, name, key in (
        ("Loss", "train", "train_loss"),
        ("Loss", "validation", "val_loss"),
        ("Accuracy", "validation", "val_accuracy"),
        ("Learning rate", "learning rate", "lr"),
        ("Gradient norm", "gradient norm", "grad_norm"),
    ):
        (series,) = (each for each in charts[title]["series"] if each["name"] == name)
        assert series["x"] == [row["epoch"] for row in rows]
        assert series["y"] == pytest.approx([row[key] for row in rows], rel=1e-4)


def test_the_best_epoch_is_marked(run: Run, page: Path) -> None:
    for chart in read(page).charts.values():
        assert chart["marks"] == [{"x": run.result["best_epoch"], "label": "best"}]


def test_gaps_evaluations_between_epochs_and_what_was_not_measured() -> None:
    charts = {c.title: c for c in training_charts(History(rows=ROWS), "val_loss")}
    assert list(charts) == ["Loss", "Accuracy", "Learning rate"]
    train, validation = charts["Loss"].series
    assert train.y == (2.0, None)
    assert (validation.x, validation.y) == ((1.0, 1.5, 2.0), (1.5, 1.2, 1.0))
    assert charts["Loss"].summary == "Loss: train from 2 to 2, validation from 1.5 to 1."
    assert charts["Accuracy"].summary == "Accuracy: validation from 50.00 % to 62.50 %."


def test_many_lines_are_counted_instead_of_told() -> None:
    assert summarise("Loss", [points("a", [1], [2.0], "c0")] * 7, "number") == "Loss: 7 lines."


@pytest.mark.parametrize(
    ("values", "is_log"),
    [([1.0, 0.5], False), ([1.0, 0.01], True), ([1.0, 0.0], False), ([1.0, 1e-9], False)],
)
def test_a_logarithmic_axis_where_it_tells_more(values: list[float], is_log: bool) -> None:
    series = (points("train", [1, 2], values, "train"),)
    assert epoch_chart("Loss", "", "number", series).is_log == is_log
    assert not epoch_chart("Accuracy", "", "percent", series).is_log


def test_values_are_short_and_finite() -> None:
    series = points("a", [1, 2, 3], [1 / 3, math.inf, None], "c0")
    assert series.y == (0.33333, None, None)


def test_the_table_holds_every_row() -> None:
    table = epoch_table([row for row in ROWS if "mid_epoch" not in row])
    assert table.columns == (
        "epoch", "train loss", "validation loss", "validation accuracy", "learning rate"
    )  # fmt: skip
    assert table.rows[1] == ("2", "–", "1", "0.625", "0.1")
