"""The plan of a compiled step: it accounts for the whole network, and needs no data."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from handloom import data
from handloom.engines.loom import partly
from handloom.engines.loom.terms import mostly_dark
from handloom.errors import ConfigError, DataError
from handloom.recipes import Recipe, load_recipe
from handloom.run import assemble
from handloom.run.assemble.plan import draw_strokes

Change = Callable[..., Recipe]

pytest.importorskip("llvmlite")


@pytest.fixture(autouse=True)
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a machine that has no set and no network."""
    monkeypatch.delenv("HANDLOOM_DATA", raising=False)

    def load(name: str, *, download: bool) -> None:
        assert not download
        raise DataError(f"{name} is not here")

    monkeypatch.setattr(data, "load", load)


@pytest.mark.parametrize("normalise", ["scale", "standard", "per-picture"])
def test_every_layer_and_parameter_is_in_a_piece(normalise: str) -> None:
    changes = {"model.hidden": [12], "data.normalise": normalise, "training.threads": 1}
    recipe = load_recipe("mnist-mlp-1000", changes)
    plan = assemble.explain_plan(recipe)
    model = assemble.build_model(recipe, (1, 28, 28), 10)
    assert sum(piece.parameters for piece in plan.pieces) == model.num_parameters()
    names = {path for path, _ in model.named_children()}
    assert {path for piece in plan.pieces for path in piece.layers} == names - {"0"}
    assert plan.no_piece == ("0 Flatten",)
    assert plan.pieces[-1].output == (10,)
    products = 32 * (784 * 12 + 12 * 10 + 12 * 10)  # forward, and the errors of the first layer
    gradients = 32 * (784 * 12 + 12 * 10)
    assert sum(stage.flops for stage in plan.stages) == 2 * (products + gradients)
    assert (plan.batch, plan.threads) == (32, 1)


@pytest.mark.parametrize(("normalise", "skips"), [("scale", True), ("standard", False)])
def test_dark_pixels_are_skipped_where_the_engine_would(normalise: str, skips: bool) -> None:
    recipe = load_recipe("mnist-mlp-1000", {"data.normalise": normalise, "training.threads": 1})
    plan = assemble.explain_plan(recipe)
    assert ("find lit pixels" in [stage.title for stage in plan.stages]) is skips


def test_pictures_of_ones_own_tell_their_shape(changed: Change) -> None:
    plan = assemble.explain_plan(changed(training__threads=2))
    assert [piece.output for piece in plan.pieces] == [(8,), (3,)]
    assert plan.threads == 2


def test_a_recipe_s_clipping_and_averaging_are_in_the_step(changed: Change) -> None:
    plan = assemble.explain_plan(changed(optimizer__clip_norm=1.0, training__ema=0.99))
    assert plan.stages[-1].title == "clip, update"
    plain = assemble.explain_plan(changed())
    assert plan.parameter_bytes > plain.parameter_bytes


def test_what_is_not_compiled_is_named(changed: Change) -> None:
    plan = assemble.explain_plan(changed(loss={"name": "mse"}))
    assert [piece.layers for piece in plan.pieces] == [("1", "2"), ("3",)]
    assert plan.in_numpy[0] == "the loss (mse)"
    assert plan.stages == ()


def test_without_a_compiler_there_is_no_plan(
    changed: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(partly, "refusal", lambda: "no vectors here")
    with pytest.raises(ConfigError, match="step cannot be compiled here: no vectors here"):
        assemble.explain_plan(changed())


def test_missing_pictures_of_ones_own_are_missed(changed: Change) -> None:
    recipe = changed(data={"folder": "nowhere", "validation": 0.2})
    with pytest.raises(DataError, match="nowhere"):
        assemble.explain_plan(recipe)


def test_strokes_are_as_dark_and_as_crowded_as_digits() -> None:
    """Of MNIST's pixels 19 % are lit, of those of eleven images together 49 %."""
    images = draw_strokes(220, (1, 28, 28))
    assert (images.shape, images.dtype) == ((220, 1, 28, 28), np.uint8)
    lit = images.reshape(-1, 784) > 0
    assert 0.14 < lit.mean() < 0.24
    assert 0.4 < lit.reshape(20, 11, 784).any(axis=1).mean() < 0.6
    assert mostly_dark(images)
    np.testing.assert_array_equal(
        draw_strokes(2, (3, 9, 7))[:, 0], draw_strokes(2, (3, 9, 7))[:, 2]
    )
