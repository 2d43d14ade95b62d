"""Rates too high, too low or out of range: each way to see it, on evidence written by hand."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.diagnosis.probe import Steps, Units, Update
from handloom.diagnosis.rules.learning_rate import RateOutOfRange, RateTooHigh, RateTooLow
from handloom.views import RateRange

CALM = Steps((Update("1.weight", 1e-3),), worsened=0.0, tried=6, lr=0.05)
WILD = Steps((Update("1.weight", 1e-3),), worsened=0.8, tried=6, lr=0.05)
CREEPING = Steps(
    (Update("1.weight", 1e-5), Update("3.weight", 2e-5)), worsened=0.0, tried=6, lr=0.05
)
FALLING = [1.0, 0.8, 0.6, 0.5]
CONSTANT = [0.05] * 4


@pytest.mark.parametrize(
    ("losses", "rates", "steps", "travelled", "told"),
    [
        ([1.0, 0.5, 0.9, 0.9], CONSTANT, CALM, 1.0, "rose from 0.500 in epoch 2 to 0.900"),
        ([2.4, 2.3, 2.3, 2.3], CONSTANT, CALM, 12.0, "12 times its own norm"),
        (
            [9.0, 0.8, 0.6, 0.5],
            CONSTANT,
            CALM,
            1.0,
            "of epoch 1 was 9.000, and guessing gives 2.303",
        ),
        (FALLING, CONSTANT, WILD, 1.0, "80.0 % of the next steps would increase the loss"),
    ],
)
def test_each_sign_of_a_rate_that_is_too_high(
    evidence, losses, rates, steps: Steps, travelled: float, told: str
) -> None:
    made = evidence(train_loss=losses, lr=rates, steps=steps, travelled=travelled)
    found = RateTooHigh().examine(made)
    assert found is not None
    assert told in found.sentence
    assert "optimizer.lr = 0.005" in found.advice


@pytest.mark.parametrize(
    ("losses", "rates", "steps", "travelled"),
    [
        (FALLING, CONSTANT, CALM, 9.0),  # weights may go far where they learn
        ([2.4, 2.3, 2.3, 2.3], CONSTANT, CALM, 0.1),  # nothing learned, but not by long steps
        (FALLING, CONSTANT, WILD._replace(tried=1), 1.0),  # one step may be chance
        (FALLING, [0.05, 0.04, 0.02, 0.0], WILD, 1.0),  # the rate has come down since
        ([1.0, 0.8, 0.6, 0.3], CONSTANT, CALM, 1.0),  # the last quarter lies above the lowest only
    ],
)
def test_what_is_no_sign(evidence, losses, rates, steps: Steps, travelled: float) -> None:
    made = evidence(train_loss=losses, lr=rates, steps=steps, travelled=travelled)
    assert RateTooHigh().examine(made) is None


def test_chance_is_unknown_of_squares(evidence) -> None:
    made = evidence(
        overrides={"loss": {"name": "mse"}}, train_loss=[5.0, 4.0, 3.0, 2.9], lr=CONSTANT,
        steps=CALM, travelled=9.0,
    )  # fmt: skip
    assert RateTooHigh().examine(made) is None


@pytest.mark.parametrize(
    ("losses", "accuracy", "steps", "is_found"),
    [
        ([2.30, 2.29, 2.28, 2.27], 0.2, CREEPING, True),
        ([2.30, 2.29, 2.28, 2.27], 0.2, CALM, False),
        ([0.30, 0.20, 0.10, 0.05], 0.99, CREEPING, False),  # there is nothing left to learn
        ([2.30, 2.31, 2.30, 2.32], 0.1, CREEPING, False),  # it is something else
    ],
)
def test_too_low_is_a_fall_in_tiny_steps(
    evidence, losses, accuracy: float, steps: Steps, is_found: bool
) -> None:
    made = evidence(train_loss=losses, train_accuracy=[accuracy] * 4, lr=CONSTANT, steps=steps)
    found = RateTooLow().examine(made)
    assert (found is not None) == is_found
    if found is not None:
        assert "by more than 2e-05 of its norm" in found.sentence
        assert "optimizer.lr = 0.5" in found.advice


def test_a_dead_layer_takes_no_steps_at_any_rate(evidence) -> None:
    """What is said of dead units is to lower the rate: this would say the opposite beside it."""
    made = evidence(
        train_loss=FALLING, train_accuracy=[0.1] * 4, lr=CONSTANT, steps=CREEPING,
        units=(Units("2", "ReLU", 16, 16, 0.0),),
    )  # fmt: skip
    assert RateTooLow().examine(made) is None


def test_a_loss_kept_high_by_mixed_pictures_is_no_sign_of_a_rate_too_high(evidence) -> None:
    made = evidence(
        train_loss=[2.3, 2.2, 2.2, 2.2], lr=CONSTANT, steps=CALM, travelled=12.0, seen_accuracy=0.8
    )
    assert RateTooHigh().examine(made) is None


@pytest.mark.parametrize(
    ("used", "word"), [(0.5, "above"), (0.2, None), (0.01, None), (0.001, "below")]
)
def test_the_range_test_has_a_wide_middle(evidence, used: float, word: str | None) -> None:
    rates = np.geomspace(1e-6, 10, 20)
    rate_range = RateRange(rates, rates, rates, steepest=0.1, largest=0.4, used=used)
    rule, made = RateOutOfRange(), evidence(rate_range=rate_range, range_test=True)
    found = rule.examine(made)
    assert (found and found.sentence.split(" is ")[1].split()[0]) == word
    assert rule.why_not(made) == ""
    assert "--lr-range" in rule.why_not(evidence(range_test=False))


def test_a_loss_that_falls_nowhere_is_not_the_rates_fault(evidence) -> None:
    rates = np.geomspace(1e-6, 10, 20)
    found = RateOutOfRange().examine(
        evidence(rate_range=RateRange(rates, rates, rates, None, None, 0.05))
    )
    assert found is not None
    assert found.sentence.startswith("The loss fell at no learning rate from 1e-06 to 10")
