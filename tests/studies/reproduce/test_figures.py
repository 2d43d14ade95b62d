"""Figures of trainings, over their seeds and out of their run folders."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from handloom.errors import RunError
from handloom.run import session
from handloom.run.results import Run, open_run
from handloom.studies.reproduce.figures import figures_of, outcome_of


@pytest.fixture(scope="module")
def runs(lasting_bars: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Two trainings of the bars, the later seed first."""
    folder = tmp_path_factory.mktemp("runs")
    return [
        session.train(
            lasting_bars, overrides={"seed": seed}, run_dir=folder / str(seed), pictures=False
        )
        for seed in (5, 2)
    ]


def test_mean_and_spread_are_over_the_seeds(made) -> None:
    figures = made(0.90, 0.93, 0.94)
    assert figures.mean("test_accuracy") == pytest.approx(np.mean([0.90, 0.93, 0.94]))
    assert figures.spread("test_accuracy") == pytest.approx(np.std([0.90, 0.93, 0.94], ddof=1))
    assert made(0.90).spread("test_accuracy") is None


def test_what_no_seed_has_is_no_number(made) -> None:
    figures = made(None, None)
    assert figures.values("test_accuracy") == {}
    assert math.isnan(figures.mean("test_accuracy"))
    assert figures.spread("test_accuracy") is None


def test_losses_of_which_one_is_infinite_have_no_spread(made) -> None:
    figures = made(0.3, math.inf, what="test_loss")
    assert figures.mean("test_loss") == math.inf
    assert figures.spread("test_loss") is None


def test_the_lowest_epoch_and_the_rise_after_it(made) -> None:
    (outcome,) = made((0.5, 0.4, 0.45), what="val_losses").outcomes
    assert outcome.lowest_epoch == 2
    assert outcome.rise == pytest.approx(0.125)


def test_an_outcome_is_what_the_folder_tells(runs: list[Run]) -> None:
    run = runs[0]
    told = json.loads((run.path / "result.json").read_text())
    rows = [json.loads(line) for line in (run.path / "metrics.jsonl").read_text().splitlines()]
    outcome = outcome_of(run)
    assert (outcome.seed, outcome.epochs, outcome.parameters) == (5, 3, 323)
    assert outcome.best_epoch == told["best_epoch"]
    assert outcome.test_accuracy == told["test"]["accuracy"]
    assert outcome.validation_loss == told["validation"]["loss"]
    assert outcome.val_losses == tuple(row["val_loss"] for row in rows)
    assert outcome.train_losses == tuple(row["train_loss"] for row in rows)
    assert outcome.seconds == pytest.approx(sum(row["seconds"] for row in rows), abs=1e-3)
    assert outcome.pictures == {"train": 60, "validation": 20, "test": 30}


def test_figures_are_in_the_order_of_the_seeds(runs: list[Run]) -> None:
    figures = figures_of(runs)
    assert [outcome.seed for outcome in figures.outcomes] == [2, 5]
    assert figures.pictures("validation_accuracy") == 20
    assert figures.pictures("test_accuracy") == 30


def test_a_loss_that_was_not_finite_is_infinite(runs: list[Run], tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for name in ("recipe.toml", "data.json", "metrics.jsonl"):
        (folder / name).write_bytes((runs[0].path / name).read_bytes())
    result = runs[0].result | {"validation": {"accuracy": 0.1, "loss": None}}
    del result["test"]
    (folder / "result.json").write_text(json.dumps(result))
    outcome = outcome_of(open_run(folder))
    assert outcome.validation_loss == math.inf
    assert outcome.test_accuracy is outcome.test_loss is None


def test_a_run_that_has_not_ended_has_no_figures(runs: list[Run], tmp_path: Path) -> None:
    (tmp_path / "recipe.toml").write_bytes((runs[0].path / "recipe.toml").read_bytes())
    with pytest.raises(RunError, match=r"has no result\.json"):
        outcome_of(open_run(tmp_path))
