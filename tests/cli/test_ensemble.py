"""handloom train --folds --seeds, and what takes an ensemble or several runs."""

from __future__ import annotations

import json
import signal
import time
from pathlib import Path

import numpy as np
import pytest

from handloom.data import read_npy_images
from handloom.run.results import open_run
from handloom.studies.ensemble import open_ensemble

SHORT = ["-o", "training.epochs=2"]


@pytest.fixture
def ensemble(bars, handloom, tmp_path: Path) -> Path:
    outcome = handloom("train", bars, *SHORT, "--folds", "2", "--out", tmp_path / "e", "-q")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")
    return tmp_path / "e"


def test_a_table_a_member_and_the_result(bars, handloom, tmp_path: Path) -> None:
    path = tmp_path / "e"
    outcome = handloom("train", bars, *SHORT, "--folds", "2", "--seeds", "2", "--out", path)
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    names = ["fold-1-seed-1", "fold-2-seed-1", "fold-1-seed-2", "fold-2-seed-2"]
    assert lines[0] == "4 runs"
    assert lines[1].split() == ["run", "val", "acc", "seconds", "name"]
    for number, (line, name) in enumerate(zip(lines[2:6], names, strict=True), start=1):
        accuracy = open_run(path / name).result["validation"]["accuracy"]
        assert line.split()[:2] == [f"{number}/4", f"{accuracy:.4f}"]
        assert line.split()[-1] == name
    result = open_ensemble(path).result
    score, test = result["out_of_fold"], result["test"]
    alone = result["validation"]
    assert lines[-6] == ""
    assert lines[-5:] == [
        f"out-of-fold accuracy {score['accuracy']:.4f}   log loss {score['loss']:.4f}",
        f"test        accuracy {test['accuracy']:.4f}   log loss {test['loss']:.4f}",
        f"one member  accuracy {alone['accuracy']:.4f} ± {alone['spread']:.4f} "
        "on its own validation split",
        f"members     4 (2 folds × 2 seeds), 1,292 parameters, {result['seconds']:.1f} s",
        f"ensemble    {path}",
    ]


def test_json_is_the_result_and_nothing_else(ensemble: Path, handloom) -> None:
    outcome = handloom("train", "--resume", ensemble, "--json")
    assert json.loads(outcome.out) == {"ensemble": str(ensemble), **open_ensemble(ensemble).result}


def test_folders_are_named_after_the_recipe(bars, handloom, elsewhere: Path) -> None:
    assert handloom("train", bars, *SHORT, "--seeds", "2", "-q").code == 0
    made = elsewhere / "runs" / "bars"
    assert sorted(path.name for path in made.glob("seed-*")) == ["seed-1", "seed-2"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--folds", "1"], "data.folds is 1; it has to be a whole number from 2"),
        (["--seeds", "1"], "an ensemble needs folds, or at least two seeds; seeds is (1,)"),
        (["--folds", "2", "--seeds", "0"], "--seeds 0 means no run"),
        (["--folds", "2", "-o", "data.sample=0.5"], "remove sample"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    bars, arguments: list[str], told: str, handloom, tmp_path: Path
) -> None:
    outcome = handloom("train", bars, *arguments, "--out", tmp_path / "e")
    assert outcome.code == 2
    assert told in outcome.err
    assert outcome.err.count("\n") == 1
    assert not (tmp_path / "e").exists()


def test_an_ensemble_goes_on_with_its_own(ensemble: Path, bars, handloom) -> None:
    for arguments in ([bars], ["--folds", "3"], ["--seeds", "2"], ["--seed", "4"], SHORT):
        outcome = handloom("train", *arguments, "--resume", ensemble)
        assert outcome.code == 2
        assert "an ensemble resumes with its own recipe, folds and seeds" in outcome.err


def test_a_stopped_ensemble_says_how_to_go_on(bars, start, tmp_path: Path) -> None:
    path = tmp_path / "e"
    process = start("train", bars, "--folds", "2", "--out", path, "-o", "training.epochs=2000")
    while not (path / "fold-1-seed-1" / "checkpoints" / "last.safetensors").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 143
    assert err == f"handloom: stopped; resume with: handloom train --resume {path}\n"


def test_a_stop_before_anything_was_written(
    bars, handloom, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("handloom.run.assemble.load_parts", interrupted)
    outcome = handloom("train", bars, "--folds", "2", "--out", tmp_path / "e")
    assert outcome.code == 130
    assert outcome.err == "handloom: stopped; nothing was written yet\n"


# -- predict and test ------------------------------------------------------------------------------


def test_predict_takes_an_ensemble_or_runs(ensemble: Path, bars, handloom) -> None:
    pictures = bars.parent / "test-images.npy"
    runs = [open_run(ensemble / f"fold-{fold}-seed-1") for fold in (1, 2)]
    images = read_npy_images(pictures)
    for flags, tta in (([], ()), (["--tta", "flip"], ["flip"])):
        mean = np.mean([run.predict_probabilities(images, tta=tta) for run in runs], axis=0)
        expected = "".join(f"{row},{best}\n" for row, best in enumerate(mean.argmax(axis=1)))
        for paths in ([ensemble], [run.path for run in runs]):
            outcome = handloom("predict", *paths, "-i", pictures, *flags)
            assert outcome.out == f"image_id,label\n{expected}"


def test_test_takes_an_ensemble_or_runs(ensemble: Path, handloom) -> None:
    outcome = handloom("test", ensemble)
    result = open_ensemble(ensemble).result["test"]
    assert outcome.out.splitlines()[:2] == [
        f"accuracy {result['accuracy']:.4f}   log loss {result['loss']:.4f}   "
        "on 30 images, the mean of 2 runs",
        "evaluation 2 on this test set",
    ]
    runs = [ensemble / f"fold-{fold}-seed-1" for fold in (1, 2)]
    told = json.loads(handloom("test", *runs, "--json").out)
    assert told["accuracy"] == result["accuracy"]
    assert (told["members"], told["evaluations"]) == (2, 2)
    assert open_ensemble(ensemble).looks == 2
    assert [open_run(path).looks for path in runs] == [2, 2]


def test_a_folder_that_is_nothing_is_refused(ensemble: Path, handloom, tmp_path: Path) -> None:
    outcome = handloom("test", ensemble, tmp_path)
    assert outcome.code == 2
    assert outcome.err.startswith(f"handloom: {tmp_path} is not a run folder")


def test_events_for_tensorboard(bars, handloom, tmp_path: Path) -> None:
    pytest.importorskip("tensorboardX")
    arguments = ["train", bars, *SHORT, "--tensorboard", "--out", tmp_path / "run", "-q"]
    assert handloom(*arguments).code == 0
    assert len(list((tmp_path / "run" / "tensorboard").iterdir())) == 1
    assert handloom("train", "--resume", tmp_path / "run", "-q").code == 0


def test_without_tensorboardx_nothing_is_written(
    bars, handloom, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "tensorboardX", None)
    outcome = handloom("train", bars, "--tensorboard", "--out", tmp_path / "run")
    assert outcome.code == 2
    assert "pip install 'handloom[tensorboard]'" in outcome.err
    assert not (tmp_path / "run").exists()
