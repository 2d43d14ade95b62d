"""[data] and [augment], and the keys that stand in no table."""

from __future__ import annotations

from typing import Any

import numpy as np
from key import Built, Key, same

from handloom import data
from handloom.data import Mixing
from handloom.run import assemble


def known(built: Built) -> data.Dataset:
    """The images of bars.toml, before anything is taken away."""
    return assemble.load_data(built.recipe).train


def prints(*parts: data.Dataset | None) -> list[str | None]:
    return [None if part is None else part.fingerprint() for part in parts]


def division(built: Built) -> list[str | None]:
    return prints(built.parts.train, built.parts.validation)


def divided(**how: Any) -> Any:
    """What the data room's own function makes of the same images."""
    return lambda built: prints(*data.split(known(built), seed=built.recipe.seed, **how))


def order(built: Built) -> list[int]:
    """The images of the first epoch, in its order."""
    return built.trainer.train.epoch(0).positions(0, 100).tolist()


def first_weights(built: Built) -> float:
    return float(built.model.layers[1].weight.value[0, 0])


def augmentation(name: str) -> Any:
    """A setting of what varies the batches on the fly."""
    return lambda built: getattr(built.trainer.train.augmentation, name)


def appended(copies: int) -> Any:
    """The training split with the copies that the data room appends to it."""

    def expected(built: Built) -> list[str | None]:
        train, _ = data.split(known(built), 0.25, seed=1)
        flipping = data.Augmentation(flip=0.5)
        return prints(data.append(train, flipping, copies, seed=1))

    return expected


def train_print(built: Built) -> list[str | None]:
    return prints(built.trainer.train.dataset)


FOLDS = {"data.folds": 4, "data.fold": 1}


def fold_of(built: Built) -> list[str | None]:
    source = built.recipe.data
    assert source.folds is not None
    assert source.fold is not None
    parts = data.folds(known(built), source.folds, seed=1, stratify=True)[source.fold - 1]
    return prints(*(known(built).take(part) for part in parts))


ROTATE = {"augment.rotate": 10.0}
MIXUP = {"augment.mixup": 0.4}

KEYS = {
    "recipe.Recipe.description": same(
        "description", "Bars again", lambda built: built.run.recipe.description
    ),
    "recipe.Recipe.seed": Key(
        "seed", 5, lambda built: [division(built), order(built), built.trainer.train.seed],
        lambda built: [
            prints(*data.split(known(built), 0.25, seed=5)),
            data.Batches(built.parts.train, built.parts.normalisation, 16, seed=5)
            .epoch(0).positions(0, 100).tolist(),
            5,
        ],
    ),  # its network's weights: test_network.py
    "recipe.Recipe.engine": same("engine", "loom", lambda built: built.engine.name),
    "data.Data.name": Key(
        "data.name", "digits", lambda built: built.parts.train.name.split()[0], "digits"
    ),
    "data.Data.images": Key(
        "data.images", "@other.npy", lambda built: int(known(built).images.max()), 7
    ),
    "data.Data.labels": Key(
        "data.labels", "@other.csv", lambda built: set(known(built).labels.tolist()), {0, 1},
        {"data.test_images": None, "data.test_labels": None},
    ),
    "data.Data.test_images": Key(
        "data.test_images", "@test-other.npy",
        lambda built: int(built.trainer and built.parts.test.images.max()), 9,
    ),
    "data.Data.test_labels": Key(
        "data.test_labels", "@test-other.csv",
        lambda built: set(built.parts.test.labels.tolist()), {0, 1},
    ),
    "data.Data.idx": Key(
        "data.idx", "@idx", lambda built: int(known(built).images.max()), 5
    ),
    "data.Data.folder": Key(
        "data.folder", "@pictures", lambda built: known(built).class_names, ("cats", "dogs")
    ),
    "data.Data.validation": Key("data.validation", 30, division, divided(validation=30)),
    "data.Data.folds": Key("data.folds", 5, division, fold_of, FOLDS),
    "data.Data.fold": Key("data.fold", 3, division, fold_of, FOLDS),
    "data.Data.sample": Key(
        "data.sample", 0.5, division,
        lambda built: prints(*data.split(data.sample(known(built), 0.5, seed=1), 0.25, seed=1)),
    ),
    "data.Data.stratify": Key(
        "data.stratify", True, division, divided(validation=0.25, stratify=True)
    ),
    "data.Data.normalise": Key(
        "data.normalise", "per-picture",
        lambda built: [batches.normalisation.kind
                       for batches in (built.trainer.train, built.trainer.validation)],
        ["per-picture", "per-picture"],
    ),
    "data.Augment.mode": Key(
        "augment.mode", "append", train_print, appended(1), {"augment.flip": 0.5}
    ),
    "data.Augment.copies": Key(
        "augment.copies", 2, train_print, appended(2),
        {"augment.flip": 0.5, "augment.mode": "append"},
    ),
    "data.Augment.mixup": Key(
        "augment.mixup", 0.3, lambda built: built.trainer.train.mixing, Mixing(0.3)
    ),
    "data.Augment.cutmix": Key(
        "augment.cutmix", 0.3, lambda built: built.trainer.train.mixing, Mixing(cutmix=0.3)
    ),
    "data.Augment.mix": Key(
        "augment.mix", 0.3, lambda built: built.trainer.train.mixing, Mixing(0.4, 0.0, 0.3), MIXUP
    ),
    **{
        f"data.Augment.{name}": same(
            f"augment.{name}", value, augmentation(name), augment__rotate=10.0
        )
        for name, value in {
            "shift": 0.1, "scale": 0.2, "shear": 0.3, "flip": 0.5, "crop_padding": 2,
            "erase": 0.4, "erase_min": 2, "erase_max": 5, "elastic_alpha": 3.0,
            "elastic_sigma": 2.0, "noise": 0.2,
        }.items()
    },
    "data.Augment.rotate": same(
        "augment.rotate", 20.0, augmentation("rotate"), augment__shift=0.1
    ),
}  # fmt: skip


def write_other_data(folder: Any) -> None:
    """What the keys of [data] name, beside bars.toml."""
    import cv2

    for part, count, value in (("", 80, 7), ("test-", 30, 9)):
        np.save(folder / f"{part}other.npy", np.full((count, 6, 6), value, np.uint8))
        rows = "".join(f"{row},{row % 2}\n" for row in range(count))
        (folder / f"{part}other.csv").write_text(f"image_id,label\n{rows}")
    (folder / "idx").mkdir()
    for part in ("train", "t10k"):
        sizes = (20).to_bytes(4, "big") + 2 * (6).to_bytes(4, "big")
        (folder / "idx" / f"{part}-images-idx3-ubyte").write_bytes(
            bytes([0, 0, 8, 3]) + sizes + bytes([5]) * 20 * 36
        )
        (folder / "idx" / f"{part}-labels-idx1-ubyte").write_bytes(
            bytes([0, 0, 8, 1]) + (20).to_bytes(4, "big") + bytes([0, 1] * 10)
        )
    for name in ("cats", "dogs"):
        (folder / "pictures" / name).mkdir(parents=True)
        for index in range(10):
            cv2.imwrite(
                str(folder / "pictures" / name / f"{index}.png"), np.zeros((6, 6), np.uint8)
            )
