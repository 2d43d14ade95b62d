"""Losses with class weights: of a whole part whatever its batches, and of labels that weigh 0."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from subjects import CLASSES, engine_of, epoch_of, every_engine, examples

from handloom import nn, optim
from handloom.data import Batches, Dataset, Mixing, Normalisation
from handloom.engines import Engine, TrainingSetup, choose_engine
from handloom.training import Trainer, evaluate

WEIGHTS = np.array([1.0, 0.0, 100.0], np.float32)
LOSSES = {
    "plain": partial(nn.cross_entropy, class_weights=WEIGHTS),
    "smoothed": partial(nn.cross_entropy, class_weights=WEIGHTS, label_smoothing=0.2),
}
each_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES)


def part(images: np.ndarray, labels: np.ndarray, batch: int, **how: Any) -> Batches:
    dataset = Dataset(images, labels, tuple("abc"))
    return Batches(dataset, Normalisation("scale"), batch, seed=0, **how)


def expected_loss(engine: Engine, x: np.ndarray, labels: np.ndarray, smoothing: float) -> float:
    """Σ t (-log softmax) / Σ w[label] over all examples, as PyTorch's documentation has it."""
    z = engine.predict(x).astype(float)
    logs = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    target = (1 - smoothing) * np.eye(CLASSES)[labels] + smoothing / CLASSES
    return float(-(WEIGHTS * target * logs).sum() / WEIGHTS[labels].sum())


@every_engine
@each_loss
def test_the_loss_of_a_part_is_the_same_whatever_the_batches(subject: Any, loss: Any) -> None:
    """In batches of one, whole batches weigh nothing; smoothing gives them a loss all the same."""
    engine = engine_of(subject, loss=loss)
    images, labels = epoch_of().batches.planes, epoch_of().batches.dataset.labels
    smoothing = loss.keywords.get("label_smoothing", 0.0)
    right = expected_loss(engine, images / np.float32(255), labels, smoothing)
    for batch in (1, 7, 44, 45):
        found = evaluate(engine, part(images, labels, batch, shuffle=False), "val")
        assert found["val_loss"] == pytest.approx(right, rel=1e-5)


@every_engine
def test_the_loss_of_an_epoch_weighs_each_batch_by_its_labels(subject: Any) -> None:
    """With a rate of 0 nothing moves: the epoch's loss is that of the whole part."""
    images, labels = epoch_of().batches.planes, epoch_of().batches.dataset.labels
    loss = LOSSES["plain"]
    for batch in (1, 8, 45):
        engine = engine_without_chance(subject, loss)
        trainer = Trainer(engine, part(images, labels, batch), None, epochs=1)
        right = expected_loss(engine, images / np.float32(255), labels, 0.0)
        assert trainer.fit().epochs[0]["train_loss"] == pytest.approx(right, rel=1e-5)


def engine_without_chance(subject: Any, loss: Any) -> Engine:
    model = nn.Sequential(nn.Flatten(), nn.Linear(84, CLASSES, rng=np.random.default_rng(4)))
    return engine_of(subject, model=model, loss=loss, lr=0.0)


@every_engine
@each_loss
def test_a_batch_whose_labels_all_weigh_nothing_teaches_nothing(subject: Any, loss: Any) -> None:
    """Loss 0 and gradient 0: what moves is the decay, the momentum, the running statistics."""
    engine = engine_of(subject, loss=loss, lr=0.1)
    x, _ = examples(np.random.default_rng(3), 5)
    before = {name: p.value.copy() for name, p in engine.model.named_parameters().items()}
    report = engine.train_step(x, np.ones(5, np.int64))
    assert (report.loss, report.grad_norm) == (0.0, 0.0)
    assert report.is_finite
    assert engine.steps == 1
    for name, parameter in engine.model.named_parameters().items():
        np.testing.assert_array_equal(parameter.value, before[name], err_msg=name)


@pytest.mark.parametrize("name", ["numpy", "loom", "torch"])
def test_mixed_pictures_of_classes_that_weigh_nothing(name: str) -> None:
    """Shares are divided by N: 0 where all weigh 0, and as a mean over N where some do not."""
    rng = np.random.default_rng(5)
    model = nn.Sequential(nn.Flatten(), nn.Linear(84, CLASSES, rng=rng))
    engine = choose_engine(
        name,  # type: ignore[arg-type]
        model,
        TrainingSetup(
            LOSSES["plain"], optim.SGD(model.named_parameters(), 0.0),
            batch_size=8, soft_targets=True,
        ),
        input_shape=(2, 7, 6),
    ).engine  # fmt: skip
    x, _ = examples(rng, 4)
    nothing = np.eye(CLASSES, dtype=np.float32)[[1, 1, 1, 1]]
    report = engine.train_step(x, nothing)
    assert (report.loss, report.grad_norm) == (0.0, 0.0)
    images, labels = epoch_of().batches.planes, epoch_of().batches.dataset.labels
    mixed = part(images, labels, 7, mixing=Mixing(mixup=1.0))
    losses = [(engine.train_step(b.x, b.labels).loss, len(b.labels)) for b in mixed.epoch(0)]
    row = Trainer(engine, mixed, None, epochs=1).fit().epochs[0]
    assert row["train_loss"] == pytest.approx(sum(a * n for a, n in losses) / 45, rel=1e-5)
