"""[data] and [augment]: sampled, split, normalised, augmented, in this order."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handloom import data
from handloom.data import Mixing
from handloom.errors import RecipeError
from handloom.recipes import Recipe
from handloom.run import assemble
from handloom.run.assemble.parts import build_mixing, build_stages

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
    with pytest.raises(RecipeError, match="data has no folds"):
        assemble.fold_positions(changed(), known)


def test_a_run_keeps_of_its_data_what_they_are(changed: Change) -> None:
    parts = assemble.load_parts(changed(data__normalise="standard"))
    said = parts.describe()
    assert said == {
        "name": parts.train.name,
        "class_names": ["0", "1", "2"],
        "image_shape": [1, 6, 6],
        "normalisation": {
            "kind": "standard",
            "mean": list(parts.normalisation.mean),
            "std": list(parts.normalisation.std),
        },
        "pictures": {"train": 60, "validation": 20, "test": 30},
        "fingerprints": {
            name: part.fingerprint()
            for name, part in [
                ("train", parts.train),
                ("validation", parts.validation),
                ("test", parts.test),
            ]
            if part is not None
        },
    }
    alone = assemble.load_parts(changed(data__test_images=None, data__test_labels=None)).describe()
    assert alone["pictures"] == {"train": 60, "validation": 20, "test": 0}
    assert alone["fingerprints"]["test"] is None
    assert alone["fingerprints"]["train"] == said["fingerprints"]["train"]


def test_a_test_part_has_the_classes_of_the_training_part(changed: Change, bars: Path) -> None:
    """Of which it may lack some."""
    labels = bars.with_name("test-labels.csv")
    rows = "".join(f"{row},0\n" for row in range(30))
    labels.write_text(f"image_id,label\n{rows}")
    parts = assemble.load_parts(changed())
    assert parts.test is not None
    assert parts.test.class_names == parts.train.class_names == ("0", "1", "2")


@pytest.mark.parametrize("stratify", [False, True])
def test_a_sample_is_stratified_where_the_split_is(changed: Change, stratify: bool) -> None:
    recipe = changed(data__sample=0.5, data__stratify=stratify, seed=3)
    known = assemble.load_data(recipe).train
    kept = data.sample(known, 0.5, seed=3, stratify=stratify)
    train, validation = data.split(kept, 0.25, seed=3, stratify=stratify)
    parts = assemble.load_parts(recipe)
    assert parts.train.fingerprint() == train.fingerprint()
    assert parts.validation.fingerprint() == validation.fingerprint()


def test_a_known_set_is_looked_for_where_it_is_told(
    changed: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Any] = []

    def load(name: str, folder: Path | None) -> Any:
        heard.append((name, folder))
        return assemble.load_data(changed())

    monkeypatch.setattr(data, "load", load)
    recipe = changed(data__name="mnist")
    assemble.load_parts(recipe, Path("there"))
    assemble.load_parts(recipe)
    assert heard == [("mnist", Path("there")), ("mnist", None)]


def test_batches_are_the_recipe_s(changed: Change) -> None:
    recipe = changed(training__eval_batch_size=7, seed=9)
    parts = assemble.load_parts(recipe)
    model = assemble.build_model(recipe, (1, 6, 6), 3)
    trained = assemble.training_batches(recipe, parts, model)
    assert (trained.seed, trained.shuffle, trained.batch_size) == (9, True, 16)
    assert trained.dataset is parts.train
    assert trained.normalisation is parts.normalisation
    judged = assemble.evaluation_batches(recipe, parts.validation, parts.normalisation)
    assert (judged.seed, judged.shuffle, judged.batch_size) == (9, False, 7)
    assert judged.dataset is parts.validation
    assert judged.normalisation is parts.normalisation
    assert judged.stages == ()


def test_stages_end_at_whole_epochs(changed: Change) -> None:
    sizes = [{"until": 0.3, "size": 3}, {"until": 0.9, "size": 5}]
    recipe = changed(training__sizes=sizes, training__epochs=5)
    assert build_stages(recipe) == (data.Stage(2, 3), data.Stage(4, 5))  # of 1.5 and 4.5


@pytest.mark.parametrize("missing", ["folds", "fold"])
def test_half_of_a_fold_is_none(changed: Change, missing: str) -> None:
    recipe = changed(data__folds=3, data__fold=1)
    half = recipe.model_copy(update={"data": recipe.data.model_copy(update={missing: None})})
    with pytest.raises(RecipeError, match="data has no folds"):
        assemble.fold_positions(half, assemble.load_data(recipe).train)
