"""The plan of a compiled step: it accounts for the whole network, and needs no data."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from handloom import assemble
from handloom.engines import weave
from handloom.errors import ConfigError, RecipeError
from handloom.recipes import Recipe, load_recipe

Change = Callable[..., Recipe]

pytest.importorskip("llvmlite")


@pytest.fixture(autouse=True)
def no_data(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HANDLOOM_DATA", raising=False)


@pytest.mark.parametrize("normalise", ["scale", "standard", "per-picture"])
def test_every_layer_and_parameter_is_in_a_piece(normalise: str) -> None:
    changes = {"model.hidden": [12], "data.normalise": normalise, "training.threads": 1}
    recipe = load_recipe("mnist-mlp-1000", changes)
    plan = assemble.explain_plan(recipe)
    model = assemble.build_model(recipe, (1, 28, 28), 10)
    assert sum(piece.parameters for piece in plan.pieces) == model.num_parameters()
    names = {path for path, _ in model.named_children()}
    assert {path for piece in plan.pieces for path in piece.layers} == names - {"0"}, "Flatten"
    assert plan.pieces[-1].output == (10,)
    assert sum(stage.share for stage in plan.stages) == pytest.approx(1.0)
    products = 32 * (784 * 12 + 12 * 10 + 12 * 10)  # forward, and the errors of the first layer
    gradients = 32 * (784 * 12 + 12 * 10)
    assert sum(stage.flops for stage in plan.stages) == 2 * (products + gradients)
    assert (plan.batch, plan.threads) == (32, 1)


def test_pictures_of_ones_own_tell_their_shape(changed: Change) -> None:
    plan = assemble.explain_plan(changed(training__threads=2))
    assert [piece.output for piece in plan.pieces] == [(8,), (3,)]
    assert plan.threads == 2


def test_what_is_not_compiled_as_a_whole_is_named(changed: Change) -> None:
    with pytest.raises(RecipeError, match="no plan of the whole step: the loss mse runs on numpy"):
        assemble.explain_plan(changed(loss={"name": "mse"}))


def test_without_a_compiler_there_is_no_plan(
    changed: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weave, "refusal", lambda: "no vectors here")
    with pytest.raises(ConfigError, match="no plan of a compiled step here: no vectors here"):
        assemble.explain_plan(changed())
