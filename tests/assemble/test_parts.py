"""[data] and [augment]: sampled, split, normalised, augmented, in this order."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from handloom import assemble, data
from handloom.assemble.parts import build_mixing
from handloom.data import Mixing
from handloom.errors import RecipeError
from handloom.recipes import Recipe

Change = Callable[..., Recipe]


def test_a_sample_is_taken_before_the_split(changed: Change) -> None:
    recipe = changed(data__sample=0.5, data__validation=0.25)
    parts = assemble.load_parts(recipe)
    assert (len(parts.train), len(parts.validation), len(parts.test or ())) == (30, 10, 30)


def test_normalisation_is_fitted_on_the_training_part_alone(changed: Change) -> None:
    parts = assemble.load_parts(changed(data__normalise="standard"))
    pixels = parts.train.images / 255
    np.testing.assert_allclose(parts.normalisation.mean, [pixels.mean()], rtol=1e-12)
    np.testing.assert_allclose(parts.normalisation.std, [pixels.std()], rtol=1e-12)


def test_augmentation_acts_on_the_fly_or_adds_copies(changed: Change) -> None:
    plain = assemble.load_parts(changed())
    flying = assemble.load_parts(changed(augment={"rotate": 10.0}))
    assert flying.augmentation is not None
    assert len(flying.train) == len(plain.train)
    more = assemble.load_parts(changed(augment={"rotate": 10.0, "mode": "append", "copies": 2}))
    assert more.augmentation is None
    assert len(more.train) == 3 * len(plain.train)
    assert len(more.validation) == len(plain.validation)
    np.testing.assert_array_equal(more.train.images[: len(plain.train)], plain.train.images)


def test_mixing_comes_with_the_training_batches_alone(changed: Change) -> None:
    recipe = changed(augment={"mixup": 0.4, "mix": 0.5, "flip": 0.5})
    parts = assemble.load_parts(recipe)
    model = assemble.build_model(recipe, parts.train.image_shape, 3)
    assert assemble.training_batches(recipe, parts, model).mixing == Mixing(
        mixup=0.4, probability=0.5
    )
    judged = assemble.evaluation_batches(recipe, parts.validation, parts.normalisation)
    assert judged.mixing is None
    assert judged.augmentation is None
    assert build_mixing(changed(augment={"flip": 0.5})) is None
    assert build_mixing(changed(augment={"cutmix": 1.0, "mix": 0.0})) is None


@pytest.mark.parametrize("engine", ["numpy", "loom", "torch"])
def test_mixing_trains_on_every_engine(changed: Change, engine: str) -> None:
    recipe = changed(
        augment={"mixup": 0.2, "cutmix": 1.0}, engine=engine, training__epochs=2,
        training__batch_size=8, optimizer={"name": "muon", "lr": 0.02, "lookahead": {"every": 3}},
        schedule={"name": "constant"},
    )  # fmt: skip
    parts = assemble.load_parts(recipe)
    choice = assemble.build_engine(recipe, parts)
    rows = assemble.build_trainer(recipe, parts, choice, callbacks=[]).fit().rows
    assert choice.engine.name == engine
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]


def test_folds_divide_the_pictures_in_the_place_of_validation(changed: Change) -> None:
    known = assemble.load_data(changed()).train
    for fold in (1, 2, 3):
        recipe = changed(data__folds=3, data__fold=fold, seed=4)
        train, validation = data.folds(known, 3, seed=4, stratify=True)[fold - 1]
        parts = assemble.load_parts(recipe)
        assert parts.train.fingerprint() == known.take(train).fingerprint()
        assert parts.validation.fingerprint() == known.take(validation).fingerprint()
    with pytest.raises(RecipeError, match="data names no folds"):
        assemble.fold_positions(changed(), known)
