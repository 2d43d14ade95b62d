"""A training small enough for a test: three kinds of 6×6 images, a net that learns them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from handloom import nn, optim
from handloom.data import Batches, Dataset, Normalisation
from handloom.engines import NumpyEngine, TrainingSetup
from handloom.training import Trainer


def make_dataset(count: int, seed: int) -> Dataset:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, count)
    images = rng.integers(0, 120, (count, 6, 6))
    for row, label in enumerate(labels):
        images[row, 2 * label : 2 * label + 2] += 100
    return Dataset(images.astype(np.uint8), labels, ("top", "middle", "bottom"), "bars")


@pytest.fixture
def make_trainer() -> Callable[..., Trainer]:
    def make(*, lr: float = 0.1, **settings: Any) -> Trainer:
        rng = np.random.default_rng(3)
        net = nn.Sequential(
            nn.Flatten(), nn.Linear(36, 16, rng=rng), nn.ReLU(), nn.Linear(16, 3, rng=rng)
        )
        engine = NumpyEngine(
            net, TrainingSetup(nn.cross_entropy, optim.SGD(net.named_parameters(), lr))
        )
        scale = Normalisation("scale")
        return Trainer(
            engine,
            Batches(make_dataset(90, 1), scale, 16, seed=0),
            Batches(make_dataset(30, 2), scale, 20, seed=0, shuffle=False),
            **{"epochs": 5, **settings},
        )

    return make
