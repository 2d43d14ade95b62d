"""What the probe sees in a network, against the chain rule and counts, both by hand."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

from handloom import nn, optim
from handloom.data import Batch, Normalisation
from handloom.diagnosis.probe import (
    _mean_norm,
    examine_gradients,
    examine_steps,
    examine_units,
    relative_change,
)
from handloom.engines import NumpyEngine, TrainingSetup

SCALE = Normalisation("scale")


@pytest.fixture
def images(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (40, 1, 6, 6), np.uint8)


@pytest.fixture
def batch(images: np.ndarray, rng: np.random.Generator) -> Batch:
    return Batch(SCALE(images), rng.integers(0, 3, len(images)))


def network(rng: np.random.Generator, activation: type[nn.Layer] = nn.ReLU) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, rng=rng), activation(), nn.Flatten(), nn.Linear(64, 8, rng=rng),
        activation(), nn.Linear(8, 3, rng=rng),
    )  # fmt: skip


def test_dead_units_are_counted_by_channel_and_by_feature(
    images: np.ndarray, rng: np.random.Generator
) -> None:
    model = network(rng)
    model[0].bias.value[:2] = -1000
    model[3].bias.value[[1, 5, 6]] = -1000
    convolution, dense = examine_units(model.eval(), images, SCALE)
    assert (convolution.path, convolution.kind) == ("1", "ReLU")
    assert (convolution.num_units, convolution.dead) == (4, 2)
    fires = (nn.trace(model, SCALE(images))["4"].y > 0).any(axis=0)
    assert dense.dead == 8 - fires.sum() >= 3


@pytest.mark.parametrize("lost", [np.nan, np.inf])
def test_a_gradient_that_is_lost_has_no_end(lost: float) -> None:
    assert _mean_norm(np.array([[3.0, 4.0], [0.0, 1.0]])) == 3.0
    assert _mean_norm(np.array([[lost, 4.0], [0.0, 1.0]])) == np.inf


def test_a_unit_that_fires_in_the_last_portion_lives(
    images: np.ndarray, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = network(rng).eval()
    whole = examine_units(model, images, SCALE)
    monkeypatch.setattr("handloom.diagnosis.probe.VALUES_AT_ONCE", 500)
    assert examine_units(model, images, SCALE) == whole


@pytest.mark.parametrize(
    ("kind", "low", "high"), [(nn.Sigmoid, 0.0127, 0.9873), (nn.Tanh, -0.9747, 0.9747)]
)
def test_saturation_is_where_the_slope_is_a_twentieth(
    kind: type[nn.Layer], low: float, high: float, images: np.ndarray, rng: np.random.Generator
) -> None:
    model = network(rng, kind)
    model[3].weight.value *= 20
    _, dense = examine_units(model.eval(), images, SCALE)
    y = nn.trace(model, SCALE(images))["4"].y
    assert dense.kind == kind.__name__
    assert dense.saturated == pytest.approx(((y < low) | (y > high)).mean(), abs=1e-6)
    assert 0.3 < dense.saturated < 1
    assert dense.dead == 0


def test_signals_are_the_derivatives_of_each_pictures_loss(
    batch: Batch, rng: np.random.Generator
) -> None:
    model = network(rng)
    found = examine_gradients(model, nn.cross_entropy, batch)
    assert [(signal.path, signal.kind) for signal in found] == [
        ("0", "Conv2d"), ("3", "Linear"), ("5", "Linear"),
    ]  # fmt: skip
    passages = nn.trace(model, batch.x)
    output = nn.softmax(passages["5"].y) - np.eye(3)[batch.labels]
    dense = output @ model[5].weight.value * (passages["3"].y > 0)
    convolution = (dense @ model[3].weight.value).reshape(-1, 4, 4, 4) * (passages["0"].y > 0)
    for signal, by_hand in zip(found, (convolution, dense, output), strict=True):
        norms = np.linalg.norm(by_hand.reshape(len(by_hand), -1), axis=1)
        assert signal.norm == pytest.approx(norms.mean(), rel=1e-5)
    assert not any("backward" in vars(layer) for _, layer in model.named_layers())


def numpy_engine(model: nn.Layer, loss: Any = nn.cross_entropy, lr: float = 0.1) -> NumpyEngine:
    return NumpyEngine(model, TrainingSetup(loss, optim.SGD(model.named_parameters(), lr)))


def test_steps_start_from_the_same_weights_and_leave_them(
    batch: Batch, rng: np.random.Generator
) -> None:
    model = network(rng)
    engine = numpy_engine(model, lr=7.0)
    before = {name: each.value.copy() for name, each in model.named_parameters().items()}
    steps = examine_steps(engine, [batch, batch], lr=0.01)
    for name, each in model.named_parameters().items():
        np.testing.assert_array_equal(each.value, before[name])
    assert [update.name for update in steps.updates] == ["0.weight", "3.weight", "5.weight"]
    assert (steps.worsened, steps.tried, steps.lr) == (0.0, 2, 0.01)
    model.train()
    _, gradient = nn.cross_entropy(model.forward(batch.x), batch.labels)
    model.zero_grad()
    model.backward(gradient)
    for update in steps.updates:
        weight = model.named_parameters()[update.name]
        expected = 0.01 * np.linalg.norm(weight.grad) / np.linalg.norm(weight.value)
        assert update.ratio == pytest.approx(expected, rel=1e-4)


def test_steps_that_are_too_long_make_their_own_batch_worse(
    batch: Batch, rng: np.random.Generator
) -> None:
    model = network(rng)
    engine = numpy_engine(model)
    assert examine_steps(engine, [batch] * 2, lr=1000.0).worsened == 1.0
    assert examine_steps(engine, [batch] * 2, lr=1e30).worsened == 1.0, "a loss that is lost, too"


def test_dropout_is_the_same_before_and_after_a_step(
    batch: Batch, rng: np.random.Generator
) -> None:
    """Else chance would decide whether a step made it worse."""
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(36, 64, rng=rng),
        nn.Dropout(0.5, rng=rng),
        nn.Linear(64, 3, rng=rng),
    )
    loss = partial(nn.cross_entropy, label_smoothing=0.1)
    engine = numpy_engine(model, loss)
    assert examine_steps(engine, [batch] * 3, lr=1e-3).worsened == 0.0


def test_relative_change_is_safe_at_both_ends() -> None:
    big = np.full(4, 3e38, np.float32)
    assert relative_change(big, -big) == pytest.approx(2.0)
    assert relative_change(np.zeros(4, np.float32), np.ones(4, np.float32)) == 2.0
