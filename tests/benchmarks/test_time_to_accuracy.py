"""benchmarks/time_to_accuracy.py: the recipes, and that both ways train them alike."""

from __future__ import annotations

import gzip
import importlib.util
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from handloom import data
from handloom.recipes import load_recipe
from handloom.run import assemble

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
RECIPES = sorted((BENCHMARKS / "recipes").glob("*.toml"))


def program(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(Path(name).stem, BENCHMARKS / name)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def driver() -> ModuleType:
    return program("time_to_accuracy.py")


@pytest.fixture
def stripes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a "mnist" of ten bright rows: files of the publisher's kind."""
    folder = tmp_path / "data" / "mnist"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    files = []
    for part, count in (("train", 600), ("t10k", 100)):
        labels = np.arange(count) % 10
        images = rng.integers(0, 100, (count, 28, 28), np.uint8)
        images[np.arange(count), 2 * labels + 4] = 255
        for kind, array in (("images-idx3", images), ("labels-idx1", labels.astype(np.uint8))):
            path = folder / f"{part}-{kind}-ubyte"
            data.write_idx(path, array)
            packed = path.with_name(f"{path.name}.gz")
            packed.write_bytes(gzip.compress(path.read_bytes()))
            files.append(packed)
    monkeypatch.setattr(data, "fetch", lambda name, *rest: tuple(files))
    load = data.read_idx_folder
    monkeypatch.setattr(data, "load", lambda name, *rest: load(folder))
    return folder


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_a_recipe_names_what_it_is_for(path: Path) -> None:
    recipe = load_recipe(path)
    target, percent = path.stem.rsplit("-", 1)
    assert (recipe.data.name or "").startswith(target)
    assert f"{percent} %" in recipe.description
    assert recipe.model.name == "sequential"  # PyTorch's twin builds it layer by layer
    network = assemble.build_model(recipe, (1, 28, 28), 10)
    assert network.output_shape((1, 28, 28)) == (10,)
    assert recipe.augment is None


def test_every_target_has_a_recipe() -> None:
    assert [path.stem for path in RECIPES] == [
        "fashion-89",
        "fashion-91",
        "fashion-93",
        "mnist-98",
        "mnist-99",
    ]


def test_a_row_tells_means_and_what_was_missed(driver: ModuleType) -> None:
    trained = [driver.Training(2.0, 0.98, 1.0, 0.1), driver.Training(4.0, 0.99, 3.0, 0.3)]
    name, seconds, least, most, training, compiling, accuracy, spread, told = driver.row(
        "ours", trained, 0.98
    )
    assert (name, seconds, least, most) == ("ours", "3.00", "2.00", "4.00")
    assert (training, compiling, accuracy, spread) == ("2.00", "0.20", "0.9850", "0.0071")
    assert told == ""
    assert driver.row("ours", trained, 0.99)[-1] == "below 0.99"


def test_the_loom_runs_without_its_cache_first(driver: ModuleType) -> None:
    assert [way.name for way in driver.ways(["loom", "torch"])] == [
        "handloom loom, first time",
        "handloom loom",
        "PyTorch",
    ]


def test_what_the_first_training_compiled_is_there_for_the_next_alone(
    driver: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    caches: list[str] = []

    def run(command: list[str], env: dict[str, str], **_: Any) -> SimpleNamespace:
        caches.append(env["HANDLOOM_CACHE"])
        return SimpleNamespace(stdout='{"accuracy": 1, "training_s": 1, "compile_s": 1}')

    monkeypatch.setenv("HANDLOOM_CACHE", str(tmp_path / "of the user"))
    monkeypatch.setattr(driver.subprocess, "run", run)
    for way in driver.ways(["loom"]):
        driver.train(way, tmp_path / "one job" / "job.json")
        driver.train(way, tmp_path / "another" / "job.json")
    here, there, *later = caches
    assert later == [here, there]
    assert len({here, there, str(tmp_path / "of the user")}) == 3


def test_both_ways_learn_the_same_recipe(
    driver: ModuleType, stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    pytest.importorskip("torch")
    overrides = ["data.validation=100", "training.threads=1", "training.epochs=2", "seed=3"]
    recipe_file = BENCHMARKS / "recipes" / "fashion-89.toml"
    overrides += ["data.name=mnist"]
    job = driver.prepare(tmp_path, recipe_file, overrides, "test")
    said = json.loads(job.read_text())
    assert said["num_validation"] == 100
    assert len(said["learning_rates"]) == 2 * 8  # batches of 64 of 500 pictures
    assert max(said["learning_rates"]) == pytest.approx(0.1, rel=0.05)

    program("trainings/ours.py").main(str(job), "numpy")
    ours = json.loads(capsys.readouterr().out)
    program("trainings/pytorch.py").main(str(job))
    theirs = json.loads(capsys.readouterr().out)
    assert ours["accuracy"] > 0.9
    assert theirs["accuracy"] > 0.9
    assert ours["training_s"] > 0


@pytest.mark.parametrize("kind", ["scale", "standard"])
def test_pytorch_normalises_as_we_do(
    driver: ModuleType, stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    torch = pytest.importorskip("torch")
    overrides = ["data.validation=100", f'data.normalise="{kind}"', "training.threads=1"]
    job = driver.prepare(tmp_path, BENCHMARKS / "recipes" / "mnist-98.toml", overrides, "test")
    training = program("trainings/pytorch.py").Training(json.loads(job.read_text()))
    ours = data.Normalisation.fit(kind, training.images.numpy())
    theirs = training.numbers(training.images[:5])
    assert np.allclose(theirs.numpy(), ours(training.images[:5].numpy()), atol=1e-5)
    decayed, spared = training.optimizer.param_groups
    assert decayed["weight_decay"] == pytest.approx(5e-4)
    assert spared["weight_decay"] == 0
    assert all(p.ndim == 1 for p in spared["params"])
    assert isinstance(training.optimizer, torch.optim.SGD)
