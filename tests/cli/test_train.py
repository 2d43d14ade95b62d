"""handloom train: what it prints, what it leaves, and how it is stopped and continued."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from handloom.cli.progress import HEADER
from handloom.recipes import load_recipe
from handloom.run.results import open_run
from handloom.training import load_checkpoint


def test_a_row_an_epoch_and_the_result(bars, handloom, tmp_path: Path) -> None:
    outcome = handloom("train", bars, "--out", tmp_path / "run")
    assert (outcome.code, outcome.err) == (0, "")
    assert "\r" not in outcome.out
    assert "\x1b" not in outcome.out
    title, engine, header, *rest = outcome.out.splitlines()
    assert title == (
        f"{tmp_path / 'run'}: 323 parameters, 60 training images, 20 validation images"
    )
    assert engine == "numpy: as requested"
    assert header == HEADER
    assert [row.split()[0].rstrip("*") for row in rest[:3]] == ["1", "2", "3"]
    assert {len(row) for row in rest[:3]} == {len(header)}
    result = open_run(tmp_path / "run").result
    assert rest[3] == ""
    assert rest[4].startswith(f"validation  accuracy {result['validation']['accuracy']:.4f}")
    assert rest[5].startswith(f"test        accuracy {result['test']['accuracy']:.4f}")
    assert rest[6].startswith(f"best epoch  {result['best_epoch']} of 3, 323 parameters, ")
    assert rest[7].startswith(f"run         {tmp_path / 'run'}")


def test_json_is_the_result_and_nothing_else(bars, handloom, tmp_path: Path) -> None:
    outcome = handloom("train", bars, "--out", tmp_path / "run", "--json")
    assert (outcome.code, outcome.err) == (0, "")
    told = json.loads(outcome.out)
    assert told == {"run": str(tmp_path / "run"), **open_run(tmp_path / "run").result}
    assert told["test"]["evaluations"] == 1


def test_quiet_prints_nothing(bars, handloom, tmp_path: Path) -> None:
    outcome = handloom("train", bars, "--out", tmp_path / "run", "-q")
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "")


def test_flags_become_the_recipe(bars, handloom, tmp_path: Path) -> None:
    flags = ["--seed", "9", "--threads", "1", "--engine", "numpy", "-o", "seed=5"]
    changes = ["-o", "training.epochs=1", "-o", "model.hidden=[4]"]
    assert handloom("train", bars, "--out", tmp_path / "run", *flags, *changes, "-q").code == 0
    recipe = open_run(tmp_path / "run").recipe
    assert (recipe.seed, recipe.training.threads, recipe.engine) == (9, 1, "numpy")
    assert (recipe.training.epochs, recipe.model.hidden) == (1, (4,))


def test_folders_are_named_after_the_recipe_and_counted(bars, handloom, elsewhere) -> None:
    for _ in range(2):
        assert handloom("train", bars, "-o", "training.epochs=1", "-q").code == 0
    assert sorted(path.name for path in (elsewhere / "runs").iterdir()) == ["bars", "bars-2"]


def test_without_a_recipe_it_is_the_digits(handloom, elsewhere) -> None:
    changes = ["training.epochs=2", "data.sample=0.1", "model.hidden=[8]", "training.threads=1"]
    overrides = [part for change in changes for part in ("-o", change)]
    assert handloom("train", *overrides, "-q").code == 0
    assert open_run(elsewhere / "runs" / "digits").recipe.data.name == "digits"


def test_a_finished_run_is_not_trained_again(trained: Path, handloom) -> None:
    before = (trained / "metrics.jsonl").read_bytes()
    outcome = handloom("train", "--resume", trained)
    assert outcome.code == 0
    assert "train loss" not in outcome.out, "no table without a row"
    assert "best epoch  3 of 3" in outcome.out
    assert (trained / "metrics.jsonl").read_bytes() == before
    assert open_run(trained).looks == 1


def test_the_recipe_may_be_named_again(bars, trained: Path, handloom) -> None:
    assert handloom("train", bars, "--resume", trained, "-q").code == 0


def test_the_device_is_a_flag(bars, handloom, tmp_path: Path) -> None:
    arguments = ["train", bars, "--engine", "torch", "--device", "cpu", "-q"]
    assert handloom(*arguments, "--out", tmp_path / "run").code == 0
    recipe = load_recipe(tmp_path / "run" / "recipe.toml")
    assert recipe.engine == "torch"
    assert recipe.torch is not None
    assert recipe.torch.device == "cpu"


def test_a_device_that_cannot_be_is_refused(bars, handloom, tmp_path: Path) -> None:
    for flags, told in (
        (["--device", "gpu"], 'torch.device is "gpu"; it has to be "auto", "cpu", "cuda", '),
        (["--device", "cuda"], 'torch.device is "cuda", but engine is "numpy", which runs on'),
        (["--engine", "torch", "--device", "cuda:99"], 'torch.device is "cuda:99", which is not'),
    ):
        outcome = handloom("train", bars, *flags, "--out", tmp_path / "run")
        assert outcome.code == 2
        assert told in outcome.err
        assert not (tmp_path / "run").exists()


# -- divergence ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("each_engine")
def test_divergence_has_its_own_exit_code_and_says_what_to_try(
    bars, handloom, tmp_path: Path
) -> None:
    arguments = ["train", bars, "--out", tmp_path / "run", "-o", "optimizer.lr=1e30"]
    outcome = handloom(*arguments, "-q")
    assert outcome.code == 3
    assert outcome.err.startswith("handloom: the gradient is no longer finite at step ") or (
        outcome.err.startswith("handloom: the loss is no longer finite at step ")
    )
    assert "Try a smaller optimizer.lr (now 1e+30)" in outcome.err
    assert outcome.err.endswith("; no weights were saved, since no epoch had finished\n")


def test_divergence_keeps_the_best_weights_and_says_where(bars, handloom, tmp_path: Path) -> None:
    run = tmp_path / "run"
    # Squares of a line's errors: each step too long multiplies them, until they overflow.
    changes = ["loss.name=mse", "model.hidden=[]", "optimizer.lr=3", "training.epochs=9"]
    overrides = [part for change in changes for part in ("-o", change)]
    outcome = handloom("train", bars, "--out", run, *overrides, "-q")
    best = run / "checkpoints" / "best.safetensors"
    assert outcome.code == 3
    assert outcome.err.endswith(f"; the best weights so far are in {best}\n")
    assert load_checkpoint(best).state["epoch"] >= 1
    assert handloom("predict", run, "--input", bars.parent / "test-images.npy", "-q").code == 0


# -- stopped from outside --------------------------------------------------------------------------

LONG = ["-o", "training.epochs=2000"]


def first_epoch(process: subprocess.Popen[str]) -> None:
    """Wait for a row of the table, and so for a checkpoint."""
    while not process.stdout.readline().lstrip().startswith("2"):
        assert process.poll() is None, process.stderr.read()


@pytest.mark.parametrize(
    ("each_engine", "number", "code"),
    [
        ("numpy", signal.SIGINT, 130), ("loom", signal.SIGTERM, 143),
        # a process for each, and of PyTorch's the import alone takes seconds
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ("numpy", signal.SIGTERM, 143), ("loom", signal.SIGINT, 130),
                ("torch", signal.SIGINT, 130), ("torch", signal.SIGTERM, 143),
            )
        ),
    ],
    indirect=["each_engine"],
)  # fmt: skip
@pytest.mark.usefixtures("each_engine")
def test_a_stopped_training_says_how_to_go_on(
    number: signal.Signals, code: int, bars, start, tmp_path: Path
) -> None:
    moved = shutil.move(bars.parent, tmp_path / "a b")
    process = start(
        "train", moved / bars.name, "--out", tmp_path / "run", *LONG, "--data-dir", moved
    )
    first_epoch(process)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert err == (
        "handloom: stopped; resume from the last finished epoch with: "
        f"handloom train --resume {tmp_path / 'run'} --data-dir '{tmp_path / 'a b'}'\n"
    )
    assert load_checkpoint(tmp_path / "run" / "checkpoints" / "last.safetensors").state["epoch"]


def test_a_closed_pipe_stops_a_training_and_says_how_to_go_on(bars, start, tmp_path: Path) -> None:
    process = start("train", bars, "--out", tmp_path / "run", *LONG)
    first_epoch(process)
    process.stdout.close()
    assert process.stderr.read().startswith("handloom: stopped; resume from the last finished")
    assert process.wait(timeout=60) == 141


def test_a_closed_pipe_after_the_training_is_no_reason_to_go_on(
    bars, start, tmp_path: Path
) -> None:
    process = start("train", bars, "--out", tmp_path / "run", "--json")
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 141
    assert open_run(tmp_path / "run").is_finished


def test_a_stop_before_anything_was_written_says_so(
    bars, handloom, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def interrupted(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr("handloom.run.assemble.load_parts", interrupted)
    outcome = handloom("train", bars, "--out", tmp_path / "run")
    assert outcome.code == 143
    assert outcome.err == "handloom: stopped; nothing was written yet\n"
    assert not (tmp_path / "run").exists()
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.usefixtures("each_engine")
def test_a_stopped_training_ends_with_the_bits_of_one_that_was_not(
    bars, handloom, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from handloom.training.callbacks import Checkpoints

    kept = Checkpoints.on_epoch_end

    def interrupted(self: Checkpoints, training) -> None:
        kept(self, training)
        if training.epoch == 2:
            raise KeyboardInterrupt

    for name in ("whole", "stopped"):
        with monkeypatch.context() as patch:
            if name == "stopped":
                patch.setattr(Checkpoints, "on_epoch_end", interrupted)
            outcome = handloom("train", bars, "--out", tmp_path / name, "-q")
            assert outcome.code == (130 if name == "stopped" else 0)
    assert handloom("train", "--resume", tmp_path / "stopped", "-q").code == 0
    whole, stopped = (
        (tmp_path / name / "checkpoints" / "last.safetensors").read_bytes()
        for name in ("whole", "stopped")
    )
    assert stopped == whole
