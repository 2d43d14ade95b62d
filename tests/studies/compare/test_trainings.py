"""Recipes over seeds: trained once, gone on with after a stop, found again."""

from __future__ import annotations

from pathlib import Path

import pytest

from handloom.errors import RecipeError
from handloom.recipes import load_recipe
from handloom.run.results import open_run
from handloom.studies.compare.trainings import digest, plan_trainings
from handloom.training import Trainer
from handloom.training.callbacks import Callback


def test_a_training_a_seed_in_a_folder_of_its_own(bars: Path, tmp_path: Path) -> None:
    plan = plan_trainings(bars, [0, 7], tmp_path)
    assert plan.name == "bars"
    zero, seven = plan.trainings
    assert (zero.recipe.seed, seven.recipe.seed) == (0, 7)
    assert zero.folder == tmp_path / f"bars-{digest(load_recipe(bars))}" / "seed-0"
    assert seven.folder == zero.folder.with_name("seed-7")
    (own,) = plan_trainings(bars, [], tmp_path).trainings
    assert own.recipe.seed == 1, "the recipe's"


def test_a_digest_stands_for_all_but_the_seed(bars: Path) -> None:
    recipe = load_recipe(bars)
    same = {"seed": 9, "description": "Another", "training.threads": 2}
    assert digest(load_recipe(bars, same)) == digest(recipe)
    others = [{"optimizer.lr": 0.1}, {"engine": "loom"}, {"model.hidden": [9]}]
    assert len({digest(recipe), *(digest(load_recipe(bars, other)) for other in others)}) == 4


def test_what_is_done_is_not_trained_again(bars: Path, tmp_path: Path) -> None:
    (training,) = plan_trainings(bars, [3], tmp_path).trainings
    assert not training.is_done
    first = training.carry_out()
    assert training.is_done
    assert first.recipe.seed == 3
    before = first.folder.result.stat().st_mtime_ns
    assert training.carry_out().path == training.folder
    assert first.folder.result.stat().st_mtime_ns == before


class Stop(Callback):
    """Ctrl-C after the second epoch."""

    def on_epoch_end(self, training: Trainer) -> None:
        if len(training.history.epochs) == 2:
            raise KeyboardInterrupt


def test_what_was_stopped_ends_in_the_same_bits(bars: Path, tmp_path: Path) -> None:
    (whole,) = plan_trainings(bars, [3], tmp_path / "whole").trainings
    (stopped,) = plan_trainings(bars, [3], tmp_path / "stopped").trainings
    with pytest.raises(KeyboardInterrupt):
        stopped.carry_out(callbacks=[Stop()])
    assert not stopped.is_done
    runs = [whole.carry_out(), stopped.carry_out()]
    one, other = (run.folder.checkpoint("best").read_bytes() for run in runs)
    assert one == other
    assert open_run(stopped.folder).is_finished


def test_a_recipe_that_cannot_be_is_told_before_any_training(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no recipe is called 'digit'; did you mean"):
        plan_trainings("digit", [0], tmp_path)
    assert not list(tmp_path.iterdir())
