"""What a conclusion can say, held against made-up figures on both sides."""

from __future__ import annotations

import inspect
from typing import NamedTuple

import pytest

from handloom.studies.reproduce import checks
from handloom.studies.reproduce.checks import (
    Beats,
    Descends,
    IsBest,
    IsQuicker,
    KeepsUp,
    LowestNear,
    Overfits,
    Reaches,
    ranking,
)
from handloom.studies.reproduce.claims import Check, Verdict
from handloom.studies.reproduce.figures import Evidence


def accuracies(make, **by_label: tuple[float, ...]) -> Evidence:
    return {label: make(*values) for label, values in by_label.items()}


def validations(make, **by_label: float) -> Evidence:
    what = "validation_accuracy"
    return {label: make(value, what=what) for label, value in by_label.items()}


def losses(make, *values: tuple[float, ...]) -> Evidence:
    return {"a": make(*values, what="val_losses", epochs=len(values[0]))}


HELD, FAILED, OPEN = Verdict.HELD, Verdict.FAILED, Verdict.OPEN
DOWN = (0.5, 0.4, 0.3, 0.29, 0.35)


class Case(NamedTuple):
    check: Check
    evidence: object
    """Makes the figures, given what makes those of one configuration."""
    verdict: Verdict
    because: str


CASES = [
    Case(
        Beats("a", "b"),
        lambda make: accuracies(make, a=(0.95, 0.96, 0.95), b=(0.91, 0.92, 0.92)),
        HELD,
        "0.9533 against 0.9167, +0.0367 ± 0.0143",
    ),
    Case(
        Beats("a", "b"),
        lambda make: accuracies(make, a=(0.91, 0.92, 0.92), b=(0.95, 0.96, 0.95)),
        FAILED,
        "0.9167 against 0.9533, -0.0367 ± 0.0143",
    ),
    Case(
        Beats("a", "b"),
        lambda make: accuracies(make, a=(0.95, 0.93, 0.96), b=(0.94, 0.95, 0.94)),
        OPEN,
        "0.9467 against 0.9433, +0.0033 ± 0.0517",
    ),
    Case(Beats("a", "b"), lambda make: accuracies(make, a=(0.95,), b=(0.93,)), HELD, "+0.0200 ± "),
    Case(Beats("a", "b"), lambda make: accuracies(make, a=(0.95,), b=(0.949,)), OPEN, "+0.0010 ± "),
    Case(
        KeepsUp("a", "b", within=0.01),
        lambda make: accuracies(make, a=(0.949,), b=(0.95,)),
        HELD,
        "0.9490 against 0.9500, -0.0010 ± 0.0061",
    ),
    Case(
        KeepsUp("a", "b", within=0.01),
        lambda make: accuracies(make, a=(0.93,), b=(0.95,)),
        FAILED,
        "0.9300 against 0.9500, -0.0200 ± 0.0066",
    ),
    Case(
        KeepsUp("a", "b", within=0.01),
        lambda make: accuracies(make, a=(0.942,), b=(0.95,)),
        OPEN,
        "0.9420 against 0.9500, -0.0080 ± 0.0063",
    ),
    Case(
        Descends(("a", "b", "c")),
        lambda make: accuracies(make, a=(0.97,), b=(0.96,), c=(0.95,)),
        HELD,
        "0.9700, 0.9600, 0.9500; first less last +0.0200 ± 0.0054",
    ),
    Case(
        Descends(("a", "b", "c")),
        lambda make: accuracies(make, a=(0.95,), b=(0.96,), c=(0.97,)),
        FAILED,
        "0.9500, 0.9600, 0.9700; first less last -0.0200 ± 0.0054",
    ),
    Case(  # down, then up beyond chance
        Descends(("a", "b", "c")),
        lambda make: accuracies(make, a=(0.97,), b=(0.94,), c=(0.96,)),
        FAILED,
        "first less last +0.0100",
    ),
    Case(  # down as a whole, but one step rises, within chance
        Descends(("a", "b", "c")),
        lambda make: accuracies(make, a=(0.97,), b=(0.95,), c=(0.951,)),
        OPEN,
        "first less last +0.0190",
    ),
    Case(  # every step goes down, but all of it may be chance
        Descends(("a", "b", "c")),
        lambda make: accuracies(make, a=(0.952,), b=(0.951,), c=(0.95,)),
        OPEN,
        "first less last +0.0020",
    ),
    Case(
        IsBest("b"),
        lambda make: validations(make, a=0.90, b=0.93, c=0.92),
        HELD,
        "first of 3, ahead of c by +0.0100 ± 0.0073",
    ),
    Case(
        IsBest("b"),
        lambda make: validations(make, a=0.95, b=0.93, c=0.94),
        FAILED,
        "number 3 of 3, behind a by +0.0200 ± 0.0066",
    ),
    Case(
        IsBest("b"),
        lambda make: validations(make, a=0.931, b=0.93, c=0.92),
        OPEN,
        "number 2 of 3, behind a by +0.0010 ± 0.0070",
    ),
    Case(
        IsBest("b"),
        lambda make: validations(make, b=0.9),
        OPEN,
        "there is nothing to compare it with",
    ),
    Case(Reaches("a", 0.89), lambda make: accuracies(make, a=(0.89,)), HELD, "0.8900, +0.0000"),
    Case(
        Reaches("a", 0.89),
        lambda make: accuracies(make, a=(0.88, 0.87)),
        FAILED,
        "0.8750, -0.0150; ± 0.0061 sampling error",
    ),
    Case(Reaches("a", 0.89), lambda make: accuracies(make, a=(0.885,)), OPEN, "0.8850, -0.0050; ±"),
    Case(
        LowestNear("a", epoch=3, around=1),
        lambda make: losses(make, DOWN),
        HELD,
        "lowest at epoch 4 of 5",
    ),
    Case(
        LowestNear("a", epoch=2, around=1),
        lambda make: losses(make, DOWN, DOWN),
        FAILED,
        "lowest at epoch 4 and 4 of 5",
    ),
    Case(
        Overfits("a"),
        lambda make: losses(make, DOWN),
        HELD,
        "validation loss ends 20.7% above its lowest",
    ),
    Case(
        Overfits("a"),
        lambda make: losses(make, (0.5, 0.4, 0.402)),
        FAILED,
        "validation loss ends 0.5% above its lowest",
    ),
    Case(
        IsQuicker("a", "b"),
        lambda make: {"a": make(4.0, 6.0, what="seconds"), "b": make(8.0, what="seconds")},
        HELD,
        "5.0 s against 8.0 s",
    ),
    Case(
        IsQuicker("a", "b"),
        lambda make: {"a": make(8.0, what="seconds"), "b": make(5.0, what="seconds")},
        FAILED,
        "8.0 s against 5.0 s",
    ),
    Case(
        IsQuicker("a", "b"),
        lambda make: {"a": make(5.0, what="seconds"), "b": make(5.4, what="seconds")},
        OPEN,
        "5.0 s against 5.4 s",
    ),
]
KINDS = [
    kind
    for _, kind in inspect.getmembers(checks, inspect.isclass)
    if kind.__module__ == checks.__name__
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.check}-{case.verdict.name}")
def test_a_check_judges_the_figures(case: Case, made) -> None:
    verdict, because = case.check(case.evidence(made))
    assert verdict is case.verdict
    assert case.because in because


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_kind_of_check_is_tried_on_both_sides(kind: type) -> None:
    assert {HELD, FAILED} <= {case.verdict for case in CASES if isinstance(case.check, kind)}


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.check}-{case.verdict.name}")
def test_a_check_names_the_configurations_that_it_looks_at(case: Case, made) -> None:
    evidence = case.evidence(made)
    assert set(case.check.labels) <= set(evidence)
    for label in case.check.labels:
        with pytest.raises(KeyError, match=label):
            case.check({other: each for other, each in evidence.items() if other != label})


def test_equals_are_ranked_as_they_come(made) -> None:
    assert ranking(validations(made, a=0.9, b=0.95, c=0.9), "validation_accuracy") == list("bac")
