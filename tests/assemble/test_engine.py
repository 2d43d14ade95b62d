"""The engine that a recipe asks for, with the settings that it gives."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from handloom import assemble
from handloom.engines import NumpyEngine
from handloom.errors import RecipeError
from handloom.recipes import Recipe

Change = Callable[..., Recipe]


def test_the_engine_is_what_the_recipe_asks_for(changed: Change) -> None:
    recipe = changed(training__ema=0.9, optimizer__clip_norm=2.0, optimizer__clip_value=1.0)
    parts = assemble.load_parts(recipe)
    choice = assemble.build_engine(recipe, parts)
    assert isinstance(choice.engine, NumpyEngine)
    engine = choice.engine
    assert (engine.ema, engine.clip_norm, engine.clip_value) == (0.9, 2.0, 1.0)
    trainer = assemble.build_trainer(recipe, parts, choice, callbacks=[])
    assert trainer.engine is engine
    assert trainer.notes == choice.notes == ("numpy: as asked for",)


def test_a_schedules_epochs_are_those_of_the_training_part(changed: Change) -> None:
    """60 pictures in batches of 16 are four steps."""
    recipe = changed(schedule={"name": "step", "every": 2, "factor": 0.1})
    engine = assemble.build_engine(recipe, assemble.load_parts(recipe)).engine
    assert isinstance(engine, NumpyEngine)
    rates = [engine.optimizer.lr(step) for step in (0, 7, 8)]
    np.testing.assert_allclose(rates, [0.2, 0.2, 0.02])


def test_a_batch_of_one_is_refused_where_a_norm_would_meet_it(changed: Change) -> None:
    recipe = changed(model={"name": "mlp", "hidden": [8], "norm": "batch"})
    parts = assemble.load_parts(recipe)
    one_left = changed(
        model={"name": "mlp", "hidden": [8], "norm": "batch"},
        training__batch_size=len(parts.train) - 1,
    )
    with pytest.raises(RecipeError, match="batch of one of the"):
        assemble.build_engine(one_left, parts)
    without = changed(training__batch_size=len(parts.train) - 1)
    assert assemble.build_engine(without, parts).engine.steps == 0
