"""Runs found, gone on with, or made."""

from __future__ import annotations

from pathlib import Path

import pytest

from handloom.errors import RunError
from handloom.recipes import load_recipe
from handloom.studies.reproduce.experiment import Training
from handloom.studies.reproduce.trainings import Telling, Workshop, reduction, trained
from handloom.training import Trainer
from handloom.training.callbacks import Callback


class Interrupting(Callback):
    """Ctrl-C at the start of the third epoch."""

    def on_epoch_start(self, training: Trainer) -> None:
        if training.epoch == 2:
            raise KeyboardInterrupt


def weights(folder: Path) -> bytes:
    return (folder / "checkpoints" / "last.safetensors").read_bytes()


def test_a_run_is_made_and_found_again(bars: Path, tmp_path: Path) -> None:
    recipe, path = load_recipe(bars), tmp_path / "run"
    run = trained(recipe, path, None)
    assert run.is_finished
    assert not run.folder.figures.exists(), "nobody looks at them"
    before = run.folder.result.stat().st_mtime_ns
    assert trained(recipe, path, None).result == run.result
    assert run.folder.result.stat().st_mtime_ns == before


def test_a_run_that_was_stopped_ends_with_the_bits_of_one_that_was_not(
    bars: Path, tmp_path: Path
) -> None:
    recipe = load_recipe(bars)
    with pytest.raises(KeyboardInterrupt):
        trained(recipe, tmp_path / "stopped", None, Interrupting())
    assert trained(recipe, tmp_path / "stopped", None).is_finished
    trained(recipe, tmp_path / "whole", None)
    assert weights(tmp_path / "stopped") == weights(tmp_path / "whole")


def test_a_kill_before_the_recipe_was_written_leaves_a_folder_to_start_in(
    bars: Path, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").touch()
    assert trained(load_recipe(bars), tmp_path / "run", None).is_finished


@pytest.mark.parametrize("ended", [True, False])
def test_a_run_of_another_recipe_is_refused(bars: Path, tmp_path: Path, ended: bool) -> None:
    if ended:
        trained(load_recipe(bars), tmp_path / "run", None)
    else:
        with pytest.raises(KeyboardInterrupt):
            trained(load_recipe(bars), tmp_path / "run", None, Interrupting())
    with pytest.raises(RunError, match="another recipe"):
        trained(load_recipe(bars, {"optimizer.lr": 0.3}), tmp_path / "run", None)


def test_what_a_recipe_leaves_open_is_as_the_run_has_it(bars: Path, tmp_path: Path) -> None:
    trained(load_recipe(bars), tmp_path / "run", None)
    open_ended = {"training.threads": None, "engine": "auto", "description": "the same in green"}
    for changes in (open_ended, {"training.threads": 2}):
        run = trained(load_recipe(bars, changes), tmp_path / "run", None)
        assert (run.recipe.training.threads, run.recipe.engine) == (1, "numpy")
    with pytest.raises(RunError, match="another recipe"):
        trained(load_recipe(bars, {"engine": "loom"}), tmp_path / "run", None)


# -- the runs of an experiment ---------------------------------------------------------------------


def workshop(folder: Path, *, quick: bool = False, told: list[str] | None = None) -> Workshop:
    return Workshop(folder, quick, None, (told if told is not None else []).append)


def test_a_subject_is_trained_with_each_of_its_seeds(bars: Path, tmp_path: Path) -> None:
    subject = Training(str(bars), {"training.epochs": 2}, seeds=(0, 7), name="bars")
    told: list[str] = []
    evidence = workshop(tmp_path / "out", told=told).train_all({"a": subject})
    assert [outcome.seed for outcome in evidence["a"].outcomes] == [0, 7]
    assert {outcome.epochs for outcome in evidence["a"].outcomes} == {2}
    assert sorted(path.name for path in (tmp_path / "out" / "bars").iterdir()) == [
        "seed-0",
        "seed-7",
    ]
    assert told[0] == "bars, seed 0: 2 epochs"
    assert told[2].startswith("bars, seed 0: epoch 2 of 2, ")


def test_threads_are_those_of_a_training_that_begins(bars: Path, tmp_path: Path) -> None:
    subject = Training(str(bars), quick_seeds=(0,), name="bars")
    for threads in (3, 2):
        Workshop(tmp_path / "out", True, None, str, threads=threads).train_all({"a": subject})
        recipe = load_recipe(tmp_path / "out" / "bars" / "seed-0" / "recipe.toml")
        assert recipe.training.threads == 3


def test_the_reduced_version_is_less(bars: Path, tmp_path: Path) -> None:
    subject = Training(
        str(bars),
        {"training.epochs": 3},
        quick={"training.epochs": 1, "data.sample": 0.5},
        quick_seeds=(1,),
        name="bars",
    )
    (outcome,) = workshop(tmp_path / "out", quick=True).train_all({"a": subject})["a"].outcomes
    assert (outcome.seed, outcome.epochs, outcome.pictures["train"]) == (1, 1, 30)
    assert reduction(subject) == [
        "training.epochs 1 instead of 3",
        "data.sample 0.5 instead of 1",
        "seeds 1 instead of 3",
    ]
    assert reduction(Training(str(bars), quick_seeds=(0, 1, 2))) == []


def test_what_a_subject_needs_is_made_for_it(bars: Path, tmp_path: Path) -> None:
    """Its recipe names data that are not there; what `prepare` tells is laid over it."""
    asked = []

    def prepare(folder: Path, data_dir: Path | None) -> dict[str, str]:
        asked.append((folder, data_dir))
        return {"data.images": str(bars.parent / "images.npy")}

    subject = Training(
        str(bars), {"data.images": "nowhere.npy"}, seeds=(0,), prepare=prepare, name="bars"
    )
    evidence = workshop(tmp_path / "out").train_all({"a": subject})
    assert evidence["a"].outcomes[0].pictures["train"] == 60
    assert asked == [(tmp_path / "out" / "bars-data", None)]


def test_telling_says_how_far_it_is(bars: Path, tmp_path: Path) -> None:
    told: list[str] = []
    run = trained(load_recipe(bars), tmp_path / "run", None, Telling(told.append, "bars"))
    accuracy = run.history.epochs[-1]["val_accuracy"]
    assert told[-1] == f"bars: epoch 3 of 3, {accuracy:.2%}"
    assert len(told) == 4
