"""The loop, with the callbacks that a recipe asks for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from handloom.errors import MissingExtraError
from handloom.recipes import Recipe
from handloom.run import assemble
from handloom.training import Trainer
from handloom.training.callbacks import Callback, EarlyStop, Plateau

Change = Callable[..., Recipe]


def test_callbacks_of_the_recipe_are_there(changed: Change) -> None:
    recipe = changed(
        training__early_stopping_patience=3,
        training__early_stopping_monitor="val_accuracy",
        training__plateau={"patience": 2, "factor": 0.5},
    )
    parts = assemble.load_parts(recipe)
    trainer = assemble.build_trainer(
        recipe, parts, assemble.build_engine(recipe, parts), callbacks=[]
    )
    plateau, early = trainer.callbacks
    assert plateau == Plateau("val_loss", 0.5, 2)
    assert early == EarlyStop("val_accuracy", 3)


@dataclass
class StopAfter(Callback):
    epochs: int

    def on_epoch_end(self, trainer: Trainer) -> None:
        if trainer.epoch == self.epochs:
            trainer.request_stop("half of it is done")


@pytest.mark.parametrize("half", [1, 2])
@pytest.mark.usefixtures("each_engine")
def test_whatever_varies_a_training_resumes_with_the_same_bits(changed: Change, half: int) -> None:
    """Mixed images, sizes that grow, slow weights, an average: all are functions of the step."""
    layers: list[dict[str, Any]] = [
        {"layer": "conv2d", "out_channels": 4, "kernel_size": 3, "padding": 1},
        {"layer": "batch-norm"}, {"layer": "relu"}, {"layer": "global-avg-pool"},
        {"layer": "dropout", "p": 0.2}, {"layer": "linear", "out_features": 3},
    ]  # fmt: skip
    recipe = changed(
        model={"name": "sequential", "layers": layers}, training__epochs=4, training__ema=0.9,
        augment={"flip": 0.5, "shift": 0.1, "mixup": 0.2, "cutmix": 1.0, "mix": 0.7},
        optimizer={"name": "muon", "lr": 0.02, "lookahead": {"every": 4}}, training__threads=1,
        schedule={"name": "one-cycle"}, training__sizes=[{"until": 0.5, "size": 4}],
    )  # fmt: skip
    parts = assemble.load_parts(recipe)

    def trainer(*callbacks: Callback) -> Trainer:
        choice = assemble.build_engine(recipe, parts)
        return assemble.build_trainer(recipe, parts, choice, callbacks=[*callbacks])

    whole, first, second = trainer(), trainer(StopAfter(half)), trainer()
    whole.fit()
    first.fit()
    second.engine.load_state_dict(first.engine.state_dict())
    second.fit(first.state() | {"stop_reason": None})
    expected, found = whole.engine.state_dict(), second.engine.state_dict()
    assert expected.keys() == found.keys()
    assert {name.rsplit(".", 1)[-1] for name in expected} >= {"slow", "velocity"}
    for name, array in expected.items():
        assert found[name].tobytes() == array.tobytes(), name


def test_a_callback_whose_library_is_missing_is_refused_in_advance(
    changed: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    assemble.check_callbacks(changed())
    with pytest.raises(MissingExtraError, match=r"tensorboardX .*handloom\[tensorboard\]"):
        assemble.check_callbacks(changed(training__tensorboard=True))
