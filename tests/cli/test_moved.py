"""Own data that were moved: every command uses --data-dir or refuses it, and never ignores it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import handloom as hl
from handloom.diagnosis import diagnose
from handloom.errors import DataError, RunError
from handloom.recipes import load_recipe
from handloom.run import session
from handloom.training import load_checkpoint
from handloom.training.callbacks import Callback
from handloom.training.trainer import Trainer

FILES = ("images.npy", "labels.csv", "test-images.npy", "test-labels.csv")


class Killed(BaseException):
    """The end of a training in mid-way."""


class KillAfter(Callback):
    def __init__(self, epochs: int) -> None:
        self.epochs = epochs

    def on_epoch_start(self, training: Trainer) -> None:
        if training.epoch == self.epochs:
            raise Killed


@pytest.fixture(scope="module")
def finished(lasting_bars: Path) -> Path:
    """The folder `bars`: recipe, data, and the runs `run` (ended) and `cut` (after an epoch)."""
    folder = lasting_bars.parent
    session.train(lasting_bars, run_dir=folder / "run", pictures=False)
    other = {"optimizer.lr": 0.1}
    session.train(lasting_bars, overrides=other, run_dir=folder / "other", pictures=False)
    with pytest.raises(Killed):
        session.train(
            lasting_bars, run_dir=folder / "cut", pictures=False, callbacks=[KillAfter(1)]
        )
    return folder


@pytest.fixture
def moved(finished: Path, tmp_path: Path) -> Path:
    """All of it at another place, and nothing at the old one."""
    target = tmp_path / "moved"
    shutil.copytree(finished, target)
    for path in [*target.glob("*/recipe.toml"), *target.glob("*/data.json")]:
        path.write_text(path.read_text().replace(str(finished), str(tmp_path / "gone")))
    return target


@pytest.fixture
def apart(moved: Path, tmp_path: Path) -> tuple[Path, Path]:
    """(runs, data): the data at yet another place."""
    data = tmp_path / "data"
    data.mkdir()
    for name in FILES:
        (moved / name).rename(data / name)
    return moved, data


COMMANDS = (
    ("show", "run"),
    ("diagnose", "run"),
    ("report", "run"),
    ("test", "run"),
    ("train", "--resume", "run"),
    ("train", "--resume", "cut"),
    ("compare", "run", "other"),
    ("export", "run", "--to", "onnx"),
)


def spelled(command: tuple[str, ...], folder: Path) -> list[str | Path]:
    return [folder / word if word in ("run", "other", "cut") else word for word in command]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_run_that_is_moved_with_its_data_finds_them(
    moved: Path, handloom: Any, command: tuple[str, ...]
) -> None:
    outcome = handloom(*spelled(command, moved), "-q")
    assert (outcome.code, outcome.err) == (0, "")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_data_at_another_place_are_used_where_data_dir_says(
    apart: tuple[Path, Path], handloom: Any, command: tuple[str, ...]
) -> None:
    runs, data = apart
    lost = handloom(*spelled(command, runs), "-q")
    if command[0] not in ("export", "report"):  # these have an answer without images, too
        assert lost.code == 2
        assert "images.npy does not exist" in lost.err
        assert "give their folder with --data-dir" in lost.err
    found = handloom(*spelled(command, runs), "-q", "--data-dir", data)
    assert (found.code, found.err) == (0, "")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_where_data_dir_has_nothing_both_places_are_named(
    moved: Path, handloom: Any, tmp_path: Path, command: tuple[str, ...]
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    outcome = handloom(*spelled(command, moved), "-q", "--data-dir", empty)
    assert outcome.code == 2
    assert f"there is no images.npy in {empty}, and {tmp_path / 'gone'}" in outcome.err
    assert "images.npy does not exist either" in outcome.err
    assert outcome.err.count("\n") == 1


def test_a_resumed_run_ends_in_the_same_bits_wherever_its_data_are(
    apart: tuple[Path, Path], finished: Path
) -> None:
    runs, data = apart
    run = session.resume(runs / "cut", data_dir=data, pictures=False)
    whole = load_checkpoint(finished / "run/checkpoints/last.safetensors").tensors
    again = load_checkpoint(run.folder.checkpoint("last")).tensors
    assert whole.keys() == again.keys()
    assert all(np.array_equal(whole[name], again[name]) for name in whole)


def test_other_data_under_data_dir_are_refused(apart: tuple[Path, Path], handloom: Any) -> None:
    runs, data = apart
    images = np.load(data / "images.npy")
    images[0, 0, 0] ^= 1
    np.save(data / "images.npy", images)
    for command in COMMANDS:
        outcome = handloom(*spelled(command, runs), "-q", "--data-dir", data)
        assert outcome.code == 2
        assert f"was trained on other data than {data / 'images.npy'}" in outcome.err
    with pytest.raises(RunError, match="other data"):
        diagnose(runs / "run", data_dir=data)


def test_a_recipe_that_was_moved_too_goes_on_with_its_run(moved: Path, handloom: Any) -> None:
    outcome = handloom("train", moved / "bars.toml", "--resume", moved / "cut", "-q")
    assert (outcome.code, outcome.err) == (0, "")
    differing = load_recipe(moved / "bars.toml", {"optimizer.lr": 0.3})
    with pytest.raises(RunError, match=r"optimizer\.lr differ"):
        session.resume(moved / "cut", differing)


def test_a_new_training_takes_its_files_from_data_dir(
    apart: tuple[Path, Path], handloom: Any, finished: Path
) -> None:
    runs, data = apart
    outcome = handloom("train", runs / "bars.toml", "--data-dir", data, "--out", "new", "-q")
    assert (outcome.code, outcome.err) == (0, "")
    run = hl.open_run("new")
    assert run.recipe.data.images == str(data / "images.npy")
    fingerprints = hl.open_run(finished / "run").data["fingerprints"]
    assert run.parts().describe()["fingerprints"] == fingerprints
    assert run.data["paths"][str(data / "images.npy")] == "../../data/images.npy"


def test_data_dir_is_refused_where_only_the_recipes_files_are_there(
    moved: Path, handloom: Any, tmp_path: Path
) -> None:
    outcome = handloom("train", moved / "bars.toml", "--data-dir", "none", "--out", "n", "-q")
    assert outcome.code == 2
    assert "there is no images.npy in none" in outcome.err
    assert "exists; remove the data folder" in outcome.err
    assert not Path("n").exists()


def test_the_longest_end_of_a_path_is_taken(apart: tuple[Path, Path], tmp_path: Path) -> None:
    runs, data = apart
    nested = data / "moved"
    nested.mkdir()
    for name in FILES:
        shutil.copy(data / name, nested)
    (data / "images.npy").write_text("another file of that name")
    recipe = load_recipe(runs / "bars.toml")
    run = session.train(recipe, data_dir=data, run_dir=tmp_path / "long", pictures=False)
    assert run.recipe.data.images == str(nested / "images.npy")


@pytest.mark.parametrize("place", ["pictures", "."])
def test_a_folder_of_pictures_is_under_data_dir_or_is_it(
    tmp_path: Path, handloom: Any, place: str
) -> None:
    from PIL import Image

    rng = np.random.default_rng(0)
    for kind in ("dark", "light"):
        folder = tmp_path / "first/pictures" / kind
        folder.mkdir(parents=True)
        for number in range(20):
            pixels = rng.integers(0, 60, (8, 8)) + 150 * (kind == "light")
            Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    recipe = {"data": {"folder": str(tmp_path / "first/pictures"), "validation": 0.25},
              "model": {"name": "mlp", "hidden": [4]}, "engine": "numpy",
              "optimizer": {"name": "sgd", "lr": 0.1},
              "training": {"epochs": 1, "batch_size": 8, "threads": 1}}  # fmt: skip
    from handloom.recipes.load import make_recipe

    run = session.train(make_recipe(recipe, "it"), run_dir=tmp_path / "run", pictures=False)
    (tmp_path / "first").rename(tmp_path / "second")
    with pytest.raises(DataError, match="does not exist"):
        run.parts()
    where = tmp_path / "second" if place == "pictures" else tmp_path / "second/pictures"
    assert len(run.parts(where).train) == 30
    assert handloom("test", run.path, "--data-dir", tmp_path).code == 2


def test_an_ensemble_follows_its_data(apart: tuple[Path, Path], handloom: Any) -> None:
    runs, data = apart
    both = runs / "both"
    trained = handloom("train", runs / "bars.toml", "--data-dir", data, "--folds", "2",
                       "--out", both, "-q")  # fmt: skip
    assert (trained.code, trained.err) == (0, "")
    plan = both / "recipe.toml"
    members = sorted(both.glob("*/recipe.toml"))
    assert len(members) == 2
    for path in (plan, *members, *both.glob("*/data.json")):
        if path.is_file():
            path.write_text(path.read_text().replace(str(data), "/gone"))
    assert handloom("test", both, "-q").code == 0  # data and runs are as far from each other
    again = data.rename(data.with_name("data2"))
    lost = handloom("test", both, "-q")
    assert lost.code == 2
    assert "does not exist" in lost.err
    assert handloom("test", both, "-q", "--data-dir", again).code == 0
    (both / "ensemble-result.json").unlink(missing_ok=True)
    (both / "result.json").unlink(missing_ok=True)
    resumed = handloom("train", "--resume", both, "-q", "--data-dir", again)
    assert (resumed.code, resumed.err) == (0, "")


def test_a_study_follows_its_data(apart: tuple[Path, Path], handloom: Any) -> None:
    pytest.importorskip("optuna")
    runs, data = apart
    (runs / "lr.toml").write_text(
        'recipe = "bars.toml"\n[overrides]\ntraining.epochs = 1\n[space]\n'
        "optimizer.lr = { choice = [0.05, 0.3] }\n[search]\nsampler = 'grid'\n"
        "[budget]\nparameters = 500\n"  # of 6 × 6 images; 28 × 28 would have more
    )
    lost = handloom("tune", runs / "lr.toml", "--out", "lr", "-q")
    assert lost.code == 2
    found = handloom(
        "tune", runs / "lr.toml", "--out", "lr", "-q", "--data-dir", data, "--trials", "1"
    )
    assert (found.code, found.err) == (0, "")
    more = handloom("tune", "lr", "--json", "-q", "--data-dir", data, "--trials", "2")
    assert more.code == 0
    states = [trial["state"] for trial in json.loads(more.out)["trials"]]
    assert states == ["complete", "complete"]


def test_a_run_from_before_the_paths_were_kept_still_opens(moved: Path, handloom: Any) -> None:
    told = json.loads((moved / "run/data.json").read_text())
    for paths in (None, ["images"], {str(moved.parent / "gone/images.npy"): 7}):
        told.pop("paths", None)
        (moved / "run/data.json").write_text(json.dumps(told | {"paths": paths} if paths else told))
        lost = handloom("test", moved / "run", "-q")
        assert lost.code == 2
        assert "give their folder with --data-dir" in lost.err
        assert handloom("test", moved / "run", "-q", "--data-dir", moved).code == 0
