"""Run folders of version 0.1.0 (tests/golden): they open, are used, and go on to what they held."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

import handloom as hl
from handloom.diagnosis import diagnose
from handloom.run import session
from handloom.training import load_checkpoint

GOLDEN = Path(__file__).parent / "golden"
CLOCK = {"seconds", "images_per_s"}
ROUNDING = 2e-3
"""Another processor's or BLAS's sums differ in their last bits, and some hundred steps follow."""


@pytest.fixture(params=["finished", "killed"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return shutil.copytree(GOLDEN / request.param, tmp_path / request.param)


def check_rows(found: hl.Run, wanted: hl.Run) -> None:
    ours, theirs = found.history.epochs, wanted.history.epochs
    assert [row["step"] for row in ours] == [row["step"] for row in theirs]
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for name in one.keys() - CLOCK:
            accuracy = name.endswith("accuracy")  # one image of 29 or of 258
            assert one[name] == pytest.approx(
                other[name], rel=ROUNDING, abs=0.04 if accuracy else 1e-12
            ), (name, one["epoch"])


def test_it_opens_and_its_weights_are_used(folder: Path) -> None:
    run = hl.open_run(folder)
    assert run.recipe.training.ema == 0.9
    assert run.is_finished == (folder.name == "finished")
    parts = run.parts()
    kept = load_checkpoint(run.folder.checkpoint("best"))
    assert kept.state == {"epoch": 16, "step": 272}
    rows = run.history.epochs
    again = run.evaluate(parts.validation)
    assert again.loss == pytest.approx(rows[15]["val_loss"], rel=1e-5)
    assert again.accuracy == pytest.approx(rows[15]["val_accuracy"])
    tested = run.test()
    assert tested.accuracy == pytest.approx(0.8639, abs=2 / 360)
    assert tested.loss == pytest.approx(0.50989, rel=1e-4)
    assert run.looks == (2 if run.is_finished else 1)


def test_its_pictures_are_drawn_and_it_is_examined(folder: Path) -> None:
    run = hl.open_run(folder)
    names = {path.name for path in session.draw(run, run.parts())}
    assert {"curves.png", "confusion.png", "predictions.png"} <= names
    assert "overfitting" in diagnose(run).examined


def test_the_killed_one_goes_on_to_what_the_whole_one_held(tmp_path: Path) -> None:
    """Patience and plateau count on from a checkpoint that named callbacks by bare classes."""
    path = shutil.copytree(GOLDEN / "killed", tmp_path / "killed")
    state = load_checkpoint(path / "checkpoints" / "last.safetensors").state
    assert state["epoch"] == 19
    assert state["callbacks"]["EarlyStop"]["misses"] == 3
    assert state["callbacks"]["Plateau"]["misses"] == 1
    run, wanted = hl.resume(path, pictures=False), hl.open_run(GOLDEN / "finished")
    check_rows(run, wanted)
    for key in ("best_epoch", "epochs", "parameters", "engine", "seed"):
        assert run.result[key] == wanted.result[key]
    assert run.result["test"]["loss"] == pytest.approx(wanted.result["test"]["loss"], rel=1e-4)
    ours = load_checkpoint(path / "checkpoints" / "last.safetensors")
    theirs = load_checkpoint(GOLDEN / "finished" / "checkpoints" / "last.safetensors")
    assert ours.tensors.keys() == theirs.tensors.keys()
    for name, array in theirs.tensors.items():
        np.testing.assert_allclose(ours.tensors[name], array, rtol=0.05, atol=1e-3, err_msg=name)


def test_the_finished_one_is_given_back_as_it_is(tmp_path: Path) -> None:
    path = shutil.copytree(GOLDEN / "finished", tmp_path / "finished")
    run = hl.resume(path, pictures=False)
    assert run.result == hl.open_run(GOLDEN / "finished").result
    last = run.folder.checkpoint("last").read_bytes()
    assert last == (GOLDEN / "finished" / "checkpoints" / "last.safetensors").read_bytes()
