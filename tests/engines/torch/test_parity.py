"""Every shipped network and recipe trains in PyTorch as in the textbook.

In float64 nothing but the order of sums differs, and ten steps agree to 1e-10. A run of either
engine classifies as the other does with its weights, to the last image.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from shipped import shipped, shortened

import handloom as hl
from handloom import nn
from handloom.data import with_channels
from handloom.engines import NumpyEngine, TrainingSetup, choose_engine
from handloom.engines.torch import TorchEngine
from handloom.recipes import Recipe
from handloom.recipes.schema.recipe import KINDS
from handloom.run import assemble, session

STEPS = 10
EXACT = 1e-10

SMALL: dict[str, dict[str, Any]] = {
    "mlp": {"hidden": [20, 12], "norm": "batch", "dropout": 0.3, "activation": "gelu"},
    "lenet": {"channels": [3, 4], "kernel_size": 3, "hidden": [10], "dropout": 0.2},
    "resnet": {"width": 3, "resize": 16},
    "resnet-cifar": {"depth": 8, "width": 3, "zero_init_residual": True},
    "wide-resnet": {"depth": 10, "widen": 1, "dropout": 0.2},
    "vgg": {
        "channels": [3, 4], "convolutions": [1, 2], "hidden": [6],
        "conv_dropout": 0.1, "dropout": 0.2, "activation": "elu",
    },
    "densenet": {"blocks": [2, 2], "growth": 3, "dropout": 0.2},
    "sequential": {
        "layers": [
            {"layer": "flatten"}, {"layer": "linear", "out_features": 12}, {"layer": "layer-norm"},
            {"layer": "silu"}, {"layer": "linear", "out_features": 10},
        ]
    },
}  # fmt: skip
"""Every network that a recipe can name, small."""


def training_of(name: Any, recipe: Recipe, parts: assemble.Parts) -> Any:
    """The recipe's training in one engine, in float64: the engine after STEPS, and its reports."""
    shape, classes = parts.train.image_shape, parts.train.num_classes
    model = assemble.build_model(recipe, shape, classes).astype(np.float64)
    batches = replace(assemble.training_batches(recipe, parts, model), dtype=np.float64)
    engine = choose_engine(
        name,
        model,
        TrainingSetup(
            assemble.build_loss(recipe, classes),
            assemble.build_optimizer(recipe, model, len(batches)),
            batch_size=recipe.training.batch_size, clip_norm=recipe.optimizer.clip_norm,
            clip_value=recipe.optimizer.clip_value, ema=recipe.training.ema,
        ),
        input_shape=shape,
    ).engine  # fmt: skip
    reports: list[Any] = []
    while len(reports) < STEPS:
        number, start = divmod(len(reports), len(batches))
        stop = min(len(batches), start + STEPS - len(reports))
        reports += engine.train(batches.epoch(number), start, stop)
    return engine, reports


def check(recipe: Recipe, parts: assemble.Parts) -> None:
    (ours, found), (theirs, right) = (
        training_of(name, recipe, parts) for name in ("torch", "numpy")
    )
    assert isinstance(ours, TorchEngine)
    assert ours.uncovered == ()
    for one, other in zip(found, right, strict=True):
        np.testing.assert_allclose(one, other, rtol=EXACT)
    state = ours.state_dict()
    for name, array in theirs.state_dict().items():
        scale = np.abs(array).max() if array.size else 0.0
        np.testing.assert_allclose(state[name], array, rtol=0, atol=EXACT * max(scale, 1.0))
    x = parts.normalisation(parts.validation.images[:50], np.float64)
    np.testing.assert_allclose(ours.predict(x), theirs.predict(x), rtol=EXACT, atol=EXACT)


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_recipe(name: str) -> None:
    check(*shortened(name, 0.02))


@pytest.mark.parametrize("name", SMALL)
def test_every_network(name: str) -> None:
    recipe, parts = shortened("digits", 1.0)
    values = recipe.model_dump(mode="json", exclude_none=True, exclude_unset=True)
    values["model"] = {"name": name, **SMALL[name]}
    values["training"]["batch_size"] = 12
    check(Recipe.model_validate(values), parts)


def test_every_network_that_a_recipe_can_name_is_here() -> None:
    assert SMALL.keys() == KINDS["model"].keys()


# -- whole runs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ["torch", "numpy"])
def test_a_run_of_one_engine_tests_the_same_on_the_other(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "draw", lambda run, parts: [])  # images are not tested here
    changes = {"engine": engine, "training.epochs": 2, "training.threads": 1, "data.sample": 0.5}
    run = hl.train("digits-residual", overrides=changes, run_dir=tmp_path / "run")
    assert run.result["engine"] == engine
    test = run.parts().test
    assert test is not None
    x = run.normalisation(with_channels(test.images))
    model = assemble.build_model(run.recipe, run.image_shape, 10)
    model.load_state_dict(run.model.state_dict())
    rule = assemble.build_optimizer(run.recipe, model, 1)
    setup = TrainingSetup(nn.cross_entropy, rule)
    other = (NumpyEngine if engine == "torch" else TorchEngine)(model, setup)
    np.testing.assert_array_equal(other.predict(x).argmax(axis=1), run.predict(test.images))
    accuracy = other.evaluate(x, test.labels).correct / len(x)
    assert accuracy == run.result["test"]["accuracy"]
