"""Training from Python: the same bits for the same seed, refusals before anything is written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import handloom as hl
from handloom.engines import available_cores
from handloom.engines.loom import partly
from handloom.errors import ConfigError, DataError, RecipeError, RunError, ShapeError
from handloom.run import assemble, session
from handloom.training.callbacks import Callback, Checkpoints

DRAW = session.draw


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "draw", lambda run, parts: [])


def bits(run: hl.Run) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in run.folder.checkpoints.iterdir()}


def rows(run: hl.Run) -> list[dict[str, float]]:
    clock = ("seconds", "images_per_s")
    return [{k: v for k, v in row.items() if k not in clock} for row in run.history.rows]


# -- train -----------------------------------------------------------------------------------------


def test_a_training_leaves_a_whole_run(each_engine: str, bars, tmp_path: Path) -> None:
    run = hl.train(bars, run_dir=tmp_path / "run")
    assert {path.name for path in run.path.iterdir()} == {
        ".lock", ".result.lock", "checkpoints", "data.json", "environment.json", "metrics.jsonl",
        "recipe.toml", "result.json",
    }  # fmt: skip
    assert set(bits(run)) == {"best.safetensors", "last.safetensors"}
    assert [row["epoch"] for row in run.history.epochs] == [1, 2, 3]
    result = run.result
    assert result["best_epoch"] in (1, 2, 3)
    assert {k: result[k] for k in ("epochs", "parameters", "engine", "seed")} == {
        "epochs": 3, "parameters": 323, "engine": each_engine, "seed": 1,
    }  # fmt: skip
    assert result["test"]["accuracy"] > 0.9, "bars are easy"
    best = run.history.epochs[result["best_epoch"] - 1]
    assert result["validation"]["accuracy"] == best["val_accuracy"]
    assert result["validation"]["loss"] == pytest.approx(best["val_loss"], rel=1e-5)


@pytest.mark.usefixtures("each_engine")
def test_the_same_seed_gives_the_same_bits_and_another_others(bars, tmp_path: Path) -> None:
    first, second, other = (
        hl.train(bars, overrides={"seed": seed}, run_dir=tmp_path / name)
        for name, seed in (("first", 7), ("second", 7), ("other", 8))
    )
    assert bits(first) == bits(second)
    assert rows(first) == rows(second)
    assert bits(first)["last.safetensors"] != bits(other)["last.safetensors"]


def test_overrides_are_a_mapping_or_texts(bars, tmp_path: Path) -> None:
    mapping = hl.train(
        bars, overrides={"training.epochs": 1, "model.hidden": [4]}, run_dir=tmp_path / "a"
    )
    texts = hl.train(
        bars, overrides=["training.epochs=1", "model.hidden=[4]"], run_dir=tmp_path / "b"
    )
    assert mapping.recipe == texts.recipe
    assert bits(mapping) == bits(texts)


def test_a_recipe_may_be_an_object(bars, tmp_path: Path) -> None:
    recipe = hl.load_recipe(bars, {"training.epochs": 1})
    run = hl.train(recipe, run_dir=tmp_path / "run")
    assert run.recipe == recipe
    assert hl.open_run(tmp_path / "run").recipe == recipe


def test_threads_are_pinned_in_the_run(bars, tmp_path: Path) -> None:
    text = bars.read_text().replace("threads = 1\n", "")
    bars.write_text(text)
    run = hl.train(bars, run_dir=tmp_path / "run")
    assert run.recipe.training.threads == available_cores()
    environment = json.loads(run.folder.environment.read_text())
    assert environment["threads"] == available_cores()


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partly, "refusal", lambda: "no vectors here")


@pytest.mark.usefixtures("refused")
def test_the_engine_is_pinned_in_the_run(bars, tmp_path: Path) -> None:
    run = hl.train(bars, overrides={"engine": "auto"}, run_dir=tmp_path / "run")
    assert run.recipe.engine == run.result["engine"] == "numpy"
    environment = json.loads(run.folder.environment.read_text())
    assert environment["engine"] == ["numpy: no vectors here"]
    assert hl.resume(tmp_path / "run", bars, overrides={"engine": "auto"}).is_finished
    with pytest.raises(RunError, match="another recipe: engine differ"):
        hl.resume(tmp_path / "run", bars, overrides={"engine": "loom"})


@pytest.mark.usefixtures("refused")
def test_a_loom_that_cannot_run_is_refused_before_anything_is_written(bars, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot run here: no vectors here"):
        hl.train(bars, overrides={"engine": "loom"}, run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_blas_is_held_to_those_threads(bars, tmp_path: Path) -> None:
    from threadpoolctl import threadpool_info

    class Look(Callback):
        seen = 0

        def on_step_end(self, training, report) -> None:
            self.seen = max(pool["num_threads"] for pool in threadpool_info())

    look = Look()
    before = [pool["num_threads"] for pool in threadpool_info()]
    hl.train(bars, run_dir=tmp_path / "run", callbacks=[look])
    assert look.seen == 1
    assert [pool["num_threads"] for pool in threadpool_info()] == before


def test_the_engines_agree(bars, tmp_path: Path) -> None:
    """A short training ends in the same weights but for rounding, whichever engine did it."""
    pytest.importorskip("llvmlite")
    one, other = (
        hl.train(bars, overrides={"engine": name}, run_dir=tmp_path / name)
        for name in ("numpy", "auto")
    )
    assert (one.recipe.engine, other.recipe.engine) == ("numpy", "loom")
    for name, value in one.model.state_dict().items():
        np.testing.assert_allclose(other.model.state_dict()[name], value, rtol=1e-4, atol=1e-6)
    images = np.load(bars.parent / "test-images.npy")
    np.testing.assert_allclose(
        other.predict_outputs(images), one.predict_outputs(images), rtol=1e-4, atol=1e-5
    )
    for row, like in zip(other.history.rows, one.history.rows, strict=True):
        assert row["grad_norm"] == pytest.approx(like["grad_norm"], rel=1e-4)
        assert row["train_accuracy"] == like["train_accuracy"]


def test_folders_are_free_names_in_runs(bars, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    paths = [hl.train(bars, overrides={"training.epochs": 1}).path for _ in range(2)]
    assert paths == [Path("runs/bars"), Path("runs/bars-2")]


@pytest.mark.parametrize(
    ("overrides", "error"),
    [
        ({"optimizer.lr": "fast"}, RecipeError),
        ({"data.images": "nowhere.npy"}, DataError),
        ({"data.validation": 80}, ConfigError),
        ({"model.name": "lenet"}, ShapeError),
        ({"loss.class_weights": [1.0, 2.0]}, RecipeError),
    ],
    ids=["recipe", "data", "split", "shapes", "class weights"],
)
def test_what_cannot_be_is_said_before_anything_is_written(
    overrides, error: type[Exception], bars, tmp_path: Path
) -> None:
    with pytest.raises(error):
        hl.train(bars, overrides=overrides, run_dir=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_folder_that_holds_something_is_left_alone(bars, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes").write_text("mine")
    with pytest.raises(RunError, match="is not empty"):
        hl.train(bars, run_dir=tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["notes"]


def test_a_training_ends_with_its_pictures(bars, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(session, "draw", DRAW)
    run = hl.train(bars, overrides={"training.epochs": 1}, run_dir=tmp_path / "run")
    names = {path.name for path in run.folder.figures.iterdir()}
    assert {"curves.png", "confusion.png", "predictions.png", "worst-mistakes.png"} <= names


@pytest.mark.parametrize(
    "overrides",
    [
        {"augment.rotate": 10, "augment.mode": "append", "augment.copies": 2},
        {"augment.noise": 0.1},
        {"data.sample": 0.5, "data.stratify": True, "data.normalise": "standard"},
        {"data.normalise": "per-picture", "training.checkpoints": "all", "training.ema": 0.9},
        {"loss.name": "mse", "optimizer.name": "adamw", "optimizer.clip_norm": 1.0},
        {"schedule.name": "one-cycle", "training.plateau.patience": 1},
        {"augment.mixup": 0.4, "augment.cutmix": 1.0, "augment.mix": 0.9},
        {"optimizer.name": "muon", "optimizer.others": "nesterov"},
        {"optimizer.lookahead.every": 3},
    ],
    ids=" ".join,
)
def test_the_tables_of_a_recipe_reach_the_training(overrides, bars, tmp_path: Path) -> None:
    run = hl.train(bars, overrides=overrides, run_dir=tmp_path / "run")
    plain = assemble.load_parts(hl.load_recipe(bars))
    pictures = run.data["pictures"]["train"]
    expected = len(plain.train) * (3 if "augment.copies" in overrides else 1)
    assert pictures == (expected // 2 if "data.sample" in overrides else expected)
    assert np.isfinite(run.history.last("train_loss"))
    reference = hl.train(bars, run_dir=tmp_path / "reference")
    assert bits(run)["last.safetensors"] != bits(reference)["last.safetensors"]


# -- resume ----------------------------------------------------------------------------------------


@pytest.fixture
def stopped(bars, tmp_path: Path) -> Path:
    """A run of three epochs, broken off just after the checkpoint of the first."""
    keep = Checkpoints.on_epoch_end

    def keep_and_stop(checkpoints: Checkpoints, training) -> None:
        keep(checkpoints, training)
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "on_epoch_end", keep_and_stop)
        with pytest.raises(KeyboardInterrupt):
            hl.train(bars, run_dir=tmp_path / "stopped")
    return tmp_path / "stopped"


@pytest.mark.usefixtures("each_engine")
@pytest.mark.parametrize("name_the_recipe", [False, True])
def test_a_resumed_run_ends_with_the_bits_of_a_whole_one(
    name_the_recipe: bool, stopped: Path, bars, tmp_path: Path
) -> None:
    whole = hl.train(bars, run_dir=tmp_path / "whole")
    assert len(hl.open_run(stopped).history.epochs) == 1
    run = hl.resume(stopped, bars if name_the_recipe else None)
    assert bits(run) == bits(whole)
    assert rows(run) == rows(whole)
    told, expected = run.result, whole.result
    assert {**told, "seconds": 0} == {**expected, "seconds": 0}


def test_a_finished_run_is_given_back_as_it_is(bars, tmp_path: Path) -> None:
    run = hl.train(bars, run_dir=tmp_path / "run")
    before = bits(run), run.result, run.history.rows
    again = hl.resume(tmp_path / "run")
    assert (bits(again), again.result, again.history.rows) == before


def test_a_run_that_stopped_early_stays_stopped(bars, tmp_path: Path) -> None:
    overrides = {"training.epochs": 50, "training.early_stopping_patience": 1, "optimizer.lr": 2.0}
    run = hl.train(bars, overrides=overrides, run_dir=tmp_path / "run")
    epochs = len(run.history.epochs)
    assert epochs < 50
    assert len(hl.resume(tmp_path / "run").history.epochs) == epochs


def test_a_run_killed_before_its_recipe_was_written_starts_with_it(bars, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "environment.json").write_text("{}")
    (tmp_path / "run" / ".recipe.toml.123.part").touch()
    assert hl.resume(tmp_path / "run", bars).is_finished


def test_a_run_killed_before_its_first_checkpoint_starts_anew(
    bars, stopped: Path, tmp_path: Path
) -> None:
    for path in (stopped / "checkpoints").iterdir():
        path.unlink()
    run = hl.resume(stopped)
    assert [row["epoch"] for row in run.history.epochs] == [1, 2, 3]
    assert bits(run) == bits(hl.train(bars, run_dir=tmp_path / "whole"))


def test_another_recipe_is_refused_with_the_keys_that_differ(stopped: Path, bars) -> None:
    before = bits(hl.open_run(stopped))
    with pytest.raises(RunError, match=r"another recipe: model\.hidden, seed differ"):
        hl.resume(stopped, bars, overrides={"seed": 2, "model.hidden": [9]})
    bars.write_text(bars.read_text().replace("A bar at", "Some bar at"))
    assert bits(hl.open_run(stopped)) == before
    assert hl.resume(stopped, bars).is_finished, "a description changes nothing"


def test_other_data_are_refused(stopped: Path, bars) -> None:
    images = np.load(bars.parent / "test-images.npy")
    np.save(bars.parent / "test-images.npy", images[::-1])
    with pytest.raises(RunError, match="the test split has changed since"):
        hl.resume(stopped)


def test_callbacks_listen_to_a_resumed_training(stopped: Path) -> None:
    epochs = []

    class Count(Callback):
        def on_epoch_end(self, training) -> None:
            epochs.append(training.epoch)

    hl.resume(stopped, callbacks=[Count()])
    assert epochs == [2, 3]
