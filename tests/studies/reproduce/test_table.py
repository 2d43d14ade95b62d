"""Our figures beside the published ones."""

from __future__ import annotations

import json

import pytest

from handloom.studies.reproduce.checks import Beats, Reaches
from handloom.studies.reproduce.claims import Claim
from handloom.studies.reproduce.experiment import Experiment, Published, SeriesSubject, StudySubject
from handloom.studies.reproduce.table import hold_against

PAIR = Experiment(
    name="pair",
    title="Two of them",
    source="report 0",
    subjects={"a": SeriesSubject("digits"), "b": SeriesSubject("digits-residual")},
    published=(
        Published("a", "test_accuracy", 0.92),
        Published("a", "seconds", 100),
        Published("b", "test_accuracy", 0.91, most=0.93),
    ),
    claims=(
        Claim("a beats b", "0.92, 0.91", Beats("a", "b")),
        Claim("a is reached", "0.92", Reaches("a", 0.92), at_full_length=True),
    ),
)
GRID = Experiment(
    name="grid",
    title="Five of them",
    source="report 0",
    subjects=StudySubject("mnist-gamma"),
    published=(Published("d", "validation_accuracy", 0.95), Published("d", "test_loss", 0.2)),
    figures=("validation_accuracy",),
    top=2,
)


@pytest.fixture
def pair(made):
    return {"a": made(0.93, 0.95), "b": made(0.90, 0.90, seconds=3.0)}


def test_every_published_figure_has_a_row_and_every_configuration_its_own(pair) -> None:
    told = hold_against(PAIR, pair)
    assert [(row.label, row.what) for row in told.rows] == [
        ("a", "test_accuracy"),
        ("a", "seconds"),
        ("b", "test_accuracy"),
    ]
    first, seconds, other = told.rows
    assert first.ours == pytest.approx(0.94)
    assert first.spread == pytest.approx(0.02 / 2**0.5)
    assert first.gap == pytest.approx(0.02)
    assert first.seconds == 10.0
    assert seconds.gap == pytest.approx(-90)
    assert other.gap == pytest.approx(-0.01)


@pytest.mark.parametrize(("ours", "gap"), [(0.90, -0.01), (0.915, 0.0), (0.93, 0.0), (0.95, 0.02)])
def test_within_a_published_range_there_is_no_gap(ours: float, gap: float) -> None:
    assert Published("b", "test_accuracy", 0.91, most=0.93).gap(ours) == pytest.approx(gap)


def test_what_was_not_published_has_no_gap(made) -> None:
    row = hold_against(GRID, {label: made(0.9) for label in "abcd"}).rows[0]
    assert row.published is row.gap is None


def test_what_has_to_be_known_is_told_and_nothing_else(pair) -> None:
    assert hold_against(PAIR, pair).remarks == {}
    assert hold_against(PAIR, pair, "1 epoch").remarks == {"reduced": "1 epoch"}
    left_out = hold_against(PAIR, {}, left_out="no library")
    assert left_out.remarks == {"left out": "no library"}
    assert left_out.rows == ()
    verdicts = {conclusion.judgement.verdict.value for conclusion in left_out.conclusions}
    assert verdicts == {"undecided"}


def test_seconds_are_those_of_all_trainings(pair) -> None:
    assert hold_against(PAIR, pair).seconds == pytest.approx(2 * 10 + 2 * 3)


def test_a_reduced_version_judges_as_one(made) -> None:
    evidence = {"a": made(0.80), "b": made(0.90)}
    whole, reduced = (hold_against(PAIR, evidence, less) for less in ("", "1 epoch instead of 5"))
    verdicts = [[c.judgement.verdict.value for c in told.conclusions] for told in (whole, reduced)]
    assert verdicts == [["did not hold", "did not hold"], ["did not hold", "undecided"]]


def test_of_many_configurations_the_best_are_told_and_the_published_one(made) -> None:
    values = {"a": 0.93, "b": 0.96, "c": 0.94, "d": 0.91, "e": 0.90}
    evidence = {label: made(v, what="validation_accuracy") for label, v in values.items()}
    told = hold_against(GRID, evidence)
    assert [(row.rank, row.label, row.what) for row in told.rows] == [
        (1, "b", "validation_accuracy"),
        (2, "c", "validation_accuracy"),
        (4, "d", "validation_accuracy"),
        (4, "d", "test_loss"),
    ]


def test_all_of_it_is_json(pair, made) -> None:
    pair["b"] = made(None)  # data without a test split
    told = json.loads(json.dumps(hold_against(PAIR, pair, "less").describe(), allow_nan=False))
    assert (told["name"], told["reduced"]) == ("pair", "less")
    assert told["seconds"] == round(hold_against(PAIR, pair, "less").seconds, 3) > 0
    assert told["figures"][0] == {
        "configuration": "a",
        "rank": None,
        "figure": "test_accuracy",
        "published": 0.92,
        "published_most": None,
        "ours": pytest.approx(0.94),
        "spread": pytest.approx(0.02 / 2**0.5),
        "gap": pytest.approx(0.02),
        "seconds": 10.0,
    }
    assert told["figures"][2]["ours"] is told["figures"][2]["gap"] is None
    assert told["conclusions"][1] == {
        "conclusion": "a is reached",
        "published": "0.92",
        "verdict": "held",
        "because": "0.9400, +0.0200",
    }
