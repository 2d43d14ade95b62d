"""What every engine refuses, and what ends a training, so that no weights are lost."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from subjects import (
    CLASSES,
    assert_same,
    assert_untouched,
    engine_of,
    epoch_of,
    every_engine,
    examples,
    trained,
    weights_of,
)

from handloom import nn
from handloom.errors import ConfigError, LabelError, ShapeError


@every_engine
def test_labels_that_are_none_are_refused(subject: Any) -> None:
    engine = trained(engine_of(subject), epoch_of())
    before, (x, labels) = weights_of(engine), examples(np.random.default_rng(5), 8)
    cases: list[tuple[Any, type[Exception], str]] = [
        (np.where(np.arange(8) == 5, CLASSES, labels), LabelError, "label 3 in row 5"),
        (np.where(np.arange(8) == 2, -1, labels), LabelError, "label -1 in row 2"),
        (labels.astype(np.float32), LabelError, "whole numbers"),
        (labels[:7], ShapeError, r"need labels of the shape \(8,\)"),
        (labels[:, None], ShapeError, r"need labels of the shape \(8,\)"),
    ]
    for wrong, error, told in cases:
        with pytest.raises(error, match=told):
            engine.train_step(x, wrong)
        assert_untouched(engine, before, 6)
    for kind in (np.int8, np.uint8, np.int32, np.uint64):  # every kind of whole number is one
        one, other = (engine_of(subject) for _ in range(2))
        assert one.train_step(x, labels.astype(kind)) == other.train_step(x, labels)
        assert_same(one, other)


@every_engine
def test_pictures_of_another_shape_are_refused(subject: Any) -> None:
    engine = trained(engine_of(subject), epoch_of())
    before, (x, labels) = weights_of(engine), examples(np.random.default_rng(5), 8)
    for wrong in (x[:, :1], x[:, :, :-2], x[0], np.repeat(x, 2, axis=3), x[:, 0], x.reshape(8, -1)):
        with pytest.raises(ShapeError):
            engine.train_step(wrong, labels[: len(wrong)])
        with pytest.raises(ShapeError):
            engine.predict(wrong)
        assert_untouched(engine, before, 6)


@every_engine
def test_a_norm_needs_two_numbers_a_channel_to_train_on(subject: Any) -> None:
    """Of which an example may have several, or one; to predict, one is enough."""
    x, labels = examples(np.random.default_rng(5), 9)
    rng = np.random.default_rng(1)
    rows = nn.Sequential(nn.Flatten(), nn.Linear(84, 3, rng=rng), nn.BatchNorm1d(3))
    pixel = nn.Sequential(nn.Conv2d(2, 3, (7, 6), rng=rng), nn.BatchNorm2d(3), nn.Flatten())
    for model in (rows, pixel):
        engine = engine_of(subject, model=model)
        before = weights_of(engine)
        name = re.escape("layer 2 (BatchNorm1d)" if model is rows else "layer 1 (BatchNorm2d)")
        told = f"^{name} needs at least two values per channel in training, got one"
        with pytest.raises(ShapeError, match=told):
            engine.train_step(x[:1], labels[:1])
        with pytest.raises(ShapeError, match=told):  # before the first of the batches
            next(engine.train(epoch_of(9), 0, 2))
        assert_untouched(engine, before, 0)
        assert engine.train_step(x[:2], labels[:2]).is_finite
        assert engine.predict(x[:1]).shape == (1, 3)
    assert engine_of(subject).train_step(x[:1], labels[:1]).is_finite


@every_engine
@pytest.mark.parametrize("size", [1e20, 1e30])
@pytest.mark.parametrize("rows", [False, True], ids=["maps", "rows"])
def test_a_variance_beyond_all_numbers_is_reported(subject: Any, size: float, rows: bool) -> None:
    """Its channel would come out as zeros, and the running variance stay infinite, unseen."""
    x, labels = examples(np.random.default_rng(5), 9)
    rng = np.random.default_rng(1)
    norm = nn.BatchNorm1d(3) if rows else nn.BatchNorm2d(2)
    first = [nn.Flatten(), nn.Linear(84, 3, rng=rng), norm] if rows else [norm, nn.Flatten()]
    last = nn.Linear(3 if rows else 84, 3, rng=rng)
    engine = engine_of(subject, model=nn.Sequential(*first, nn.ReLU(), last))
    assert engine.train_step(x, labels).is_finite
    huge = (x * size).astype(np.float32)
    assert not engine.train_step(huge, labels).is_finite
    assert engine.steps == 1
    where = "layer 2 (BatchNorm1d)" if rows else "layer 0 (BatchNorm2d)"
    assert engine.locate_nonfinite(huge) == f"the output of {where}"


@every_engine
def test_numbers_of_another_kind_or_order_in_memory(subject: Any) -> None:
    x, labels = examples(np.random.default_rng(6), 8)
    right = engine_of(subject)
    report = right.train_step(x, labels)
    padded = np.full((16, 2, 9, 13), np.nan, np.float32)
    padded[::2, :, 1:8, 12:0:-2] = x
    for like in (np.asfortranarray(x), padded[::2, :, 1:8, 12:0:-2], x.astype(np.float64)):
        engine = engine_of(subject)
        found = engine.train_step(like, labels)
        assert found.correct == report.correct
        assert found.loss == pytest.approx(report.loss, rel=1e-5)
        assert_same(engine, right, close=True)
        np.testing.assert_allclose(engine.predict(like), right.predict(x), rtol=1e-4, atol=1e-5)


@every_engine
@pytest.mark.parametrize("clip_norm", [None, 1.0])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_leaves_the_weights_alone(
    subject: Any, clip_norm: float | None, bad: float
) -> None:
    engine = trained(engine_of(subject, clip_norm=clip_norm, ema=0.9), epoch_of())
    before, (x, labels) = weights_of(engine), examples(np.random.default_rng(7), 8)
    x[3, 0, 1, 1] = bad
    report = engine.train_step(x, labels)
    assert not report.is_finite
    assert not np.isfinite(report.loss)
    assert_untouched(engine, before, 6)
    assert engine.locate_nonfinite(x) == "the input images"


@every_engine
@pytest.mark.parametrize("lost", [np.nan, 3e38])
def test_a_training_ends_with_the_first_report_that_is_not_finite(
    subject: Any, lost: float
) -> None:
    engine, epoch = trained(engine_of(subject), epoch_of(), 0, 2), epoch_of()
    state = engine.state_dict()
    state["model.8.weight"][...] = lost
    engine.load_state_dict(state)
    before = weights_of(engine)
    (report,) = engine.train(epoch, 2, 6)
    assert not report.is_finite
    assert_untouched(engine, before, 2)
    place = "the values of 8.weight" if np.isnan(lost) else "the output of layer 8 (Linear)"
    assert engine.locate_nonfinite(epoch[2].x) == place


@every_engine
def test_a_rate_that_is_none_is_refused_in_its_turn(subject: Any) -> None:
    def schedule(step: int) -> float:
        return 0.1 if step < 3 else np.nan

    engine = engine_of(subject, lr=schedule)
    with pytest.raises(ConfigError, match="learning rate of step 3"):
        trained(engine, epoch_of())
    assert engine.steps <= 3
