"""What a finding hands to programs: its severity and figures, and where its limits lie."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from handloom.diagnosis import advice
from handloom.diagnosis.calibration import relative_error, reliability
from handloom.diagnosis.neighbours import Nearest
from handloom.diagnosis.probe import Steps, Units, Update
from handloom.diagnosis.rules.average import AverageTooLong
from handloom.diagnosis.rules.calibration import Miscalibration
from handloom.diagnosis.rules.classes import ClassImbalance, ConfusedPair
from handloom.diagnosis.rules.course import EarlyDecay, UnstableLoss
from handloom.diagnosis.rules.fit import GeneralisationGap, Overfitting, Underfitting
from handloom.diagnosis.rules.labels import SuspiciousLabels
from handloom.diagnosis.rules.learning_rate import RateOutOfRange, RateTooHigh, RateTooLow
from handloom.diagnosis.rules.units import DeadReLUs
from handloom.diagnosis.suspicion import judged
from handloom.recipes import load_recipe
from handloom.views import RateRange

CONFUSED = np.repeat([3, 5, 0], [12, 12, 26])
AS = np.concatenate([np.repeat(5, 12), np.repeat(3, 12), np.arange(26) % 2])


def found(rule: Any, made: Any) -> tuple[str, dict[str, Any]]:
    finding = rule().examine(made)
    assert finding is not None
    return finding.severity, dict(finding.figures)


def test_of_the_fit(evidence) -> None:
    falling = [1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2]
    rising = [0.9, 0.7, 0.5, 0.5, 0.55, 0.55, 0.55]
    made = evidence(train_loss=falling, val_loss=rising, validation_loss_error=0.0)
    severity, figures = found(Overfitting, made)
    assert severity == "hint"
    assert figures == {
        "start_epoch": 3, "lowest_val_loss": 0.5, "rise": pytest.approx(0.1),
    }  # fmt: skip
    made = evidence(
        val_accuracy=[0.75], seen_accuracy=1.0, validation_accuracy=0.75, validation=range(6000)
    )
    assert found(GeneralisationGap, made) == (
        "problem", {"train_accuracy": 1.0, "validation_accuracy": 0.75, "gap": 0.25},
    )  # fmt: skip
    made = evidence(train_loss=falling, seen_accuracy=0.8, nearest=Nearest(0.9, 720, 80))
    assert found(Underfitting, made) == (
        "problem", {"train_accuracy": 0.8, "nearest_neighbour_accuracy": 0.9},
    )  # fmt: skip


@pytest.mark.parametrize(("lowest_at", "speaks"), [(4, True), (5, False)])
def test_two_epochs_have_to_follow_the_lowest(evidence, lowest_at: int, speaks: bool) -> None:
    validation = [1.0] * 7
    validation[lowest_at] = 0.3
    made = evidence(
        train_loss=[1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2], val_loss=validation,
        validation_loss_error=0.0,
    )  # fmt: skip
    assert (Overfitting().examine(made) is not None) == speaks


def test_whether_anything_was_learnt_is_the_last_epochs_matter(evidence) -> None:
    made = evidence(
        train_loss=[2.3, 2.3, 1.0, 0.5], seen_accuracy=0.8, nearest=Nearest(0.9, 720, 80)
    )
    assert "still falling" in Underfitting().examine(made).advice
    made = evidence(
        train_loss=[0.5, 0.5, 1.0, 2.3], seen_accuracy=0.1, nearest=Nearest(0.9, 720, 80)
    )
    assert "learned almost nothing" in Underfitting().examine(made).advice


def test_of_the_course(evidence) -> None:
    made = evidence(train_loss=[2.0, 1.0, 1.5, 0.9, 1.3, 0.8])
    assert found(UnstableLoss, made) == ("problem", {"jumps": 2, "epochs": 6})
    sentence = UnstableLoss().examine(made).sentence
    assert "in 2 of 6 epochs the training loss rose by 20.0 % or more" in sentence
    made = evidence(
        lr=[0.1, 0.1, 0.1, *[0.001] * 5], train_loss=[2.0, 1.5, 1.2, 1.1, 1.1, 1.1, 1.1, 1.1],
        train_accuracy=[0.6] * 8,
    )  # fmt: skip
    assert found(EarlyDecay, made) == (
        "problem",
        {"spent_epoch": 4, "fall_before": pytest.approx(0.2), "fall_after": 0.0},
    )


def test_of_rates(evidence) -> None:
    rates = np.geomspace(1e-6, 10, 20)
    made = evidence(rate_range=RateRange(rates, rates, rates, 0.1, 0.4, 0.5))
    assert found(RateOutOfRange, made) == ("problem", {"lr": 0.5, "steepest": 0.1, "largest": 0.4})
    for used in (0.4, 0.1 / 30):  # the lines themselves
        rate_range = RateRange(rates, rates, rates, 0.1, 0.4, used)
        assert RateOutOfRange().examine(evidence(rate_range=rate_range)) is None
    creeping = Steps((Update("1.weight", 1e-5), Update("3.weight", 2e-5)), 0.0, 6, 0.05)
    made = evidence(train_loss=[2.3, 2.2, 2.1], train_accuracy=[0.2] * 3, steps=creeping)
    assert found(RateTooLow, made) == ("problem", {"lr": 0.05, "largest_update_ratio": 2e-5})
    wild = Steps((Update("1.weight", 1e-3),), 0.8, 6, 0.05)
    made = evidence(train_loss=[1.0, 0.8, 0.6], lr=[0.05] * 3, steps=wild, travelled=1.0)
    assert found(RateTooHigh, made) == ("problem", {"lr": 0.05})


def test_of_the_average(evidence) -> None:
    made = evidence(
        overrides={"training.ema": 0.9}, train_loss=[1.0] * 50, averaged_accuracy=0.8,
        last_accuracy=0.9,
    )  # fmt: skip
    assert found(AverageTooLong, made) == (
        "problem",
        {"remembers": 10, "steps": 500, "averaged_accuracy": 0.8, "last_accuracy": 0.9},
    )


def test_of_classes(evidence) -> None:
    counts = np.array([500, 450, 40])
    made = evidence(
        classes=3, parts=SimpleNamespace(train=SimpleNamespace(class_counts=lambda: counts))
    )
    finding = ClassImbalance().examine(made)
    assert finding.figures == {"counts": {"0": 500, "1": 450, "2": 40}}
    assert [(bar.name, bar.value, bar.told, bar.is_ill) for bar in finding.picture.bars] == [
        ("0", 500.0, "500", False), ("1", 450.0, "450", False), ("2", 40.0, "40", True),
    ]  # fmt: skip
    assert (finding.picture.unit, finding.picture.heading) == (
        "pictures", "Training images of each class",
    )  # fmt: skip
    assert "33.3 % of the largest" in finding.picture.note
    validation = SimpleNamespace(labels=CONFUSED, images=np.zeros((50, 4, 4), np.uint8))
    made = evidence(validation=validation, validation_probabilities=np.eye(10)[AS])
    assert found(ConfusedPair, made) == (
        "hint", {"pair": ["3", "5"], "mistakes": 24, "all_mistakes": 37},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("count", "severity"), [(3, None), (4, "hint"), (11, "hint"), (12, "problem")]
)
def test_of_labels(evidence, count: int, severity: str | None) -> None:
    """Of 400 pictures: one in a hundred is worth a word, three are a problem."""
    labels = np.arange(400) % 10
    said = np.where(np.arange(400) < count, (labels + 1) % 10, labels)
    logs = np.log(np.where(np.eye(10)[said] > 0, 0.991, 0.001))
    part = type("Part", (SimpleNamespace,), {"__len__": lambda self: 400})(
        images=np.zeros((400, 4, 4), np.uint8), labels=labels, class_names=tuple("0123456789")
    )
    suspects = judged(part, logs, 1.0, "validation")
    made = evidence(judged_validation=suspects, judged_seen=suspects, seen=part, suspects="a sheet")
    finding = SuspiciousLabels().examine(made)
    assert (finding and finding.severity) == severity
    if finding is not None:
        assert finding.figures == {"validation_suspects": count, "train_suspects": count}
        assert finding.picture == "a sheet"


def test_of_confidence(evidence) -> None:
    said = np.column_stack([np.full(1000, 0.85), np.full(1000, 0.15)])
    labels = np.where(np.arange(1000) < 780, 0, 1)
    diagram = reliability(np.log(said), labels, "validation")
    made = evidence(validation_probabilities=said, validation_accuracy=0.78, reliability=diagram)
    severity, figures = found(Miscalibration, made)
    assert severity == "hint"
    assert figures == {
        "ece": diagram.ece, "temperature": diagram.temperature,
        "ece_at_temperature": diagram.ece_at_temperature,
    }  # fmt: skip
    assert diagram.ece == pytest.approx(0.07)


def test_more_layers_than_a_sentence_holds_are_counted(evidence) -> None:
    units = tuple(Units(str(place), "ReLU", 10, 8, 0.0) for place in range(5))
    assert "and so on in 1 more layers" in DeadReLUs().examine(evidence(units=units)).sentence


# -- what they are made of -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("patience", "told"),
    [(3, "a training.early_stopping_patience below 3"),
     (2, "a training.early_stopping_patience below 2"), (1, "training.epochs below")],
)  # fmt: skip
def test_a_patience_of_one_cannot_be_less(patience: int, told: str) -> None:
    recipe = load_recipe("digits", {"training.early_stopping_patience": patience})
    assert told in advice.early_stop(recipe)


@pytest.mark.parametrize(
    ("layers", "has_some"),
    [
        ([{"layer": "conv2d", "out_channels": 2, "kernel_size": 3}, {"layer": "flatten"}], True),
        ([{"layer": "flatten"}], False),
    ],
)
def test_a_network_layer_by_layer_may_have_convolutions(layers: Any, has_some: bool) -> None:
    layers = [*layers, {"layer": "linear", "out_features": 10}]
    recipe = load_recipe("digits", {"model": {"name": "sequential", "layers": layers}})
    assert advice.has_convolutions(recipe) == has_some


def test_the_error_of_a_weighted_mean_is_that_of_many_draws() -> None:
    """Weights that differ: w² counts; checked against the spread of means of drawn losses."""
    rng = np.random.default_rng(0)
    weights = np.repeat([0.2, 3.0], 200)
    means = [(weights * rng.exponential(2.0, 400)).sum() / weights.sum() for _ in range(4000)]
    estimated = np.mean([relative_error(rng.exponential(2.0, 400), weights) for _ in range(200)])
    assert estimated == pytest.approx(np.std(means) / 2.0, rel=0.05)
