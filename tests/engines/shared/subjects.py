"""The engines that the contract is held against, and what its tests share.

The subjects are found by themselves: whatever `choose_engine` makes of each name that a recipe may
use, for a training that can be compiled and for one that cannot as a whole.
"""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any, get_args

import numpy as np
import pytest

from handloom import nn, optim
from handloom.data import Batches, Dataset, Epoch, Normalisation
from handloom.engines import Engine, TrainingSetup, choose_engine
from handloom.engines.choose import EngineName
from handloom.engines.loom.partly import refusal

SHAPE = (2, 7, 6)
CLASSES = 3


class OwnMomentum(optim.Momentum):
    """An optimizer that no compiler knows, whatever it does."""


KINDS: dict[str, type[optim.Optimizer]] = {"": optim.Momentum, " of its own": OwnMomentum}
NAMES = [n for n in get_args(EngineName) if n == "numpy" or (n != "auto" and not refusal())]


def network(seed: int = 0) -> nn.Sequential:
    """Convolution, norm, chance, two kinds of dense layers: state of every sort."""
    rng = np.random.default_rng(seed)
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, rng=rng), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(16, 12, rng=rng), nn.Tanh(), nn.Dropout(0.2, rng=rng),
        nn.Linear(12, CLASSES, rng=rng, bias=False),
    )  # fmt: skip


def engine_of(subject: tuple[str, str], seed: int = 0, **how: Any) -> Engine:
    """An engine on the network; `how` may hold model, loss, lr, weight_decay, threads as well."""
    name, sort = subject
    model = how.pop("model", None) or network(seed)
    kind = how.pop("kind", None) or KINDS[sort]
    optimizer = kind(
        model.named_parameters(), how.pop("lr", optim.Cosine(0.1, 40)),
        weight_decay=how.pop("weight_decay", 0.0),
    )  # fmt: skip
    assert name in get_args(EngineName)
    return choose_engine(
        name,  # type: ignore[arg-type]
        model,
        TrainingSetup(how.pop("loss", nn.cross_entropy), optimizer, batch_size=8, **how),
        input_shape=SHAPE,
    ).engine  # fmt: skip


@cache
def subjects() -> list[tuple[str, str]]:
    """(name, sort of training), one for each class of engine."""
    found = {type(engine_of(subject)): subject for subject in reversed([*product(NAMES, KINDS)])}
    return sorted(found.values())


every_engine = pytest.mark.parametrize("subject", subjects(), ids="".join)
every_pair = pytest.mark.parametrize(
    ("subject", "other"), [*product(subjects(), repeat=2)], ids="".join
)


def examples(rng: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.random((count, *SHAPE), np.float32), rng.integers(0, CLASSES, count)


def epoch_of(count: int = 45, **how: Any) -> Epoch:
    rng = np.random.default_rng(9)
    images = rng.integers(0, 256, (count, *SHAPE), np.uint8)
    dataset = Dataset(images, rng.integers(0, CLASSES, count), tuple("abc"))
    normalisation = Normalisation.fit(how.pop("normalise", "scale"), images)
    return Batches(dataset, normalisation, 8, seed=0, **how).epoch(0)


def assert_same(one: Engine, other: Engine, *, close: bool = False) -> None:
    first, second = one.state_dict(), other.state_dict()
    assert first.keys() == second.keys()
    for name, array in first.items():
        if close:
            np.testing.assert_allclose(array, second[name], rtol=1e-4, atol=1e-5, err_msg=name)
        else:
            np.testing.assert_array_equal(array, second[name], err_msg=name)


def trained(engine: Engine, epoch: Epoch, start: int = 0, stop: int = 6) -> Engine:
    assert len([*engine.train(epoch, start, stop)]) == stop - start
    return engine


def weights_of(engine: Engine) -> dict[str, np.ndarray]:
    return {name: p.value.copy() for name, p in engine.model.named_parameters().items()}


def assert_untouched(engine: Engine, weights: dict[str, np.ndarray], steps: int) -> None:
    assert engine.steps == steps
    for name, value in weights_of(engine).items():
        np.testing.assert_array_equal(value, weights[name], err_msg=name)
