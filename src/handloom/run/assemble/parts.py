"""[data] and [augment]: the images, divided, normalised, in batches."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from handloom import data
from handloom._typing import IntArray
from handloom.data import Augmentation, Batches, Dataset, Mixing, Normalisation, Stage
from handloom.errors import RecipeError
from handloom.recipes import Recipe
from handloom.run.assemble.sources import located


@dataclass(frozen=True)
class Parts:
    """The data of a training: the parts, and the normalisation fitted on the training split."""

    train: Dataset
    validation: Dataset
    test: Dataset | None
    normalisation: Normalisation
    augmentation: Augmentation | None

    def describe(self) -> dict[str, Any]:
        """What a run keeps of its data, JSON-ready."""
        return {
            "name": self.train.name,
            "class_names": list(self.train.class_names),
            "image_shape": list(self.train.image_shape),
            "normalisation": self.normalisation.to_json(),
            "pictures": {
                "train": len(self.train),
                "validation": len(self.validation),
                "test": 0 if self.test is None else len(self.test),
            },
            "fingerprints": {
                "train": self.train.fingerprint(),
                "validation": self.validation.fingerprint(),
                "test": None if self.test is None else self.test.fingerprint(),
            },
        }


def overlap_notes(recipe: Recipe, parts: Parts) -> tuple[str, ...]:
    """Which held-out images are trained on as well, to the pixel, in a sentence for a person.

    Only of a user's own data: what the known sets share is known (`handloom diagnose`).
    """
    if recipe.data.name is not None:
        return ()
    # The hash of 60,000 images takes a tenth of a second; two that differ never share one.
    known = {hash(image.tobytes()) for image in parts.train.images}
    held_out = {"test": parts.test, "validation": parts.validation}
    found = [
        f"{shared:,} of {len(part):,} {name} images"
        for name, part in held_out.items()
        if part is not None
        and (shared := sum(hash(image.tobytes()) in known for image in part.images))
    ]
    if not found:
        return ()
    return (
        f"{' and '.join(found)} are also in the training split, so their accuracy is too "
        "optimistic for new images; remove them from one split",
    )


def load_data(recipe: Recipe, data_dir: Path | None = None) -> data.TrainTest:
    """The images that [data] names, under `data_dir` if one is given: see `located`.

    Raises DataError where they cannot be had.
    """
    if recipe.data.name is not None:
        return data.load(recipe.data.name, data_dir)
    source = located(recipe, data_dir).data
    if source.idx is not None:
        return data.read_idx_folder(Path(source.idx))
    if source.folder is not None:
        return data.read_folder(Path(source.folder))
    if source.images is None or source.labels is None:
        raise RecipeError("data has no source of images")
    train = data.read_table(Path(source.images), Path(source.labels))
    if source.test_images is None or source.test_labels is None:
        return data.TrainTest(train)
    test = data.read_table(
        Path(source.test_images), Path(source.test_labels), class_names=train.class_names
    )
    return data.TrainTest(train, test)


def load_parts(recipe: Recipe, data_dir: Path | None = None) -> Parts:
    """Load, sample, split, fit the normalisation, augment by appending, in this order."""
    source, seed = recipe.data, recipe.seed
    whole = load_data(recipe, data_dir)
    known = whole.train
    if source.sample < 1.0:
        known = data.sample(known, source.sample, seed=seed, stratify=source.stratify)
    train, validation = divide(recipe, known)
    normalisation = Normalisation.fit(source.normalise, train.images)
    train, augmentation = appended(recipe, train)
    return Parts(train, validation, whole.test, normalisation, augmentation)


def build_augmentation(recipe: Recipe) -> Augmentation | None:
    """The augmentation of [augment], if there is one."""
    if recipe.augment is None:
        return None
    amounts = recipe.augment.model_dump(exclude={"mode", "copies", "mixup", "cutmix", "mix"})
    return Augmentation(**amounts)


def divide(recipe: Recipe, known: Dataset) -> tuple[Dataset, Dataset]:
    """(training split, validation split) of the images whose labels may be learned from."""
    source = recipe.data
    if source.folds is None:
        return data.split(known, source.validation, seed=recipe.seed, stratify=source.stratify)
    train, validation = fold_positions(recipe, known)
    return known.take(train), known.take(validation)


def fold_positions(recipe: Recipe, known: Dataset) -> tuple[IntArray, IntArray]:
    """Positions in `known` to train on and to validate on, for a recipe with [data] folds."""
    source = recipe.data
    if source.folds is None or source.fold is None:
        raise RecipeError("data has no folds")
    return data.folds(known, source.folds, seed=recipe.seed, stratify=True)[source.fold - 1]


def appended(recipe: Recipe, train: Dataset) -> tuple[Dataset, Augmentation | None]:
    """The training split, with the copies that [augment] appends once; and the augmentation that
    varies its images on the fly, where it is told to do that instead."""
    augmentation, table = build_augmentation(recipe), recipe.augment
    if table is None or table.mode != "append" or augmentation is None:
        return train, augmentation
    return data.append(train, augmentation, table.copies, seed=recipe.seed), None


def build_mixing(recipe: Recipe) -> Mixing | None:
    """The mixup and cutmix of [augment], if there is any."""
    table = recipe.augment
    return (
        Mixing(table.mixup, table.cutmix, table.mix) if table is not None and table.mixes else None
    )


def build_stages(recipe: Recipe) -> tuple[Stage, ...]:
    """The sizes of [training], until whole epochs."""
    settings = recipe.training
    return tuple(Stage(round(each.until * settings.epochs), each.size) for each in settings.sizes)


def evaluation_batches(recipe: Recipe, part: Dataset, normalisation: Normalisation) -> Batches:
    """A part in its own order, in the recipe's evaluation batches."""
    size = recipe.training.eval_batch_size
    return Batches(part, normalisation, size, seed=recipe.seed, shuffle=False)
