"""The networks that no shipped recipe may have, small: the loom trains them as the numpy engine."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from handloom import nn, optim
from handloom.data import Batches, Dataset, Epoch, Normalisation
from handloom.engines import TrainingSetup, choose_engine
from handloom.run.assemble.network import MODELS

machine = pytest.importorskip("handloom.loom.language.machine")
if why := machine.unsupported():
    pytest.skip(why, allow_module_level=True)

IMAGE = (1, 9, 8)
CLASSES = 3
EXACT = 1e-12
"""Of the weights after all steps, in float64; measured: 1e-15."""
NETWORKS: dict[str, dict[str, Any]] = {
    "resnet": {"width": 3},
    "resnet-cifar": {"depth": 8, "width": 4, "zero_init_residual": True},
    "wide-resnet": {"depth": 10, "widen": 1, "dropout": 0.2},
    "vgg": {"channels": (4, 5), "convolutions": (2, 1), "hidden": (7,), "conv_dropout": 0.1},
    "densenet": {"blocks": (2, 1), "growth": 3, "dropout": 0.1},
}
IN_RECIPES = {"mlp", "lenet", "sequential"}
LONG = {"resnet", "wide-resnet", "vgg"}  # long to compile, and nothing in them that others lack


def training_part() -> Epoch:
    rng = np.random.default_rng(9)
    images = rng.integers(0, 256, (40, *IMAGE), np.uint8)
    dataset = Dataset(images, rng.integers(0, CLASSES, 40), tuple("abc"))
    batches = Batches(dataset, Normalisation.fit("scale", images), 8, seed=0)
    return replace(batches, dtype=np.float64).epoch(0)


def trained(name: str, engine: Any, **more: Any) -> tuple[Any, list[float]]:
    """The engine after five steps, and their losses."""
    settings = {**NETWORKS[name], **more}
    rng = np.random.default_rng(3)
    model = MODELS[name](IMAGE, CLASSES, **settings, rng=rng, dtype=np.float64)
    rule = optim.Momentum(model.named_parameters(), 0.05)
    setup = TrainingSetup(nn.cross_entropy, rule, batch_size=8)
    made = choose_engine(engine, model, setup, input_shape=IMAGE).engine
    return made, [report.loss for report in made.train(training_part(), 0, 5)]


def assert_alike(name: str, **more: Any) -> Any:
    (ours, losses), (theirs, right) = (
        trained(name, engine, **more) for engine in ("loom", "numpy")
    )
    np.testing.assert_allclose(losses, right, rtol=EXACT)
    state = theirs.state_dict()
    for key, array in ours.state_dict().items():
        np.testing.assert_allclose(array, state[key], rtol=0, atol=EXACT, err_msg=key)
    return ours


def test_every_network_is_here_or_in_a_recipe() -> None:
    assert set(MODELS) == set(NETWORKS) | IN_RECIPES


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n in LONG else []) for n in NETWORKS]
)
def test_the_loom_trains_it_whole_as_numpy_does(name: str) -> None:
    assert not assert_alike(name).uncovered


def test_resizing_stays_with_numpy() -> None:
    ours = assert_alike("densenet", blocks=(1,), form="imagenet", resize=17)
    assert "0 (Resize)" in ours.uncovered
