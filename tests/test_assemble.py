"""From a recipe to objects: every name becomes the object that it stands for, with its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handloom import assemble, nn, optim
from handloom.engines import NumpyEngine
from handloom.errors import RecipeError, ShapeError
from handloom.recipes import Recipe, load_recipe
from handloom.training.callbacks import EarlyStop, Plateau

STEPS = 10  # an epoch's


def changed(bars: Path, **changes: Any) -> Recipe:
    return load_recipe(bars, {key.replace("__", "."): value for key, value in changes.items()})


# -- data ------------------------------------------------------------------------------------------


def test_a_sample_is_taken_before_the_split(bars: Path) -> None:
    recipe = changed(bars, data__sample=0.5, data__validation=0.25)
    parts = assemble.load_parts(recipe)
    assert (len(parts.train), len(parts.validation), len(parts.test or ())) == (30, 10, 30)


def test_normalisation_is_fitted_on_the_training_part_alone(bars: Path) -> None:
    parts = assemble.load_parts(changed(bars, data__normalise="standard"))
    pixels = parts.train.images / 255
    np.testing.assert_allclose(parts.normalisation.mean, [pixels.mean()], rtol=1e-12)
    np.testing.assert_allclose(parts.normalisation.std, [pixels.std()], rtol=1e-12)


def test_augmentation_acts_on_the_fly_or_adds_copies(bars: Path) -> None:
    plain = assemble.load_parts(load_recipe(bars))
    flying = assemble.load_parts(changed(bars, augment={"rotate": 10.0}))
    assert flying.augmentation is not None
    assert len(flying.train) == len(plain.train)
    more = assemble.load_parts(
        changed(bars, augment={"rotate": 10.0, "mode": "append", "copies": 2})
    )
    assert more.augmentation is None
    assert len(more.train) == 3 * len(plain.train)
    assert len(more.validation) == len(plain.validation)
    np.testing.assert_array_equal(more.train.images[: len(plain.train)], plain.train.images)


# -- schedules: what they give at the start of each epoch ------------------------------------------


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        ({"name": "constant"}, [1, 1, 1, 1]),
        ({"name": "step", "every": 2, "factor": 0.1}, [1, 1, 0.1, 0.1]),
        ({"name": "multi-step", "milestones": [1, 3], "factor": 0.5}, [1, 0.5, 0.5, 0.25]),
        ({"name": "exponential", "factor": 0.9}, [1, 0.9, 0.81, 0.729]),
        ({"name": "exponential-step", "k": 0.1}, np.exp([0, -1, -2, -3])),
        ({"name": "cosine"}, [1, (1 + np.cos(np.pi / 4)) / 2, 0.5, (1 - np.cos(np.pi / 4)) / 2]),
        ({"name": "linear", "final": 0.2}, [1, 0.8, 0.6, 0.4]),
        ({"name": "constant", "warmup_epochs": 2}, [0.05, 0.55, 1, 1]),
    ],
    ids=lambda value: value["name"] if isinstance(value, dict) else "",
)
def test_epochs_of_a_schedule_are_counted_in_steps(
    bars: Path, table: dict[str, Any], expected: list[float]
) -> None:
    recipe = changed(bars, schedule=table, optimizer__lr=1.0, training__epochs=4)
    schedule = assemble.build_schedule(recipe, STEPS)
    rates = [schedule(epoch * STEPS) for epoch in range(4)]
    np.testing.assert_allclose(rates, expected, rtol=1e-12)


def test_one_cycle_peaks_where_it_is_told(bars: Path) -> None:
    recipe = changed(
        bars,
        schedule={"name": "one-cycle", "rise": 0.5},
        optimizer__lr=2.0,
        training__epochs=4,
    )
    schedule = assemble.build_schedule(recipe, STEPS)
    rates = [schedule(step) for step in range(4 * STEPS)]
    assert max(rates) == pytest.approx(2.0)
    assert abs(int(np.argmax(rates)) - 2 * STEPS) <= 1


# -- the rest --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(optim.OPTIMIZERS))
def test_every_optimizer_comes_with_its_decay(bars: Path, name: str) -> None:
    recipe = changed(
        bars,
        optimizer={"name": name, "lr": 0.1, "weight_decay": 0.5},
        schedule={"name": "constant"},
    )
    model = assemble.build_model(recipe, (1, 6, 6), 3)
    optimizer = assemble.build_optimizer(recipe, model, STEPS)
    assert type(optimizer) is optim.OPTIMIZERS[name]
    weights = {path for path in model.named_parameters() if path.endswith("weight")}
    assert {path for path, decay in optimizer.decays.items() if decay} == weights


def test_losses_are_what_nn_computes(bars: Path) -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.standard_normal((5, 3)), np.array([0, 1, 2, 1, 0])
    weights = [1.0, 2.0, 0.5]
    smoothed = changed(
        bars, loss={"name": "cross-entropy", "label_smoothing": 0.1, "class_weights": weights}
    )
    expected = nn.cross_entropy(
        logits, labels, label_smoothing=0.1, class_weights=np.array(weights)
    )
    assert assemble.build_loss(smoothed, 3)(logits, labels)[0] == pytest.approx(expected[0])
    squared = assemble.build_loss(changed(bars, loss={"name": "mse"}), 3)
    assert squared(logits, labels)[0] == pytest.approx(nn.mse(logits, labels)[0])
    with pytest.raises(RecipeError, match="has 3 numbers for 4 classes"):
        assemble.build_loss(smoothed, 4)


def test_callbacks_of_the_recipe_are_there(bars: Path) -> None:
    recipe = changed(
        bars,
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


def test_the_engine_is_what_the_recipe_asks_for(bars: Path) -> None:
    recipe = changed(bars, training__ema=0.9, optimizer__clip_norm=2.0, optimizer__clip_value=1.0)
    parts = assemble.load_parts(recipe)
    choice = assemble.build_engine(recipe, parts)
    assert isinstance(choice.engine, NumpyEngine)
    engine = choice.engine
    assert (engine.ema, engine.clip_norm, engine.clip_value) == (0.9, 2.0, 1.0)
    trainer = assemble.build_trainer(recipe, parts, choice, callbacks=[])
    assert trainer.engine is engine
    assert trainer.notes == choice.notes == ("numpy: as asked for",)


def test_a_schedules_epochs_are_those_of_the_training_part(bars: Path) -> None:
    """60 pictures in batches of 16 are four steps."""
    recipe = changed(bars, schedule={"name": "step", "every": 2, "factor": 0.1})
    engine = assemble.build_engine(recipe, assemble.load_parts(recipe)).engine
    assert isinstance(engine, NumpyEngine)
    rates = [engine.optimizer.lr(step) for step in (0, 7, 8)]
    np.testing.assert_allclose(rates, [0.2, 0.2, 0.02])


def test_the_same_seed_draws_the_same_weights(bars: Path) -> None:
    def weights(seed: int) -> dict[str, np.ndarray]:
        return assemble.build_model(changed(bars, seed=seed), (1, 6, 6), 3).state_dict()

    first, again, other = weights(1), weights(1), weights(2)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


def test_a_batch_of_one_is_refused_where_a_norm_would_meet_it(bars: Path) -> None:
    recipe = changed(bars, model={"name": "mlp", "hidden": [8], "norm": "batch"})
    parts = assemble.load_parts(recipe)
    one_left = changed(
        bars,
        model={"name": "mlp", "hidden": [8], "norm": "batch"},
        training__batch_size=len(parts.train) - 1,
    )
    with pytest.raises(RecipeError, match="batch of one of the"):
        assemble.build_engine(one_left, parts)
    without = changed(bars, training__batch_size=len(parts.train) - 1)
    assert assemble.build_engine(without, parts).engine.steps == 0


def test_a_network_that_cannot_fit_is_refused(bars: Path) -> None:
    lenet = changed(bars, model={"name": "lenet"})
    with pytest.raises(ShapeError, match="layer 3: "):
        assemble.build_model(lenet, (1, 6, 6), 3)
