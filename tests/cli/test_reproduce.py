"""handloom reproduce: published figures beside ours, to a person and to a program."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from handloom.studies.reproduce import trainings


@pytest.mark.usefixtures("bars_twice")
def test_a_table_and_what_became_of_the_conclusions(handloom, tmp_path: Path) -> None:
    outcome = handloom("reproduce", "bars", "--quick", "--out", tmp_path / "out")
    assert (outcome.code, outcome.err) == (0, "")
    name, title, _, header, rule, wide, loss, narrow, _, *rest = outcome.out.splitlines()
    assert (name, title) == ("bars", "Bars, wide and narrow")
    assert header.split() == ["configuration", "figure", "published", "ours", "gap", "s"]
    assert set(rule) == {"─"}
    assert wide.startswith("wide")
    assert "0.9000" in wide
    assert loss.split()[:3] == ["test", "loss", "0.5000"], "the configuration is told once"
    assert narrow.startswith("narrow")
    told = " ".join(rest).replace("    ", "")
    assert "wide beats narrow (0.9). Ours: " in told
    assert "note: the bars are made up" in told
    assert "reduced: training.epochs 2 instead of 3; seeds 1 instead of 3" in told
    assert rest[-1].endswith(f"s of training, runs in {tmp_path / 'out'}")
    assert max(map(len, rest)) <= max(80, len(rest[-1]))


@pytest.mark.usefixtures("bars_twice")
def test_json_is_everything_and_nothing_else(handloom, tmp_path: Path) -> None:
    outcome = handloom("reproduce", "--quick", "--out", tmp_path / "out", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    (told,) = json.loads(outcome.out)
    assert told["name"] == "bars"
    assert [row["figure"] for row in told["figures"]] == [
        "test_accuracy",
        "test_loss",
        "test_accuracy",
    ]
    assert told["conclusions"][0]["verdict"] in ("held", "did not hold", "undecided")


@pytest.mark.usefixtures("bars_twice")
def test_markdown_and_nothing_else(handloom, tmp_path: Path) -> None:
    outcome = handloom("reproduce", "--quick", "--out", tmp_path / "out", "--format", "markdown")
    assert outcome.code == 0
    lines = outcome.out.splitlines()
    assert lines[0].startswith("| experiment | configuration | figure |")
    assert lines[-1].startswith("`bars`, note: the bars are made up; reduced: ")


@pytest.mark.usefixtures("bars_twice")
def test_quiet_prints_nothing_and_keeps_the_runs(handloom, tmp_path: Path) -> None:
    outcome = handloom("reproduce", "--quick", "--out", tmp_path / "out", "-q")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    assert (tmp_path / "out" / "quick" / "wide" / "seed-0" / "result.json").is_file()


def test_an_unknown_name_is_a_mistake(handloom, elsewhere: Path) -> None:
    outcome = handloom("reproduce", "mnist-lent")
    assert outcome.code == 2
    assert outcome.err.startswith(
        "handloom: there is no experiment 'mnist-lent'; the experiments are "
    )
    assert not any(elsewhere.iterdir())


@pytest.mark.usefixtures("bars_twice")
def test_a_stopped_reproduction_goes_on(
    handloom, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    command = ("reproduce", "--quick", "--out", tmp_path / "out")

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(trainings._Lines, "on_progress", interrupted)
        outcome = handloom(*command)
    assert outcome.code == 130
    assert outcome.err == "handloom: stopped; the same command resumes it\n"
    outcome = handloom(*command)
    assert outcome.code == 0
    assert "wide beats narrow" in outcome.out
