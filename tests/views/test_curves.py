from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from handloom.views.run.curves import Best, curves, draw_curves
from handloom.views.sheet import png


def row(epoch: int, **metrics: Any) -> dict[str, Any]:
    return {"epoch": epoch, "step": 100 * epoch, **metrics}


FULL = [
    row(1, train_loss=0.9, train_accuracy=0.6, val_loss=0.8, val_accuracy=0.7, lr=0.1),
    row(2, train_loss=0.5, train_accuracy=0.8, val_loss=0.4, val_accuracy=0.9, lr=0.1),
    row(3, train_loss=0.3, train_accuracy=0.9, val_loss=0.5, val_accuracy=0.9, lr=0.01),
]


def test_lines_hold_each_metric_at_its_epoch() -> None:
    drawn = curves(FULL, "val_loss")
    train, validation = drawn.loss
    assert (train.name, validation.name) == ("train", "validation")
    np.testing.assert_array_equal(train.epochs, [1, 2, 3])
    np.testing.assert_array_equal(train.values, [0.9, 0.5, 0.3])
    np.testing.assert_array_equal(validation.values, [0.8, 0.4, 0.5])
    assert drawn.accuracy[1].last() == (3.0, 0.9)
    np.testing.assert_array_equal(drawn.lr[0].values, [0.1, 0.1, 0.01])
    assert drawn.num_epochs == 3


@pytest.mark.parametrize(
    ("monitor", "best"),
    [
        ("val_loss", Best("val_loss", 2, 0.4)),
        ("val_accuracy", Best("val_accuracy", 2, 0.9)),  # the first of equals
        ("train_loss", Best("train_loss", 3, 0.3)),
        ("val_f1", None),
    ],
)
def test_best_epoch_follows_the_monitor(monitor: str, best: Best | None) -> None:
    assert curves(FULL, monitor).best == best


def test_mid_epoch_rows_lie_between_epochs_and_are_never_the_best() -> None:
    middle = {"epoch": 2, "step": 150, "mid_epoch": True, "val_loss": 0.01, "val_accuracy": 1.0}
    drawn = curves([FULL[0], middle, *FULL[1:]], "val_loss")
    np.testing.assert_allclose(drawn.loss[1].epochs, [1, 1.5, 2, 3])
    np.testing.assert_array_equal(drawn.loss[0].epochs, [1, 2, 3])
    assert drawn.best == Best("val_loss", 2, 0.4)


def test_what_is_missing_null_or_not_finite_is_a_gap() -> None:
    rows = [
        row(1, train_loss=1.0, val_loss=0.5),
        row(2, train_loss=math.inf, val_loss=None),
        row(3, train_loss=math.nan),
    ]
    drawn = curves(rows, "val_loss")
    np.testing.assert_array_equal(drawn.loss[0].values, [1.0, math.nan, math.nan])
    assert drawn.loss[0].last() == (1.0, 1.0)
    assert drawn.best == Best("val_loss", 1, 0.5)
    assert drawn.accuracy == ()
    assert drawn.lr == ()


def test_without_validation_only_the_training_lines_are_there() -> None:
    drawn = curves([row(1, train_loss=1.0, train_accuracy=0.5, lr=0.1)], "val_accuracy")
    assert [line.name for line in drawn.loss + drawn.accuracy] == ["train", "train"]
    assert drawn.best is None


def test_without_a_finished_epoch_there_is_nothing() -> None:
    middle = {"epoch": 1, "step": 50, "mid_epoch": True, "val_loss": 0.5, "val_accuracy": 0.5}
    assert curves([middle], "val_loss") == curves([], "val_loss")
    assert curves([], "val_loss").loss == ()


def texts(figure: Any) -> str:
    inside = [text for axes in figure.axes for text in axes.texts]
    return "\n".join(text.get_text() for text in [*figure.texts, *inside])


def test_the_picture_names_the_best_epoch_and_the_last_values() -> None:
    told = texts(draw_curves(curves(FULL, "val_accuracy")))
    assert "Best validation accuracy: 90.0 % at epoch 2 of 3" in told
    assert "validation\n0.5" in told
    assert "train\n90.0 %" in told


@pytest.mark.parametrize("num_epochs", [1, 2, 50])
def test_epoch_ticks_are_whole_numbers_from_one(num_epochs: int) -> None:
    rows = [row(e, train_loss=1 / e, val_loss=1.1 / e, lr=0.1) for e in range(1, num_epochs + 1)]
    figure = draw_curves(curves(rows, "val_loss"))
    for axes in figure.axes:
        low, high = axes.get_xlim()
        seen = [tick for tick in axes.get_xticks() if low <= tick <= high]
        assert seen
        assert all(tick == round(tick) >= 1 for tick in seen)


def test_labels_of_equal_ends_do_not_cover_each_other() -> None:
    rows = [row(1, train_loss=0.5, val_loss=0.5), row(2, train_loss=0.25, val_loss=0.25)]
    figure = draw_curves(curves(rows, "val_loss"))
    figure.draw_without_rendering()
    ends = [text for text in figure.axes[0].texts if "\n" in text.get_text()]
    first, second = (text.get_window_extent() for text in ends)
    assert not first.overlaps(second)


def test_losses_over_orders_of_magnitude_get_a_logarithmic_axis() -> None:
    rows = [row(e, train_loss=10.0**-e, train_accuracy=0.01 * 9**e) for e in (1, 2)]
    spread = draw_curves(curves([*rows, row(3, train_loss=1e-4)], "val_loss"))
    assert [axes.get_yscale() for axes in spread.axes] == ["log", "linear", "linear"]
    assert draw_curves(curves(FULL, "val_loss")).axes[0].get_yscale() == "linear"


@pytest.mark.parametrize("rows", [[], FULL[:1], [row(1, train_loss=math.nan)]])
def test_any_rows_can_be_drawn(rows: list[dict[str, Any]]) -> None:
    assert png(draw_curves(curves(rows, "val_loss"))).startswith(b"\x89PNG")
