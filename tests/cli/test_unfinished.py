"""Runs that cannot go on, and runs that need not: each command says what can be done."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

import handloom as hl
from handloom.errors import DivergenceError
from handloom.recipes import load_recipe
from handloom.run import session
from handloom.training.callbacks import Callback


class Diverge(Callback):
    """Loses the loss in the middle of an epoch, counted from 1."""

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch

    def on_step_end(self, training, report) -> None:
        if training.epoch + 1 == self.epoch:
            raise DivergenceError("the loss is no longer finite")


@pytest.fixture(autouse=True)
def drawn_quickly(no_pictures: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """`show` needs the weights, though it takes no time to draw."""

    def draw(run: hl.Run, parts: object) -> list[Path]:
        assert not run.model.training
        return []

    monkeypatch.setattr(session, "draw", draw)


@pytest.fixture
def diverged(bars: Path, tmp_path: Path):
    def run(epoch: int) -> Path:
        path = tmp_path / "lost run"
        with pytest.raises(DivergenceError):
            hl.train(bars, run_dir=path, callbacks=[Diverge(epoch)])
        return path

    return run


def commands(run: Path, images: Path) -> dict[str, list[str | Path]]:
    return {
        "test": ["test", run],
        "show": ["show", run],
        "predict": ["predict", run, "--input", images, "--output", "answers.csv"],
        "diagnose": ["diagnose", run],
        "report": ["report", run],
        "compare": ["compare", run, run],
        "export": ["export", run, "--to", "safetensors", "--out", "weights"],
    }


def test_without_weights_every_command_says_how_to_begin_anew(diverged, bars, handloom) -> None:
    run = diverged(1)
    for name, command in commands(run, bars.parent / "test-images.npy").items():
        outcome = handloom(*command)
        assert outcome.code == 2, (name, outcome)
        assert outcome.err.count("\n") == 1
        if name == "diagnose":
            assert "handloom diagnose" in outcome.err
            assert "--lr-range" in outcome.err
            continue
        assert (
            "it diverged in epoch 1; train it again with a smaller learning rate: handloom train"
            in (outcome.err)
        ), name
    advised = shlex.split(outcome.err.rpartition(": handloom train ")[2])
    recipe = load_recipe(advised[0], [advised[2]])
    assert recipe.optimizer.lr == pytest.approx(0.02)  # a tenth
    assert handloom("train", *advised, "--out", "again", "-q").code == 0


def test_the_weights_before_a_divergence_are_used_and_it_is_said(diverged, bars, handloom) -> None:
    run = diverged(3)
    said = "lost run diverged in epoch 3; its best weights are from epoch 2\n"
    every = commands(run, bars.parent / "test-images.npy")
    for name in ("test", "show", "predict", "diagnose"):
        outcome = handloom(*every[name])
        assert outcome.code == 0, (name, outcome)
        assert said in outcome.out, name
    assert handloom(*every["report"]).code == 0
    outcome = handloom(*every["compare"])
    assert outcome.code == 2
    assert "cannot be compared: it diverged in epoch 3; train it again" in outcome.err


def test_a_run_that_was_lost_by_accident_goes_on(diverged, handloom) -> None:
    """What made it diverge may have been mended; then nothing of it is left."""
    run = diverged(3)
    assert (run / "diverged.json").is_file()
    assert handloom("train", "--resume", run, "-q").code == 0
    assert not (run / "diverged.json").exists()
    assert "diverged" not in handloom("test", run).out


def test_a_run_that_was_stopped_says_how_to_go_on(bars: Path, tmp_path: Path, handloom) -> None:
    class Stop(Callback):
        def on_step_end(self, training, report) -> None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        hl.train(bars, run_dir=tmp_path / "a b", callbacks=[Stop()])
    outcome = handloom("test", tmp_path / "a b")
    assert outcome.code == 2
    assert f"resume it with: handloom train --resume '{tmp_path}/a b'\n" in outcome.err
    outcome = handloom("compare", tmp_path / "a b", tmp_path / "a b")
    assert outcome.code == 2
    assert "cannot be compared: its training has not finished; resume it with" in outcome.err


def test_a_run_that_had_ended_says_how_to_train_for_longer(bars, tmp_path: Path, handloom) -> None:
    run = hl.train(bars, run_dir=tmp_path / "run")
    before = run.folder.checkpoint("last").read_bytes()
    outcome = handloom("train", "--resume", tmp_path / "run")
    assert outcome.code == 0
    assert "had already finished; only its figures were drawn again." in outcome.out
    assert "-o training.epochs=6\n" in outcome.out
    assert run.folder.checkpoint("last").read_bytes() == before


def test_the_shortest_training_is_no_mistake(handloom) -> None:
    outcome = handloom("train", "digits", "-o", "training.epochs=1", "-o", "engine=numpy")
    assert outcome.code == 0
    assert "the warm-up is shortened to 0.5 epochs, half of the training" in outcome.out
