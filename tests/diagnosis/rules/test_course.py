"""Unstable losses and rates spent early: where the lines run."""

from __future__ import annotations

import pytest

from handloom.diagnosis.rules.course import EarlyDecay, UnstableLoss


@pytest.mark.parametrize(
    ("losses", "jumps"),
    [
        ([2.0, 1.0, 1.5, 0.9, 1.3, 0.8], 2),
        ([2.0, 1.0, 1.5, 0.9, 0.8, 0.7], None),  # once is no habit
        ([2.0, 1.0, 1.1, 1.0, 1.1, 1.0], None),  # a tenth is no jump
        ([2.0, 0.01, 0.03, 0.01, 0.03, 0.01], None),  # among losses of nearly nothing
    ],
)
def test_unstable_is_a_rise_by_a_fifth_more_than_once(evidence, losses, jumps) -> None:
    found = UnstableLoss().examine(evidence(train_loss=losses))
    assert (found and found.figures["jumps"]) == jumps
    if found is not None:
        assert "most of all from epoch 2 to 3, from 1.000 to 1.500" in found.sentence


SPENT = [0.1, 0.1, 0.1, 0.001, 0.001, 0.001, 0.001, 0.001]


@pytest.mark.parametrize(
    ("rates", "losses", "accuracy", "is_found"),
    [
        (SPENT, [2.0, 1.5, 1.2, 1.1, 1.1, 1.1, 1.1, 1.1], 0.6, True),
        (SPENT, [2.0, 1.5, 1.2, 1.1, 1.0, 0.9, 0.8, 0.7], 0.6, False),  # it goes on falling
        (SPENT, [2.0, 1.21, 1.2, 1.1, 1.1, 1.1, 1.1, 1.1], 0.6, False),  # it had stopped before
        (SPENT, [2.0, 1.5, 1.2, 1.1, 1.1, 1.1, 1.1, 1.1], 0.99, False),  # all is learned
        ([0.1] * 7 + [0.001], [2.0, 1.5, 1.2, 1.1, 1.1, 1.1, 1.1, 1.1], 0.6, False),  # late
        ([0.1] * 8, [2.0, 1.5, 1.2, 1.1, 1.1, 1.1, 1.1, 1.1], 0.6, False),
        (
            [0.001, 0.1, *SPENT[1:-1]],
            [2.3, 2.0, 1.5, 1.2, 1.1, 1.1, 1.1, 1.1],
            0.6,
            True,
        ),  # warm-up
    ],
)
def test_decay_is_too_early_where_it_ends_the_fall(
    evidence, rates, losses, accuracy: float, is_found: bool
) -> None:
    found = EarlyDecay().examine(
        evidence(lr=rates, train_loss=losses, train_accuracy=[accuracy] * 8)
    )
    assert (found is not None) == is_found
    if found is not None and rates is SPENT:
        assert "from epoch 4 of 8" in found.sentence
        assert "falling by 20.0 % per epoch, and fell by 0.0 % after that" in found.sentence
