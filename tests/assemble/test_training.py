"""The loop, with the callbacks that a recipe asks for."""

from __future__ import annotations

from collections.abc import Callable

from handloom import assemble
from handloom.recipes import Recipe
from handloom.training.callbacks import EarlyStop, Plateau

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
