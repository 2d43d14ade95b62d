"""Examine a run with all rules."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from handloom.diagnosis.evidence import Evidence
from handloom.diagnosis.finding import Diagnosis, Finding
from handloom.diagnosis.rules import Rule, all_rules
from handloom.engines import limited_to
from handloom.errors import RunError
from handloom.run import assemble
from handloom.run.results import Run, open_run
from handloom.views import Picture


def diagnose(
    run: Run | str | Path,
    *,
    data_dir: str | Path | None = None,
    range_test: bool = False,
    rules: Sequence[Rule] | None = None,
) -> Diagnosis:
    """What is wrong with a training run or could be better: findings with their numbers.

    `run` is a Run, or the path of one; one that has not finished is examined as far as it has
    come. `range_test` runs a learning-rate range test as well, a short training whose weights are
    thrown away. `rules` are those to ask, all of them unless given. Of test images neither labels
    nor predictions are used: this counts as no evaluation on the test set.
    Raises RunError where the folder holds no run, or other data than now, or nothing to examine.
    """
    run = run if isinstance(run, Run) else open_run(run)
    evidence = Evidence(run, data_dir=data_dir, range_test=range_test)
    if not evidence.has_weights and not range_test:
        raise RunError(
            f"{run.path}: no epoch has ended, so there is nothing to examine yet; if its loss was "
            f"NaN at once, find a learning rate with: handloom diagnose {run.path} --lr-range"
        )
    asked = all_rules() if rules is None else rules
    with limited_to(assemble.count_threads(run.recipe)):
        return _ask(asked, evidence)


def _ask(rules: Sequence[Rule], evidence: Evidence) -> Diagnosis:
    findings: list[Finding] = []
    examined: list[str] = []
    passed_over: dict[str, str] = {}
    for rule in rules:
        if why := rule.passed_over(evidence):
            passed_over[rule.name] = why
            continue
        examined.append(rule.name)
        if (finding := rule.examine(evidence)) is not None:
            findings.append(finding)
    findings.sort(key=lambda finding: finding.severity != "problem")
    pictures = {one.rule: one.picture for one in findings if one.picture is not None}
    return Diagnosis(
        tuple(findings),
        tuple(examined),
        passed_over,
        _figures(evidence),
        _worth_a_look(evidence) | pictures,
    )


def _figures(evidence: Evidence) -> dict[str, Any]:
    """Calibration, suspicious labels and the range test, whether or not a rule fired."""
    figures: dict[str, Any] = {}
    if evidence.has_weights and evidence.has_probabilities:
        found = evidence.reliability
        figures["calibration"] = {
            "ece": found.ece,
            "temperature": found.temperature,
            "ece_at_temperature": found.ece_at_temperature,
        }
        figures["suspicious_labels"] = {
            "validation": len(evidence.judged_validation.suspects),
            "train": len(evidence.judged_seen.suspects),
        }
    if evidence.range_test:
        found = evidence.rate_range
        figures["learning_rate_range"] = {
            "steepest": found.steepest,
            "largest": found.largest,
            "used": found.used,
        }
    return figures


def _worth_a_look(evidence: Evidence) -> dict[str, Picture]:
    """The figures that any run has, under the names of the rules that would show them."""
    pictures: dict[str, Picture] = {}
    if evidence.has_weights and evidence.has_probabilities:
        pictures["miscalibration"] = evidence.reliability
        pictures["suspicious-labels"] = evidence.suspects
    if evidence.range_test:
        pictures["learning-rate-range"] = evidence.rate_range
    return pictures
