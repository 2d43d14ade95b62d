"""What becomes of a published conclusion."""

from __future__ import annotations

from handloom.studies.reproduce.checks import Beats, Reaches
from handloom.studies.reproduce.claims import Claim, Verdict


def test_the_check_decides(made) -> None:
    claim = Claim("a beats b", "0.9, 0.8", Beats("a", "b"))
    assert claim.judge({"a": made(0.9), "b": made(0.8)}).verdict is Verdict.HELD
    assert claim.judge({"a": made(0.8), "b": made(0.9)}).verdict is Verdict.FAILED


def test_without_figures_nothing_can_be_told(made) -> None:
    claim = Claim("a beats b", "", Beats("a", "b"))
    assert claim.judge({"b": made(0.8)}) == (Verdict.OPEN, "there are no results for a")
    assert claim.judge({}).because == "there are no results for a, b"


def test_a_reduced_version_that_falls_short_proves_nothing(made) -> None:
    short = {"a": made(0.80)}
    claim = Claim("0.9 is reached", "0.9", Reaches("a", 0.9), at_full_length=True)
    assert claim.judge(short).verdict is Verdict.FAILED
    judgement = claim.judge(short, reduced=True)
    assert judgement.verdict is Verdict.OPEN
    assert judgement.because.endswith(", but in the reduced version")
    assert claim.judge({"a": made(0.91)}, reduced=True).verdict is Verdict.HELD


def test_a_direction_can_be_told_of_a_reduced_version_too(made) -> None:
    claim = Claim("a beats b", "", Beats("a", "b"))
    evidence = {"a": made(0.8), "b": made(0.9)}
    assert claim.judge(evidence, reduced=True).verdict is Verdict.FAILED
