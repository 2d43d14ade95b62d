"""A training in float64 is one from the pixels on: no number passes through float32 on its way."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any, get_args

import numpy as np
import pytest

from handloom import nn, optim
from handloom.data import Augmentation, Batches, Dataset, Mixing, Normalisation
from handloom.data.prepare.normalise import NormalisationKind
from handloom.engines import Engine, TrainingSetup, choose_engine
from handloom.training import evaluate

EXACT = 1e-12
IMAGE = (2, 8, 7)
WEIGHTS = np.array([0.3, 1.1, 2.0])
CHANGES: dict[str, dict[str, Any]] = {
    "as they are": {},
    "augmented": {"augmentation": Augmentation(shift=1, flip=0.5)},
    "mixed": {"mixing": Mixing(mixup=0.4)},
}
ENGINES = [
    "numpy", "loom", pytest.param("torch", marks=pytest.mark.slow),
]  # fmt: skip


def network(dtype: Any = np.float64) -> nn.Sequential:
    rng = np.random.default_rng(3)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, rng=rng, dtype=dtype), nn.BatchNorm2d(4, dtype=dtype), nn.ELU(),
        nn.Flatten(), nn.Linear(120, 3, rng=rng, dtype=dtype),
    )  # fmt: skip


def batches_of(kind: Any, **change: Any) -> Batches:
    rng = np.random.default_rng(9)
    images = rng.integers(0, 256, (26, *IMAGE), np.uint8)
    dataset = Dataset(images, rng.integers(0, 3, 26), tuple("abc"))
    return Batches(dataset, Normalisation.fit(kind, images), 8, seed=0, **change)


def engine_of(name: str, model: nn.Sequential, batches: Batches) -> Engine:
    loss = partial(nn.cross_entropy, class_weights=WEIGHTS, label_smoothing=0.1)
    if name != "numpy":
        pytest.importorskip({"loom": "llvmlite", "torch": "torch"}[name])
    setup = TrainingSetup(
        loss, optim.Momentum(model.named_parameters(), 0.05),
        batch_size=8, soft_targets=batches.mixing is not None,
    )  # fmt: skip
    return choose_engine(name, model, setup, input_shape=IMAGE).engine


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("kind", get_args(NormalisationKind))
@pytest.mark.parametrize("change", CHANGES)
def test_every_step_is_that_of_the_textbook(engine: str, kind: str, change: str) -> None:
    """The textbook's: layers called by hand on numbers that are normalised in float64."""
    batches = batches_of(kind, **CHANGES[change])
    made = engine_of(engine, network(), batches)
    reports = list(made.train(batches.epoch(0), 0, 3))
    model = network()
    rule = optim.Momentum(model.named_parameters(), 0.05)
    for step, report in enumerate(reports):
        pixels = batches.epoch(0).pixels(step, step + 1)
        x = batches.normalisation(pixels.images[pixels.rows], np.float64)
        loss, gradient = nn.cross_entropy(
            model.forward(x), pixels.labels, class_weights=WEIGHTS, label_smoothing=0.1
        )
        model.zero_grad()
        model.backward(gradient)
        rule.step()
        assert report.loss == pytest.approx(loss, rel=EXACT)
    images = batches.planes[:5]
    wanted = model.eval().forward(batches.normalisation(images, np.float64))
    found = made.predict_pictures(images, batches.normalisation)
    assert found.dtype == np.float64
    whole = evaluate(made, replace(batches, mixing=None), "val")["val_loss"]
    x, labels = batches.normalisation(batches.planes, np.float64), batches.dataset.labels
    right = nn.cross_entropy(model.forward(x), labels, class_weights=WEIGHTS, label_smoothing=0.1)[
        0
    ]
    if change != "augmented":
        assert whole == pytest.approx(right, rel=EXACT)
    np.testing.assert_allclose(found, wanted, rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_in_float32_everything_is_float32(engine: str) -> None:
    batches = batches_of("per-picture")
    made = engine_of(engine, network(np.float32), batches)
    list(made.train(batches.epoch(0), 0, 1))
    assert {array.dtype for array in made.weights().values()} == {np.dtype(np.float32)}
