"""Every rule names the illness that a run was made to have; of healthy runs nobody says a word."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable

import pytest

import handloom as hl
from handloom.diagnosis import Rule, all_rules, diagnose
from handloom.diagnosis import rules as room

RULES = {rule.name: rule for rule in all_rules()}
HEALTHY = {
    "as shipped": {},
    "an average": {"training.ema": 0.99},
    "tanh": {"model.activation": "tanh"},
    "batch norm, dropout, Adam": {
        "model.norm": "batch",
        "model.dropout": 0.1,
        "optimizer": {"name": "adam", "lr": 0.003},
    },
}
TRAINED_LONG = {"an average", "tanh"}  # three seconds each: trained, then examined by every rule


def test_every_rule_has_its_illness(illnesses: dict[str, object]) -> None:
    """A new rule is found by itself, and has to be planted in conftest.py."""
    assert illnesses.keys() == RULES.keys()


@pytest.mark.parametrize("name", RULES)
def test_the_rule_names_its_illness(name: str, fall_ill: Callable[[str], hl.Run]) -> None:
    rules = [RULES[name]]
    diagnosis = diagnose(fall_ill(name), rules=rules, range_test=name == "learning-rate-range")
    (finding,) = diagnosis.findings
    assert finding.rule == name
    assert finding.source == RULES[name].source
    assert re.search(r"\d", finding.sentence), "a sentence without a figure"
    assert finding.sentence.endswith(".")
    assert finding.advice.endswith(".")
    assert "nan" not in finding.sentence.lower().split()
    assert finding.picture is not None
    assert diagnosis.pictures[name] is finding.picture
    assert finding.figures


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param(settings, id=name, marks=[pytest.mark.slow] if name in TRAINED_LONG else [])
        for name, settings in HEALTHY.items()
    ],
)
def test_all_are_silent_on_healthy_runs(
    settings: dict[str, object], stay_healthy: Callable[..., hl.Run]
) -> None:
    diagnosis = diagnose(stay_healthy("digits", **settings), range_test=True)
    assert [finding.sentence for finding in diagnosis.findings] == []
    assert {*diagnosis.examined, *diagnosis.passed_over} == RULES.keys()


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize(
    ("recipe", "epochs"), [("fashion-mlp-256", 6), ("mnist-lenet", 3), ("mnist-mlp-1000", 5)]
)
def test_all_are_silent_on_healthy_runs_of_real_data(
    recipe: str, epochs: int, stay_healthy: Callable[..., hl.Run]
) -> None:
    run = stay_healthy(recipe, **{"training.epochs": epochs, "training.threads": 1})
    diagnosis = diagnose(run, range_test=True)
    assert [finding.sentence for finding in diagnosis.findings] == []


def test_rules_are_small_classes_with_names_of_their_own() -> None:
    assert len(RULES) == len(all_rules())
    for rule in all_rules():
        assert isinstance(rule, Rule)
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.name)
        assert len(rule.source) > 10
        assert inspect.getdoc(type(rule))
        assert len(inspect.getsource(type(rule)).splitlines()) < 100


def test_nothing_in_the_room_is_missed() -> None:
    written = {
        kind.__name__ for kind in _concrete(Rule) if kind.__module__.startswith(room.__name__)
    }
    assert written == {type(rule).__name__ for rule in all_rules()}


def _concrete(kind: type[Rule]) -> list[type[Rule]]:
    found = [each for child in kind.__subclasses__() for each in _concrete(child)]
    return found if inspect.isabstract(kind) else [kind, *found]
