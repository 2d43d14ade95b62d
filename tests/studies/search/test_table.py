"""A study's table and its account, against the metrics files of its runs."""

from __future__ import annotations

import csv
import json
import shutil
import statistics
from pathlib import Path
from typing import Any

import pytest

from handloom import open_study as load_back
from handloom.recipes import load_recipe
from handloom.studies.search import Study, load_study
from handloom.studies.search.study import best_row
from handloom.studies.search.table import _cell, describe, write_table

pytest.importorskip("optuna")
STUDY = """
description = "rates and widths"
[space]
optimizer.lr = { choice = [0.05, 0.3, 1e30] }
model.hidden = { choice = [[4], [6, 4]], when = { "optimizer.lr" = [0.05, 0.3] } }
[search]
sampler = "grid"
seeds = [3, 4]
minimise = "val_loss"
[budget]
parameters = 100000
"""


@pytest.fixture
def study(plan_of: Any, search: Any) -> Study:
    return search(plan_of(STUDY))[0]


def best_rows(study: Study, key: str) -> list[dict[str, Any]]:
    """The row of the highest accuracy of each run, the first of equal ones, off the files."""
    found = []
    for path in sorted(study.folder.trial(key).path.glob("*/metrics.jsonl")):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        found.append(max(rows, key=lambda row: (row["val_accuracy"], -row["epoch"])))
    return found


def seconds(study: Study, key: str) -> float:
    return sum(
        json.loads(line)["seconds"]
        for path in study.folder.trial(key).path.glob("*/metrics.jsonl")
        for line in path.read_text().splitlines()
    )


def test_an_account_has_every_trial_best_first(study: Study) -> None:
    said = json.loads(json.dumps(describe(study)))
    assert (said["study"], said["folder"]) == ("study", str(study.path))
    assert said["metric"] == "val_loss"
    assert said["best"] == said["trials"][0]
    complete = [trial for trial in said["trials"] if trial["state"] == "complete"]
    assert said["trials"][: len(complete)] == complete
    losses = [trial["val_loss"] for trial in complete]
    assert losses == sorted(losses)
    assert len(complete) == 4
    sizes = {(4,): 36 * 4 + 4 + 4 * 3 + 3, (6, 4): 36 * 6 + 6 + 6 * 4 + 4 + 4 * 3 + 3}
    for trial in complete:
        rows = best_rows(study, trial["key"])
        for metric in ("val_loss", "val_accuracy"):
            values = [row[metric] for row in rows]
            assert trial[metric] == pytest.approx(statistics.fmean(values))
            assert trial[f"{metric}_spread"] == pytest.approx(statistics.stdev(values))
        assert trial["seeds"] == [3, 4]
        assert trial["why"] == ""
        assert trial["seconds"] == round(seconds(study, trial["key"]), 3)
        assert trial["num_parameters"] == sizes[tuple(trial["parameters"]["model.hidden"])]
    (failed,) = said["trials"][4:]
    assert failed["state"] == "failed"
    assert "no longer finite" in failed["why"]
    assert failed["parameters"] == {"optimizer.lr": 1e30}
    assert failed["val_loss"] is None
    assert sorted(trial["number"] for trial in said["trials"]) == [1, 2, 3, 4, 5]


def test_a_table_says_the_same(study: Study) -> None:
    write_table(study)
    with study.folder.table.open() as file:
        rows = list(csv.DictReader(file))
    said = describe(study)["trials"]
    assert list(rows[0]) == [
        "number", "key", "state", "optimizer.lr", "model.hidden", "val_accuracy",
        "val_accuracy_spread", "val_loss", "val_loss_spread", "seeds", "seconds", "parameters",
    ]  # fmt: skip
    assert [row["key"] for row in rows] == [trial["key"] for trial in said]
    for row, trial in zip(rows, said, strict=True):
        hidden = trial["parameters"].get("model.hidden")
        assert float(row["optimizer.lr"]) == trial["parameters"]["optimizer.lr"]
        assert row["model.hidden"] == ("" if hidden is None else json.dumps(hidden))
        assert row["state"] == trial["state"]
        assert row["number"] == str(trial["number"])
        if trial["state"] == "complete":
            for name in ("val_accuracy", "val_loss", "val_loss_spread", "seconds"):
                assert float(row[name]) == trial[name]
            assert row["seeds"] == "2"
            assert row["parameters"] == str(trial["num_parameters"])
        else:
            assert row["val_loss"] == row["parameters"] == ""


@pytest.mark.parametrize(
    ("value", "cell"),
    [([True, "a"], '[true, "a"]'), ({"name": "sgd"}, '{"name": "sgd"}'), ("sgd", "sgd"), (4, 4)],
)
def test_lists_and_tables_are_json_in_a_cell(value: Any, cell: Any) -> None:
    assert _cell(value) == cell


def test_a_study_without_a_complete_trial_has_no_best(study: Study) -> None:
    for trial in study.trials:
        if trial.state == "complete":
            shutil.rmtree(study.folder.trial(trial.key).path)
    said = describe(load_back(study.path))
    assert [trial["state"] for trial in said["trials"]] == ["failed"]
    assert said["best"] is None


def test_an_epoch_without_a_finite_value_is_never_the_best() -> None:
    rows: list[Any] = [{"epoch": 1, "val_loss": None}, {"epoch": 2, "val_loss": 0.5}]
    assert best_row(rows, "val_loss") == best_row(rows[::-1], "val_loss") == rows[1]
    assert best_row([], "val_loss") is None


def test_the_best_is_a_recipe_with_its_first_seed(study: Study) -> None:
    write_table(study)
    best = study.best
    assert best is not None
    recipe = load_recipe(study.folder.best)
    assert recipe.seed == 3
    assert recipe.optimizer.lr == best.parameters["optimizer.lr"]
    assert list(recipe.model.hidden) == best.parameters["model.hidden"]
    assert recipe.description == f"The best of 5 configurations of study: val_loss {best.value:.4f}"


def test_what_is_kept_of_a_study_is_the_study(study: Study, bars: Path) -> None:
    kept = load_study(study.path)
    assert kept.description == "rates and widths"
    assert dict(kept.space) == dict(study.plan.space)
    assert kept.search == study.plan.search
    assert kept.budget == study.plan.budget
    assert kept.recipe == study.plan.recipe
    assert kept.name == "study"
