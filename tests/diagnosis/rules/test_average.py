"""An average that is too long: by its memory, or because it lags behind its weights."""

from __future__ import annotations

import pytest

from handloom.diagnosis.rules.average import AverageTooLong


def examine(evidence, ema: float, epochs: int, *, averaged: float = 0.9, **given):
    """Epochs of 10 steps; the weights themselves recognise 90 %."""
    return AverageTooLong().examine(
        evidence(
            overrides={"training.ema": ema, "training.epochs": 100}, train_loss=[1.0] * epochs,
            averaged_accuracy=averaged, last_accuracy=0.9, **given,
        )
    )  # fmt: skip


@pytest.mark.parametrize(("epochs", "speaks"), [(99, True), (100, False), (101, False)])
def test_the_memory_is_compared_with_the_steps(evidence, epochs: int, speaks: bool) -> None:
    found = examine(evidence, 0.999, epochs)
    assert (found is not None) == speaks
    if found is not None:
        assert found.severity == "hint"
        assert "spans 1,000 steps, and the training has 990" in found.sentence
        assert "decay reached 0.991" in found.sentence  # 991 / 1000
        assert "training.ema = 0.99," in found.advice  # 1 - 10 / 990


def test_a_training_that_goes_on_is_measured_by_its_plan(evidence) -> None:
    """20 steps are done of 100 epochs of 10."""
    assert examine(evidence, 0.99, 2, finished=False) is None
    found = examine(evidence, 0.9999, 2, finished=False)
    assert found is not None
    assert "the training has 1,000" in found.sentence


@pytest.mark.parametrize(("averaged", "speaks"), [(0.86, True), (0.88, False), (0.95, False)])
def test_an_average_that_lags_is_a_problem(evidence, averaged: float, speaks: bool) -> None:
    found = examine(evidence, 0.9, 50, averaged=averaged)
    assert (found is not None) == speaks
    if found is not None:
        assert found.severity == "problem"
        assert "validation accuracy is 86.0 %" in found.sentence
        assert "averages is 90.0 %" in found.sentence


def test_without_an_average_there_is_nothing_to_ask(evidence) -> None:
    why = AverageTooLong().passed_over(evidence(train_loss=[1.0], has_weights=True))
    assert why == "the recipe keeps no average of the weights (training.ema)"
