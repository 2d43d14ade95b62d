"""Advice: right in either direction, never what the recipe has already or cannot have."""

from __future__ import annotations

import re
import tomllib
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from handloom.diagnosis import advice
from handloom.diagnosis.calibration import reliability
from handloom.diagnosis.neighbours import Nearest
from handloom.diagnosis.probe import Signal, Steps, Units, Update
from handloom.diagnosis.rules import all_rules
from handloom.diagnosis.rules.average import AverageTooLong
from handloom.diagnosis.rules.calibration import Miscalibration
from handloom.diagnosis.rules.classes import ClassImbalance, ConfusedPair
from handloom.diagnosis.rules.course import EarlyDecay, UnstableLoss
from handloom.diagnosis.rules.fit import GeneralisationGap, Overfitting, Underfitting
from handloom.diagnosis.rules.gradients import ExplodingGradients, UpdateRatios, VanishingGradients
from handloom.diagnosis.rules.labels import SuspiciousLabels
from handloom.diagnosis.rules.learning_rate import RateTooHigh, RateTooLow
from handloom.diagnosis.rules.units import DeadReLUs, SaturatedUnits
from handloom.diagnosis.suspicion import judged
from handloom.errors import RecipeError
from handloom.recipes import Recipe, load_recipe, to_toml
from handloom.recipes.flat import flattened
from handloom.recipes.load import make_recipe
from handloom.recipes.schema.data import Augment

SEQUENTIAL = {
    "name": "sequential",
    "layers": [
        {"layer": "flatten"},
        {"layer": "linear", "out_features": 8},
        {"layer": "sigmoid"},
        {"layer": "dropout", "p": 0.2},
        {"layer": "linear", "out_features": 10},
    ],
}
RECIPES: dict[str, dict[str, Any]] = {
    "plain": {"model": {"name": "mlp", "hidden": [8]}, "optimizer": {"name": "sgd", "lr": 0.1},
              "schedule": {"name": "constant"},
              "augment": None, "data.sample": 0.5},
    "all of it": {
        "model": {"name": "mlp", "hidden": [8], "dropout": 0.3, "norm": "batch",
                  "activation": "leaky-relu", "init": "he-normal"},
        "optimizer": {"name": "adamw", "lr": 0.1, "weight_decay": 0.02, "clip_norm": 0.5},
        "loss": {"name": "cross-entropy", "label_smoothing": 0.1, "class_weights": [1.0] * 10},
        "augment": {"rotate": 5, "mixup": 0.2, "cutmix": 0.1},
        "schedule": {"name": "step", "every": 3, "factor": 0.2, "warmup_epochs": 1.0},
        "data.normalise": "standard",
        "training.early_stopping_patience": 4, "training.early_stopping_monitor": "val_loss",
        "training.plateau": {"patience": 2}, "training.ema": 0.9,
    },
    "squashing": {"model": {"name": "mlp", "hidden": [8], "activation": "tanh",
                            "init": "he-normal"},
                  "schedule": {"name": "exponential", "factor": 0.5}},
    "layer by layer": {"model": SEQUENTIAL},
    "squares": {"loss": {"name": "mse"}, "schedule": {"name": "one-cycle"}},
    "residual": {"model": {"name": "resnet-cifar", "depth": 8}},
    "vgg": {"model": {"name": "vgg", "batch_norm": False, "conv_dropout": 0.1},
            "schedule": {"name": "multi-step", "milestones": [2], "factor": 0.1}},
    "k": {"schedule": {"name": "exponential-step", "k": 0.1}},
}  # fmt: skip


def ill(evidence: Any, overrides: dict[str, Any], **given: Any) -> Any:
    """Evidence in which every rule finds something, one way or the other."""
    count = 400
    labels = np.arange(count) % 10
    said = np.where(np.arange(count) < 120, (labels // 2 * 2) + 1 - labels % 2, labels)
    probabilities = np.full((count, 10), 1e-5)
    probabilities[np.arange(count), said] = 1 - 9e-5
    images = np.zeros((count, 4, 4), np.uint8)
    part = SimpleNamespace(images=images, labels=labels, class_names=tuple("0123456789"))
    part = type("Part", (SimpleNamespace,), {"__len__": lambda self: count})(**vars(part))
    logs, counts = np.log(probabilities), np.array([500] * 9 + [9])
    suspects = judged(part, logs, 1.0, "validation")
    usual: dict[str, Any] = {
        "overrides": overrides,
        "train_loss": [2.0, 1.0, 1.5, 1.2, 1.6, 1.5],
        "train_accuracy": [0.5] * 6,
        "val_loss": [2.0, 1.0, 1.5, 2.0, 2.0, 2.0],
        "val_accuracy": [0.5] * 6,
        "lr": [0.1] * 6,
        "grad_norm": [500.0] * 6,
        "has_weights": True,
        "seen_accuracy": 0.6,
        "validation_accuracy": 0.3,
        "validation_loss_error": 0.0,
        "validation": part,
        "validation_probabilities": probabilities,
        "reliability": reliability(logs, labels, "validation"),
        "judged_validation": suspects,
        "judged_seen": suspects,
        "seen": part,
        "suspects": None,
        "nearest": Nearest(0.9, 100, 50),
        "parts": SimpleNamespace(train=SimpleNamespace(class_counts=lambda: counts)),
        "has_probabilities": overrides.get("loss", {}).get("name") != "mse",
        "signals": (Signal("1", "Linear", 1e-6), Signal("3", "Linear", 1.0)),
        "steps": Steps((Update("1.weight", 0.9), Update("3.weight", 1e-7)), 0.9, 6, 0.1),
        "travelled": 9.0,
        "units": (Units("2", "ReLU", 10, 9, 0.0), Units("4", "Tanh", 10, 0, 0.9)),
        "averaged_accuracy": 0.1,
        "last_accuracy": 0.9,
    }  # fmt: skip
    return evidence(**usual | given)


OTHER_WAY: dict[str, dict[str, Any]] = {
    "as it is": {},
    "too short": {
        "steps": Steps((Update("1.weight", 1e-6), Update("3.weight", 1e-7)), 0.0, 6, 0.1),
        "train_loss": [2.0, 1.9, 1.8, 1.8, 1.8, 1.8],
        "lr": [0.1, 0.1, 0.1, 1e-4, 1e-4, 1e-4],
        "signals": (Signal("1", "Linear", 1e6), Signal("3", "Linear", 1.0)),
    },
}


KEY = re.compile(r"\b(model|optimizer|loss|schedule|training|data|augment)\.(\w+)")


def assert_possible(recipe: Recipe, told: str) -> None:
    """Each `key = value` of the advice changes the recipe, and each key is one it can have."""
    recipe = make_recipe(tomllib.loads(to_toml(recipe)), "a run's")  # as its folder has it
    now = flattened(recipe)
    for key, value in re.findall(r'([a-z]+\.\w+) = ("[\w-]+"|true|[\d.e-]+\d)', told):
        if f"{key} = {value} cuts" in told:
            continue  # what it is, not what it should be
        changed = load_recipe(recipe, [f"{key}={value.strip(chr(34))}"])
        assert flattened(changed).get(key) != now.get(key), f"{key} is {value} already: {told}"
    for table, name in KEY.findall(told):
        fields = Augment.model_fields if table == "augment" else type(
            getattr(recipe, table)).model_fields  # fmt: skip
        assert name in fields, f"there is no {table}.{name}: {told}"


@pytest.mark.parametrize("way", OTHER_WAY)
@pytest.mark.parametrize("name", RECIPES)
def test_no_rule_advises_what_the_recipe_has_or_cannot_have(evidence, name: str, way: str) -> None:
    made = ill(evidence, RECIPES[name], **OTHER_WAY[way])
    spoken = set()
    for rule in all_rules():
        if rule.name in ("duplicates", "learning-rate-range") or rule.why_not(made):
            continue
        if (finding := rule.examine(made)) is not None:
            spoken.add(rule.name)
            assert_possible(made.recipe, finding.advice)
            assert "  " not in finding.advice
            assert finding.advice.endswith(".")
            assert ", ," not in finding.advice
    assert len(spoken) > 8, spoken


def advised(evidence: Any, rule: Any, recipe: str = "plain", **given: Any) -> str:
    finding = rule().examine(ill(evidence, RECIPES[recipe], **given))
    assert finding is not None
    return finding.advice


# -- each direction --------------------------------------------------------------------------------


def confident(confidence: float, share: float) -> dict[str, Any]:
    """Ten classes, all said with one confidence, `share` of them right."""
    said = np.full((1000, 10), (1 - confidence) / 9)
    said[:, 0] = confidence
    labels = np.where(np.arange(1000) < share * 1000, 0, 1)
    return {
        "validation_probabilities": said,
        "validation_accuracy": share,
        "reliability": reliability(np.log(said), labels, "validation"),
    }


MORE_DOUBT = re.compile(
    r"(add|raise) (loss\.label_smoothing|optimizer\.weight_decay|augment\.mixup)"
)
LESS_DOUBT = re.compile(r"lower (loss\.label_smoothing|optimizer\.weight_decay|augment\.mixup)")


@pytest.mark.parametrize("recipe", ["plain", "all of it"])
def test_who_is_too_sure_is_made_to_doubt_and_who_doubts_is_not(evidence, recipe: str) -> None:
    sure = advised(evidence, Miscalibration, recipe, **confident(0.95, 0.7))
    assert len(MORE_DOUBT.findall(sure)) == 3
    assert "for fewer epochs" in sure
    assert not LESS_DOUBT.search(sure)
    unsure = advised(evidence, Miscalibration, recipe, **confident(0.6, 0.9))
    assert not MORE_DOUBT.search(unsure)
    assert "for more epochs" in unsure
    assert len(LESS_DOUBT.findall(unsure)) == (3 if recipe == "all of it" else 0)
    if recipe == "all of it":
        for key in ("label_smoothing, which is 0.1", "mixup, which is 0.2", "cutmix, which is 0.1",
                    "weight_decay, which is 0.02", "dropout, which is 0.3"):  # fmt: skip
            assert key in unsure
        assert "augment less" in unsure


def test_steps_that_are_too_long_and_too_short_are_advised_apart(evidence) -> None:
    def steps(*ratios: float) -> dict[str, Any]:
        updates = tuple(Update(str(n), ratio) for n, ratio in enumerate(ratios))
        return {"steps": Steps(updates, 0.0, 6, 0.1)}

    long = advised(evidence, UpdateRatios, **steps(0.2, 1e-3))
    assert long.startswith("Lower optimizer.lr, or bound the steps: optimizer.clip_norm = 1.")
    assert 'optimizer.name = "adamw"' in long
    bounded = advised(evidence, UpdateRatios, "all of it", **steps(0.2, 1e-3))
    assert "an optimizer.clip_norm below 0.5" in bounded
    assert "adamw" not in bounded
    short = advised(evidence, UpdateRatios, **steps(1e-7, 1e-6))
    assert short == "Raise optimizer.lr."
    held = advised(evidence, UpdateRatios, "all of it", **steps(1e-7, 1e-6))
    assert held.startswith("optimizer.clip_norm = 0.5 cuts most gradients, whose norm is 5e+02")
    assert "Raise optimizer.lr" not in held
    both = advised(evidence, UpdateRatios, **steps(0.2, 1e-7))
    assert both.startswith("No single learning rate suits all layers.")


def test_a_rate_that_is_too_low_may_be_a_bound_that_is_too_tight(evidence) -> None:
    creeping = OTHER_WAY["too short"]
    assert "optimizer.lr = 1 or more," in advised(evidence, RateTooLow, **creeping)
    held = advised(evidence, RateTooLow, "all of it", **creeping)
    assert held.startswith("optimizer.clip_norm = 0.5 cuts most gradients")
    calm = advised(evidence, RateTooLow, "all of it", **creeping | {"grad_norm": [0.6] * 6})
    assert "clip_norm" not in calm


def test_augmented_pictures_do_not_make_a_finished_training_look_slow(evidence) -> None:
    """Mixed images are recognised less often than plain ones, which were all learned."""
    creeping = OTHER_WAY["too short"] | {"seen_accuracy": 0.99}
    assert RateTooLow().examine(ill(evidence, {}, **creeping)) is None
    early = {"lr": [0.1, 0.1, 0.1, 1e-4, 1e-4, 1e-4], "train_loss": [2.0, 1.5, 1.0, 0.9, 0.9, 0.9]}
    assert EarlyDecay().examine(ill(evidence, RECIPES["squashing"], **early)) is not None
    learnt = early | {"seen_accuracy": 0.99}
    assert EarlyDecay().examine(ill(evidence, RECIPES["squashing"], **learnt)) is None


def test_a_high_rate_is_lowered_with_the_means_that_are_left(evidence) -> None:
    plain = advised(evidence, RateTooHigh)
    assert "optimizer.lr = 0.01 or less," in plain
    assert "schedule.warmup_epochs = 1 or optimizer.clip_norm = 1." in plain
    used = advised(evidence, RateTooHigh, "all of it")
    assert "a schedule.warmup_epochs above 1 or an optimizer.clip_norm below 0.5." in used
    assert "warmup" not in advised(evidence, RateTooHigh, "squares")


def test_a_first_epoch_above_chance_may_be_the_first_weights_doing(evidence) -> None:
    calm = {"train_loss": [9.0, 0.8, 0.6, 0.5, 0.4, 0.3], "travelled": 0.1,
            "steps": Steps((Update("1", 1e-3),), 0.0, 6, 0.1)}  # fmt: skip
    assert RateTooHigh().examine(ill(evidence, {}, **calm, first_loss=2.3)) is not None
    assert RateTooHigh().examine(ill(evidence, {}, **calm, first_loss=20.0)) is None


def test_underfitting_lowers_only_restraints_that_are_there(evidence) -> None:
    still = {"train_loss": [1.0] * 6}
    assert advised(evidence, Underfitting, **still) == (
        "The training loss had stopped falling: use a larger network or find a better learning "
        "rate with --lr-range."
    )
    restrained = advised(evidence, Underfitting, "all of it", **still)
    assert "lower model.dropout, which is 0.3" in restrained
    assert "augment less" in restrained


def test_weights_without_epochs_are_told_what_helps_all_the_same(evidence) -> None:
    """Imported ones have none, and a run whose metrics.jsonl was lost."""
    columns = "train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr", "grad_norm"
    told = advised(evidence, Underfitting, **{column: [] for column in columns})
    assert told.startswith("Try to use a larger network or find")


def test_a_loss_that_stands_still_because_the_rate_is_spent_was_still_falling(evidence) -> None:
    course = {"train_loss": [2.0, 1.8, 1.6, 1.4, 1.39, 1.39]}
    spent = course | {"lr": [0.1, 0.1, 0.1, 0.1, 0.005, 0.0]}
    assert "stopped falling" in advised(evidence, Underfitting, **course)
    assert advised(evidence, Underfitting, **spent).endswith("train for more epochs.")


def test_memorising_is_made_harder_with_the_means_that_are_left(evidence) -> None:
    falling = {"train_loss": [2.0, 1.0, 0.8, 0.6, 0.4, 0.2]}
    plain = advised(evidence, Overfitting, **falling)
    assert plain.startswith("Stop near epoch 2 (training.early_stopping_patience = 3)")
    assert "add optimizer.weight_decay" in plain
    assert "add model.dropout" in plain
    assert "augment the images" in plain
    assert "data.sample = 1" in plain
    used = advised(evidence, Overfitting, "all of it", **falling)
    assert "a training.early_stopping_patience below 4" in used
    assert "raise optimizer.weight_decay, which is 0.02" in used
    assert "raise model.dropout, which is 0.3" in used
    assert "augment more" in used
    assert "sample" not in used
    assert "dropout" not in advised(evidence, GeneralisationGap, "residual")


def test_a_network_better_at_new_pictures_than_at_its_own_has_no_gap(evidence) -> None:
    made = ill(evidence, {}, seen_accuracy=0.7, validation_accuracy=0.95)
    assert GeneralisationGap().examine(made) is None


def test_gradients_units_and_classes_are_advised_what_the_network_lacks(evidence) -> None:
    vanishing = advised(evidence, VanishingGradients, "squashing")
    assert 'model.activation = "relu"' in vanishing
    assert 'model.init = "xavier-uniform"' in vanishing
    assert "activation" not in advised(evidence, VanishingGradients)
    assert "residual" not in advised(evidence, VanishingGradients, "residual")
    assert "model.batch_norm = true" in advised(evidence, VanishingGradients, "vgg")
    exploding = {"signals": OTHER_WAY["too short"]["signals"]}
    assert "(optimizer.clip_norm = 1)" in advised(evidence, ExplodingGradients, **exploding)
    assert "below 0.5" in advised(evidence, ExplodingGradients, "all of it", **exploding)
    assert "init" not in advised(evidence, DeadReLUs, "all of it")
    assert "standard" in advised(evidence, SaturatedUnits)
    assert "standard" not in advised(evidence, SaturatedUnits, "all of it")
    assert "class_weights" in advised(evidence, ClassImbalance)
    assert "class_weights" not in advised(evidence, ClassImbalance, "squares")
    labels = np.repeat([3, 7], 200)
    images, said = np.zeros((400, 4, 4), np.uint8), np.where(np.arange(400) < 30, 7, labels)
    pair = {
        "validation": SimpleNamespace(images=images, labels=labels),
        "validation_probabilities": np.eye(10)[said],
    }
    assert "convolutions" in advised(evidence, ConfusedPair, **pair)
    assert "convolutions" not in advised(evidence, ConfusedPair, "residual", **pair)
    assert "larger images" not in advised(evidence, ConfusedPair, **pair)  # digits are as they are


def test_wrong_labels_are_smoothed_where_they_are_not(evidence) -> None:
    assert "loss.label_smoothing = 0.1" in advised(evidence, SuspiciousLabels)
    assert "smoothing" not in advised(evidence, SuspiciousLabels, "all of it")


def test_unstable_losses_are_advised_within_what_is_set(evidence) -> None:
    assert "batches of more than" in advised(evidence, UnstableLoss)
    assert "an optimizer.clip_norm below 0.5" in advised(evidence, UnstableLoss, "all of it")


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ("all of it", ["schedule.every above 3", "closer to 1 than 0.2", "patience above 2"]),
        ("squashing", ["closer to 1 than 0.5", '"cosine"']),
        ("vgg", ["later schedule.milestones"]),
        ("k", ["schedule.k below 0.1"]),
    ],
)
def test_a_rate_that_falls_too_soon_is_told_of_its_own_schedule(evidence, recipe, told) -> None:
    early = {"lr": [0.1, 0.1, 0.1, 1e-4, 1e-4, 1e-4], "train_loss": [2.0, 1.5, 1.0, 0.9, 0.9, 0.9]}
    advised_ = advised(evidence, EarlyDecay, recipe, **early)
    assert all(each in advised_ for each in told)
    assert ("schedule.every" in advised_) == (recipe == "all of it")


def test_a_lagging_average_of_few_steps_is_not_told_to_remember_more(evidence) -> None:
    found = AverageTooLong().examine(
        evidence(overrides={"training.ema": 0.9}, train_loss=[1.0] * 500,
                 averaged_accuracy=0.5, last_accuracy=0.9)
    )  # fmt: skip
    assert found is not None
    assert "a training.ema below 0.9;" in found.advice
    assert "training.ema = 0.9" in found.sentence


def test_lists_are_written_as_people_write_them() -> None:
    assert advice.one_of(["a"]) == "a"
    assert advice.one_of(["a", "b"]) == "a or b"
    assert advice.one_of(["a", "b", "c"], "and") == "a, b and c"


def test_the_check_itself_sees_what_is_wrong() -> None:
    recipe = load_recipe("digits")
    with pytest.raises(AssertionError, match="already"):
        assert_possible(recipe, f"Use optimizer.lr = {recipe.optimizer.lr:g}.")
    with pytest.raises(AssertionError, match="there is no"):
        assert_possible(recipe, "Raise model.growth.")
    with pytest.raises(RecipeError):
        assert_possible(recipe, 'Take model.norm = "none".')


# -- a training that has learned nothing -----------------------------------------------------------


def test_what_has_learnt_nothing_has_learnt_nothing_by_heart(evidence) -> None:
    course = {
        "train_loss": [9.0, 8.9, 8.8, 8.7, 8.6, 8.5],
        "val_loss": [9.0, 5.0, 9.0, 9.0, 9.0, 9.0],
    }
    assert Overfitting().examine(ill(evidence, {}, **course)) is None
    told = advised(evidence, Underfitting, **course, seen_accuracy=0.1)
    assert told == "It has learned almost nothing: find a learning rate that works with --lr-range."
    squares = ill(evidence, RECIPES["squares"], **course)  # of which guessing has no known loss
    assert Overfitting().examine(squares) is not None


def test_gradients_behind_a_dead_layer_are_the_dead_layers_matter(evidence) -> None:
    stopped = {"signals": (Signal("1", "Linear", 0.0), Signal("3", "Linear", 1.0))}
    dead = {"units": (Units("2", "ReLU", 10, 10, 0.0),)}
    assert VanishingGradients().examine(ill(evidence, {}, **stopped, **dead)) is None
    half = {"units": (Units("2", "ReLU", 10, 9, 0.0),)}
    assert VanishingGradients().examine(ill(evidence, {}, **stopped, **half)) is not None


def test_only_a_deep_network_is_told_to_have_fewer_layers(evidence) -> None:
    assert "fewer layers" not in advised(evidence, VanishingGradients)
    deep = tuple(Signal(str(n), "Linear", 10.0 ** (n - 5)) for n in range(6))
    assert "fewer layers" in advised(evidence, VanishingGradients, signals=deep)


def test_a_temperature_at_the_end_of_its_range_is_no_remedy(evidence) -> None:
    lost = confident(0.95, 0.02)
    assert lost["reliability"].temperature == pytest.approx(20)
    assert advised(evidence, Miscalibration, **lost).startswith("No temperature corrects it")
    assert "dropout layers" in advised(
        evidence, Miscalibration, "layer by layer", **confident(0.6, 0.9)
    )


def test_a_rate_is_written_as_a_recipe_has_it(evidence) -> None:
    wild = {"optimizer": {"name": "sgd", "lr": 1000.0}}
    found = RateTooHigh().examine(ill(evidence, wild))
    assert found is not None
    assert "optimizer.lr = 100 or less" in found.advice


def test_a_network_of_layers_is_advised_by_its_layers(evidence) -> None:
    """Dropout is put in where there is none, and raised or lowered where there is."""
    bare = [{"layer": "flatten"}, {"layer": "linear", "out_features": 10}]
    without = {"model": {"name": "sequential", "layers": bare}}
    gap = GeneralisationGap().examine(ill(evidence, without))
    assert gap is not None
    assert "add a dropout layer" in gap.advice
    assert "dropout" not in advised(evidence, GeneralisationGap, "layer by layer")
