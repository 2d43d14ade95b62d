"""The engine that a recipe asks for, with the settings that it gives."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handloom.engines import NumpyEngine
from handloom.errors import RecipeError
from handloom.recipes import Recipe
from handloom.run import assemble, session
from handloom.studies.ensemble import train_ensemble
from handloom.training import History, Trainer

Change = Callable[..., Recipe]


def test_the_engine_is_what_the_recipe_asks_for(changed: Change) -> None:
    recipe = changed(training__ema=0.9, optimizer__clip_norm=2.0, optimizer__clip_value=1.0)
    parts = assemble.load_parts(recipe)
    choice = assemble.build_engine(recipe, parts)
    assert isinstance(choice.engine, NumpyEngine)
    engine = choice.engine
    setup = engine.setup
    assert (setup.ema, setup.clip_norm, setup.clip_value) == (0.9, 2.0, 1.0)
    trainer = assemble.build_trainer(recipe, parts, choice, callbacks=[])
    assert trainer.engine is engine
    assert trainer.notes == choice.notes == ("numpy: as requested",)


def test_a_schedules_epochs_are_those_of_the_training_part(changed: Change) -> None:
    """60 images in batches of 16 are four steps."""
    recipe = changed(schedule={"name": "step", "every": 2, "factor": 0.1})
    engine = assemble.build_engine(recipe, assemble.load_parts(recipe)).engine
    assert isinstance(engine, NumpyEngine)
    rates = [engine.optimizer.lr(step) for step in (0, 7, 8)]
    np.testing.assert_allclose(rates, [0.2, 0.2, 0.02])


@pytest.mark.parametrize("augment", [{"flip": 0.5}, {"mixup": 0.4}], ids=" ".join)
@pytest.mark.usefixtures("each_engine")
def test_what_predicts_is_what_has_trained(changed: Change, augment: dict[str, float]) -> None:
    recipe = changed(augment=augment)
    trained = assemble.build_engine(recipe, assemble.load_parts(recipe)).engine
    predictor = assemble.build_predictor(recipe, copy.deepcopy(trained.model), (1, 6, 6))
    assert type(predictor) is type(trained)


SIZES = [{"until": 0.25, "size": 3}, {"until": 0.5, "size": 4}]
ANY_SIZE = {
    "name": "sequential",
    "layers": [
        # no bias: the norm takes it away, and a rule that scales rounding errors up would move it
        {"layer": "conv2d", "out_channels": 4, "kernel_size": 3, "padding": 1, "bias": False},
        {"layer": "batch-norm"},
        {"layer": "relu"},
        {"layer": "dropout", "p": 0.1},
        {"layer": "global-avg-pool"},
        {"layer": "linear", "out_features": 3},
    ],
}


def trained_with_sizes(changed: Change, engine: str, **changes: Any) -> tuple[Trainer, History]:
    recipe = changed(
        training__sizes=SIZES, model=ANY_SIZE, engine=engine, training__epochs=4,
        training__threads=1, schedule={"name": "constant"}, **changes,
    )  # fmt: skip
    parts = assemble.load_parts(recipe)
    choice = assemble.build_engine(recipe, parts)
    trainer = assemble.build_trainer(recipe, parts, choice, callbacks=[])
    return trainer, trainer.fit()


@pytest.mark.parametrize(
    ("optimizer", "engine"),
    [
        ("momentum", "loom"), ("muon", "torch"),
        pytest.param("momentum", "torch", marks=pytest.mark.slow),
        pytest.param("muon", "loom", marks=pytest.mark.slow),  # which leaves it to NumPy
    ],
)  # fmt: skip
def test_growing_pictures_train_alike_on_every_engine(
    changed: Change, engine: str, optimizer: str
) -> None:
    pytest.importorskip("torch" if engine == "torch" else "llvmlite")
    how: Any = {"optimizer": {"name": optimizer, "lr": 0.05}}
    textbook, expected = trained_with_sizes(changed, "numpy", **how)
    trainer, history = trained_with_sizes(changed, engine, **how)
    assert trainer.engine.name == engine
    for ours, theirs in zip(history.epochs, expected.epochs, strict=True):
        for key in ("train_loss", "val_loss", "grad_norm"):
            assert ours[key] == pytest.approx(theirs[key], rel=1e-3), key
    for name, array in textbook.engine.state_dict().items():
        found = trainer.engine.state_dict()[name]
        np.testing.assert_allclose(found, array, rtol=1e-2, atol=1e-3, err_msg=name)


def test_sizes_that_the_network_cannot_take_are_refused(changed: Change) -> None:
    recipe = changed(training__sizes=SIZES, engine="numpy")
    told = "training.sizes has images of 3 x 3, which this network cannot take: .*36.*got.*9"
    with pytest.raises(RecipeError, match=told):
        assemble.build_engine(recipe, assemble.load_parts(recipe))


def test_a_part_without_weight_is_refused(changed: Change) -> None:
    """Its loss would be 0 / 0; a part of which some labels weigh something has one."""
    recipe = changed(loss={"name": "cross-entropy", "class_weights": [0.0, 0.0, 1.0]})
    parts = assemble.load_parts(recipe)
    assemble.build_engine(recipe, parts)
    assert parts.test is not None
    for name, part in (("training", parts.train), ("validation", parts.validation),
                       ("test", parts.test)):  # fmt: skip
        kept = part.labels.copy()
        part.labels[:] = kept % 2
        with pytest.raises(RecipeError, match=f"0 for every label of the {name} split"):
            assemble.build_engine(recipe, parts)
        part.labels[:] = kept


def test_a_part_without_weight_is_refused_before_anything_is_written(
    bars: Path, tmp_path: Path
) -> None:
    loss = {"name": "cross-entropy", "class_weights": [0.0, 0.0, 0.0]}
    for start in (session.train, train_ensemble):
        how: Any = {"seeds": 2} if start is train_ensemble else {}
        with pytest.raises(RecipeError, match="every label of the training split"):
            start(bars, overrides={"loss": loss}, run_dir=tmp_path / "new", **how)
        assert not (tmp_path / "new").exists()
