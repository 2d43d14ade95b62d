"""Every parameter and setting of the estimator, set off its default, is seen in what it trains.

The parameters are read off the constructor: one that is new fails here until it is said what it is
set to, and where that is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pytest

from handloom import nn
from handloom.data import Stage
from handloom.engines import TrainingSetup
from handloom.estimator import Classifier, learner
from handloom.recipes import Recipe
from handloom.recipes.schema.data import Augment
from handloom.recipes.schema.torch import Torch
from handloom.recipes.schema.training import Training
from handloom.run.assemble import engine as assembled
from handloom.training.callbacks import EarlyStop, Plateau

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 6, 6), np.uint8)
LABELS = np.repeat([0, 1, 2], [10, 20, 30])
PIXELS[LABELS == 1, :3] //= 4
PIXELS[LABELS == 2, 3:] //= 4


class Fitted(NamedTuple):
    """A classifier after fit, and what was seen while it trained."""

    net: Classifier
    trainers: list[Any]
    threads: list[int]
    printed: str
    chosen: list[TrainingSetup]


class Case(NamedTuple):
    """A parameter's value, where it is seen, as what; and what else has to be set to see it."""

    value: Any
    look: Callable[[Fitted], Any]
    expected: Any
    beside: Mapping[str, Any] = MappingProxyType({})


def layers(kind: type) -> Callable[[Fitted], list[Any]]:
    return lambda found: [
        layer for _, layer in found.net.model_.named_layers() if isinstance(layer, kind)
    ]


def count(kind: type) -> Callable[[Fitted], int]:
    return lambda found: len(layers(kind)(found))


def optimizer(found: Fitted) -> Any:
    return found.trainers[-1].engine.optimizer


def rows(name: str) -> Callable[[Fitted], list[Any]]:
    return lambda found: [row.get(name) for row in found.net.history_]


def seen_twice(found: Fitted) -> bool:
    """Whether a second fit begins where the first one ended."""
    first = found.net.history_[0]["train_loss"]
    return found.net.fit(PIXELS, LABELS).history_[0]["train_loss"] < 0.9 * first


def first_weights(found: Fitted) -> float:
    """Of a training at a rate of nearly zero."""
    return float(next(iter(found.net.model_.named_parameters().values())).value.sum())


def augmentation(found: Fitted) -> Any:
    return found.trainers[-1].train.augmentation.rotate


STOPPING = {"early_stopping": True}
CASES = {
    "hidden": Case((7, 5), lambda found: [
        each.weight.value.shape for each in layers(nn.Linear)(found)
    ], [(7, 36), (5, 7), (3, 5)]),
    "architecture": Case({"name": "lenet", "channels": [4], "kernel_size": 3}, count(nn.Conv2d), 1),
    "activation": Case("tanh", count(nn.Tanh), 1),
    "dropout": Case(0.3, lambda found: [each.p for each in layers(nn.Dropout)(found)], [0.3]),
    "image_shape": Case((6, 6), lambda found: found.net.image_shape_, (1, 6, 6)),
    "normalise": Case(
        "standard", lambda found: found.trainers[-1].train.normalisation.kind, "standard"
    ),
    "augment": Case({"rotate": 12.0}, augmentation, 12.0),
    "optimizer": Case("sgd", lambda found: type(optimizer(found)).__name__, "SGD"),
    "lr": Case(0.03, rows("lr"), [0.03, 0.03], {"schedule": "constant"}),
    "weight_decay": Case(0.25, lambda found: max(optimizer(found).decays.values()), 0.25),
    "schedule": Case("constant", rows("lr"), [0.002, 0.002]),
    "epochs": Case(5, lambda found: len(found.net.history_), 5),
    "batch_size": Case(7, rows("step"), [9, 18]),
    "early_stopping": Case(True, lambda found: "val_loss" in found.net.history_[0], True),
    "validation_fraction": Case(
        0.5, lambda found: [len(found.trainers[-1].train.dataset),
                            len(found.trainers[-1].validation.dataset)],
        [30, 30], STOPPING,
    ),
    "patience": Case(
        3, lambda found: len(found.net.history_), 4,
        {**STOPPING, "epochs": 20, "lr": 1e-12, "monitor": "val_accuracy"},
    ),
    "monitor": Case("val_accuracy", lambda found: found.trainers[-1].monitor, "val_accuracy"),
    "class_weight": Case(
        "balanced",
        lambda found: found.trainers[-1].engine.loss.keywords["class_weights"].tolist(),
        [2.0, 1.0, pytest.approx(2 / 3)],
    ),
    "engine": Case(
        "numpy", lambda found: found.trainers[-1].engine.name, "numpy", {"engine": "auto"}
    ),
    "threads": Case(3, lambda found: found.threads, [3]),
    "settings": Case(
        {"training.ema": 0.7}, lambda found: found.trainers[-1].engine.setup.ema, 0.7,
    ),
    "warm_start": Case(True, seen_twice, True, {"epochs": 20, "random_state": 0}),
    "random_state": Case(
        np.random.RandomState(3), first_weights,
        lambda: first_weights(fitted({"random_state": 3, "lr": 1e-30})),
        {"lr": 1e-30},
    ),
    "verbose": Case(True, lambda found: found.printed.count("epoch "), 2),
}  # fmt: skip
SEEN_ON_ROWS = {"image_shape"}
"""What is seen where images come as rows only."""


def fitted(params: dict[str, Any], *, as_rows: bool = False, printed: Any = str) -> Fitted:
    """A classifier of these parameters, trained; else the defaults, but for what takes time."""
    trainers: list[Any] = []
    threads: list[int] = []
    chosen: list[TrainingSetup] = []
    with pytest.MonkeyPatch.context() as patch:

        class Watched(learner.Trainer):
            def __init__(self, *arguments: Any, **settings: Any) -> None:
                super().__init__(*arguments, **settings)
                trainers.append(self)

        limited_to = learner.limited_to

        def choose(name: Any, model: Any, setup: TrainingSetup, **shape: Any) -> Any:
            chosen.append(setup)
            return choose_engine(name, model, setup, **shape)

        choose_engine = assembled.choose_engine
        patch.setattr(assembled, "choose_engine", choose)
        patch.setattr(learner, "Trainer", Watched)
        patch.setattr(
            learner, "limited_to", lambda count: threads.append(count) or limited_to(count)
        )
        net = Classifier(**{"epochs": 2, "engine": "numpy", **params})
        net.fit(PIXELS.reshape(60, 36) if as_rows else PIXELS, LABELS)
    return Fitted(net, trainers, threads, printed(), chosen)


def test_every_parameter_is_tried() -> None:
    assert set(Classifier().get_params()) == set(CASES)


@pytest.mark.parametrize("name", CASES)
def test_a_parameter_is_seen_in_what_is_trained(
    name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    case = CASES[name]

    def printed() -> str:
        return capsys.readouterr().out

    as_rows = name in SEEN_ON_ROWS
    found = fitted({**case.beside, name: case.value}, as_rows=as_rows, printed=printed)
    expected = case.expected() if callable(case.expected) else case.expected
    assert case.look(found) == expected
    if name == "monitor":  # it is the trainer's own, and decides which epoch is the best
        assert found.net.recipe_.training.monitor == expected
    without = fitted(case.beside, as_rows=as_rows, printed=printed)
    try:
        unset = case.look(without)
    except (AttributeError, IndexError, KeyError):  # there is nothing to look at
        return
    assert unset != expected


# -- settings --------------------------------------------------------------------------------------


def of_trainer(path: str) -> Callable[[Fitted], Any]:
    """An attribute of the last trainer, by a path with dots."""

    def look(found: Fitted) -> Any:
        return attrgetter(path)(found.trainers[-1])

    return look


def callback(kind: type, attribute: str) -> Callable[[Fitted], Any]:
    def look(found: Fitted) -> Any:
        (one,) = (each for each in found.trainers[-1].callbacks if isinstance(each, kind))
        return getattr(one, attribute)

    return look


def told_to_torch(name: str) -> Callable[[Fitted], Any]:
    return lambda found: getattr(found.chosen[-1].torch, name)


def mid_epoch(found: Fitted) -> list[int]:
    return [row["step"] for row in found.trainers[-1].history.rows if row.get("mid_epoch")]


def augmented(name: str, value: Any, **beside: Any) -> Case:
    """A number of [augment], seen in the augmentation of the training's batches."""
    said = {f"augment.{key}": each for key, each in {"rotate": 1.0, **beside}.items()}
    look = of_trainer(f"train.augmentation.{name}")
    return Case({**said, f"augment.{name}": value}, look, value, {"settings": said})


ANY_SIZE = [{"layer": "global-avg-pool"}, {"layer": "linear", "out_features": 3}]
SETTINGS = {
    "seed": Case({"seed": 7}, of_trainer("train.seed"), 7),
    "engine": Case({"engine": "auto"}, of_trainer("engine.name"), "loom"),
    "training.epochs": Case({"training.epochs": 3}, lambda f: len(f.net.history_), 3),
    "training.batch_size": Case({"training.batch_size": 7}, rows("step"), [9, 18]),
    "training.monitor": Case(
        {"training.monitor": "val_accuracy"}, of_trainer("monitor"), "val_accuracy"
    ),
    "training.early_stopping_patience": Case(
        {"training.early_stopping_patience": 3}, callback(EarlyStop, "patience"), 3, STOPPING
    ),
    "training.early_stopping_monitor": Case(
        {"training.early_stopping_monitor": "val_accuracy"}, callback(EarlyStop, "monitor"),
        "val_accuracy", STOPPING,
    ),
    "training.plateau": Case(
        {"training.plateau": {"factor": 0.3}}, callback(Plateau, "factor"), 0.3, STOPPING
    ),
    "training.evaluate_every": Case(
        {"training.evaluate_every": 3}, mid_epoch, [3, 6, 9, 12],
        {**STOPPING, "validation_fraction": 12, "batch_size": 8},
    ),
    "training.ema": Case({"training.ema": 0.7}, of_trainer("engine.setup.ema"), 0.7),
    "training.eval_batch_size": Case(
        {"training.eval_batch_size": 4}, of_trainer("validation.batch_size"), 4, STOPPING
    ),
    "training.threads": Case({"training.threads": 3}, lambda found: found.threads, [3]),
    "training.sizes": Case(
        {"training.sizes": [{"until": 0.5, "size": 3}]}, of_trainer("train.stages"),
        (Stage(1, 3),), {"architecture": {"name": "sequential", "layers": ANY_SIZE}},
    ),
    "torch.device": Case({"torch.device": "cpu"}, told_to_torch("device"), "cpu"),
    "torch.precision": Case(
        {"torch.precision": "bfloat16"}, told_to_torch("precision"), "bfloat16"
    ),
    "torch.compile": Case({"torch.compile": True}, told_to_torch("compile"), True),
    "augment.mode": Case(
        {"augment.flip": 0.5, "augment.mode": "append"},
        lambda found: len(found.trainers[-1].train.dataset), 120,
    ),
    "augment.copies": Case(
        {"augment.flip": 0.5, "augment.mode": "append", "augment.copies": 3},
        lambda found: len(found.trainers[-1].train.dataset), 240,
    ),
    "augment.mixup": Case({"augment.mixup": 0.4}, of_trainer("train.mixing.mixup"), 0.4),
    "augment.cutmix": Case({"augment.cutmix": 0.4}, of_trainer("train.mixing.cutmix"), 0.4),
    "augment.mix": Case(
        {"augment.mixup": 0.4, "augment.mix": 0.3}, of_trainer("train.mixing.probability"), 0.3
    ),
    "augment.rotate": augmented("rotate", 9.0),
    "augment.shift": augmented("shift", 0.1),
    "augment.scale": augmented("scale", 0.1),
    "augment.shear": augmented("shear", 0.1),
    "augment.flip": augmented("flip", 0.5),
    "augment.crop_padding": augmented("crop_padding", 1),
    "augment.erase": augmented("erase", 0.5),
    "augment.erase_min": augmented("erase_min", 2, erase=0.5),
    "augment.erase_max": augmented("erase_max", 5, erase=0.5),
    "augment.elastic_alpha": augmented("elastic_alpha", 2.0),
    "augment.elastic_sigma": augmented("elastic_sigma", 3.0, elastic_alpha=2.0),
    "augment.noise": augmented("noise", 0.1),
    # Of these tables tests/assemble tries every key; here it is seen that the table is used.
    "model": Case({"model.norm": "batch"}, count(nn.BatchNorm1d), 1),
    "loss": Case(
        {"loss.label_smoothing": 0.2},
        lambda found: found.trainers[-1].engine.loss.keywords["label_smoothing"], 0.2,
    ),
    "optimizer": Case({"optimizer.clip_norm": 0.5}, of_trainer("engine.setup.clip_norm"), 0.5),
    "schedule": Case({"schedule.final": 0.001}, of_trainer("engine.optimizer.lr.final"), 0.001),
}  # fmt: skip
WITHOUT_EFFECT = {
    "description": "for a person",
    "data": "refused: see test_partial_fit.py",
    "training.checkpoints": "refused",
    "training.tensorboard": "refused",
}


def test_every_setting_is_tried() -> None:
    keys = {
        f"{table}.{key}"
        for table, kind in (("training", Training), ("torch", Torch), ("augment", Augment))
        for key in kind.model_fields
    }
    keys |= Recipe.model_fields.keys() - {"training", "torch", "augment"}
    assert keys == SETTINGS.keys() | WITHOUT_EFFECT.keys()


@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_is_seen_in_what_is_trained(name: str) -> None:
    case = SETTINGS[name]
    found = fitted({**case.beside, "settings": case.value})
    assert case.look(found) == case.expected
    try:
        unset = case.look(fitted(dict(case.beside)))
    except (AttributeError, ValueError, KeyError):  # there is nothing to look at
        return
    assert unset != case.expected
