"""What the engines are told: every setting of the recipe, by an ear in their place."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from handloom import nn
from handloom.engines import ALONE, Choice, TorchSettings, TrainingSetup
from handloom.recipes import Recipe
from handloom.run import assemble
from handloom.run.assemble import engine as room
from handloom.run.assemble import plan
from handloom.training import History
from handloom.training.callbacks import Callback

Change = Callable[..., Recipe]


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The arguments of the newest call of choose_engine."""
    found: dict[str, Any] = {}

    def choose(name: str, model: Any, setup: TrainingSetup, **shape: Any) -> Choice:
        found.clear()
        found.update(vars(setup), name=name, model=model, **shape)
        return Choice(SimpleNamespace(name=name), ("a note",))  # type: ignore[arg-type]

    monkeypatch.setattr(room, "choose_engine", choose)
    return found


SETTINGS: dict[str, Any] = {
    "optimizer__clip_norm": 2.0, "optimizer__clip_value": 0.5, "training__ema": 0.8,
    "training__batch_size": 10, "training__threads": 2, "data__normalise": "standard",
    "augment": {"mixup": 0.3}, "loss": {"name": "mse"}, "seed": 4,
    "schedule": {"name": "step", "every": 1, "factor": 0.5},
    "torch": {"device": "cpu", "precision": "float32", "compile": True},
}  # fmt: skip


def test_a_training_s_engine_is_told_all(
    changed: Change, heard: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = changed(**SETTINGS)
    parts = assemble.load_parts(recipe)
    together = SimpleNamespace(size=1)
    asked: list[int] = []
    monkeypatch.setattr(room, "above_the_limit", lambda threads: asked.append(threads) or "many")
    choice = assemble.build_engine(recipe, parts, together)  # type: ignore[arg-type]
    assert choice.notes == ("a note", "many")
    assert asked == [2]
    monkeypatch.setattr(room, "above_the_limit", lambda threads: None)
    assert assemble.build_engine(recipe, parts, together).notes == ("a note",)  # type: ignore[arg-type]
    assert heard["name"] == "numpy"
    assert heard["input_shape"] == (1, 6, 6)
    assert heard["batch_size"] == 10
    assert heard["threads"] == 2
    assert heard["normalisation"] is parts.normalisation
    assert heard["soft_targets"] is True
    assert (heard["clip_norm"], heard["clip_value"], heard["ema"]) == (2.0, 0.5, 0.8)
    assert heard["torch"] == TorchSettings("cpu", "float32", True, together)  # type: ignore[arg-type]
    assert heard["loss"].func is nn.mse
    assert heard["optimizer"].params == heard["model"].named_parameters()
    # 60 images in batches of 10: the rate is halved after six steps.
    assert [heard["optimizer"].lr(step) for step in (0, 5, 6)] == [0.2, 0.2, 0.1]
    expected = assemble.build_model(recipe, (1, 6, 6), 3).state_dict()
    for name, weights in heard["model"].state_dict().items():
        np.testing.assert_array_equal(weights, expected[name])


def test_what_is_left_out_is_left_to_the_engine(changed: Change, heard: dict[str, Any]) -> None:
    recipe = changed()
    assemble.build_engine(recipe, assemble.load_parts(recipe))
    assert heard["soft_targets"] is False
    assert (heard["clip_norm"], heard["clip_value"], heard["ema"]) == (None, None, None)
    assert heard["torch"] == TorchSettings()
    assert heard["torch"].processes is ALONE


def test_what_predicts_is_told_what_it_needs(
    changed: Change, heard: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = changed(**SETTINGS)
    asked: list[Any] = []
    answer = ("loom", TorchSettings("mps"))
    monkeypatch.setattr(room, "predicting_engine", lambda *of: asked.append(of) or answer)
    model = assemble.build_model(recipe, (1, 6, 6), 3)
    engine: Any = assemble.build_predictor(recipe, model, (1, 6, 6))
    assert asked == [("numpy", TorchSettings("cpu", "float32", True))]
    assert engine.name == heard["name"] == "loom"
    assert heard["torch"] == TorchSettings("mps")
    assert heard["model"] is model
    assert heard["input_shape"] == (1, 6, 6)
    assert (heard["batch_size"], heard["threads"]) == (10, 2)
    assert heard["soft_targets"] is True
    assert heard["loss"].func is nn.mse
    assert heard["optimizer"].params == model.named_parameters()
    weighted = changed(loss={"name": "cross-entropy", "class_weights": [1.0, 2.0, 3.0]})
    assemble.build_predictor(weighted, model, (1, 6, 6))
    assert heard["loss"].keywords["class_weights"].tolist() == [1.0, 2.0, 3.0]


def test_callbacks_of_the_recipe_come_before_others(changed: Change, tmp_path: Any) -> None:
    recipe = changed(
        training__tensorboard=True, training__plateau={}, training__early_stopping_patience=3
    )
    parts = assemble.load_parts(recipe)
    choice, other = assemble.build_engine(recipe, parts), Callback()
    history = History(tmp_path / "metrics.jsonl")
    trainer = assemble.build_trainer(recipe, parts, choice, callbacks=[other], history=history)
    kinds = [type(each).__name__ for each in trainer.callbacks]
    assert kinds == ["TensorBoard", "Plateau", "EarlyStop", "Callback"]
    assert trainer.callbacks[-1] is other
    assert trainer.callbacks[0].folder == tmp_path / "tensorboard"  # type: ignore[attr-defined]
    assert trainer.history is history
    for nowhere in (None, History()):  # no folder to write events to
        trainer = assemble.build_trainer(recipe, parts, choice, callbacks=[], history=nowhere)
        assert [type(each).__name__ for each in trainer.callbacks] == ["Plateau", "EarlyStop"]


# -- the plan of a compiled step ------------------------------------------------------------------


def test_a_plan_is_compiled_with_every_setting(
    changed: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    compile_module = pytest.importorskip("handloom.engines.loom.compile")
    heard: dict[str, Any] = {}
    written: list[Any] = []

    def listen(model: Any, setup: TrainingSetup, **settings: Any) -> Any:
        heard.clear()
        heard.update(vars(setup), model=model, **settings)
        return SimpleNamespace(write=written.append)

    monkeypatch.setattr(compile_module, "compile_network", listen)
    settings = {key: value for key, value in SETTINGS.items() if key not in ("augment", "loss")}
    recipe = changed(
        **settings, loss={"name": "cross-entropy", "label_smoothing": 0.2,
                          "class_weights": [1.0, 2.0, 3.0]},
    )  # fmt: skip
    dark = np.zeros((8, 1, 6, 6), np.uint8)
    model = assemble.build_model(recipe, (1, 6, 6), 3)
    plan.compile_timed(recipe, model, dark)
    assert heard["model"] is model
    assert heard["optimizer"].params == model.named_parameters()
    assert heard["loss"].keywords["label_smoothing"] == 0.2
    assert heard["loss"].keywords["class_weights"].tolist() == [1.0, 2.0, 3.0]
    assert heard["input_shape"] == (1, 6, 6)
    assert (heard["batch_size"], heard["threads"]) == (10, 2)
    assert (heard["clip_norm"], heard["clip_value"], heard["ema"]) == (2.0, 0.5, 0.8)
    assert heard["timed"] is True
    assert not heard["pictures"].sparse  # standardised, black is not zero
    (weights,) = written
    assert weights.keys() == model.named_parameters().keys()
    assert all(weights[n] is p.value for n, p in model.named_parameters().items())
    scaled = changed(data__normalise="scale", training__threads=1)
    for images, sparse in ((dark, True), (dark + 9, False)):
        plan.compile_timed(scaled, model, images)
        assert heard["pictures"].sparse is sparse
    # As the engine, it looks at the first 512.
    mixed = np.concatenate(
        [np.zeros((512, 1, 6, 6), np.uint8), np.full((5000, 1, 6, 6), 9, np.uint8)]
    )
    plan.compile_timed(scaled, model, mixed)
    assert heard["pictures"].sparse is True
