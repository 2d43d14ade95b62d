"""A disk that is full: what was written before stays whole, and the run goes on once there is room.

A limit on the size of a file stands for the disk; the system refuses a longer one in the middle of
its bytes, as a full disk does. The recipe is such that one file after another is the longest.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handloom.training import load_checkpoint

COMMAND = (
    "import resource, sys\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv.pop(1)), resource.RLIM_INFINITY))\n"
    "from handloom.cli.main import main; main()"
)
Limited = Callable[..., tuple[int, str]]


@pytest.fixture
def limited(handloom: Callable[..., Any]) -> Limited:
    """(exit code, standard error) of a command that may write no file longer than that."""

    def run(num_bytes: int, *arguments: str | Path) -> tuple[int, str]:
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, before[1]))
        try:
            done = handloom(*arguments, "-q")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert done.out == ""
        return done.code, done.err

    return run


def limited_alone(num_bytes: int, *arguments: str | Path) -> tuple[int, str]:
    """The same in a process of its own, which draws."""
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, str(num_bytes), *map(str, arguments), "-q"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.stdout == ""
    return done.returncode, done.stderr


def bits(run: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (run / "checkpoints").iterdir()}


def refused(code: int, err: str, path: Path) -> None:
    assert code == 2, err
    assert err.startswith(f"handloom: cannot write {path}: File too large")
    assert err.count("\n") == 1
    assert not list(path.parent.rglob("*.part"))


@pytest.mark.parametrize(
    ("changes", "limit", "file", "finished_epochs"),
    [
        # five rows of metrics an epoch, together longer than the checkpoint's 2,004 bytes
        (["training.epochs=6", "training.evaluate_every=1"], 2_500, "metrics.jsonl", 4),
        # momentum doubles what `last` keeps and `best` does not
        (
            ["optimizer.name=momentum", "model.hidden=[64]"],
            13_000,
            "checkpoints/last.safetensors",
            0,
        ),
        (["model.hidden=[64]"], 9_000, "checkpoints/best.safetensors", 0),
    ],
    ids=["metrics", "last", "best"],
)
def test_a_run_goes_on_after_the_disk_was_full(
    changes: list[str],
    limit: int,
    file: str,
    finished_epochs: int,
    bars: Path,
    handloom: Callable[..., Any],
    limited: Limited,
    tmp_path: Path,
) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    overrides = [part for change in changes for part in ("-o", change)]
    assert handloom("train", bars, "--out", whole, *overrides, "-q").code == 0

    code, err = limited(limit, "train", bars, "--out", run, *overrides)
    refused(code, err, run / file)
    last = run / "checkpoints" / "last.safetensors"
    assert last.exists() == (finished_epochs > 0)
    if finished_epochs:
        assert load_checkpoint(last).state["epoch"] == finished_epochs
    before = bits(run) if finished_epochs else {}
    code, err = limited(limit, "train", "--resume", run)
    refused(code, err, run / file)
    assert not before or bits(run) == before

    assert handloom("train", "--resume", run, "-q").code == 0
    assert bits(run) == bits(whole)


def test_a_disk_that_is_full_from_the_start(bars, handloom, limited, tmp_path: Path) -> None:
    run = tmp_path / "run"
    code, err = limited(0, "train", bars, "--out", run)
    refused(code, err, run / "environment.json")
    assert [path.name for path in run.iterdir()] == [".lock"]
    assert handloom("train", bars, "--resume", run, "-q").code == 0


@pytest.mark.slow  # two processes that train and draw
def test_pictures_that_found_no_room_are_drawn_later(bars, tmp_path: Path) -> None:
    run = tmp_path / "run"
    code, err = limited_alone(4_000, "train", bars, "--out", run)
    assert code == 0, "the training stands"
    curves = run / "figures" / "curves.png"
    cause = f"cannot write {curves}: File too large"
    told = f"handloom: warning: {run}: could not be drawn: curves.png ({cause}"
    assert err.startswith(told)
    assert err.count("\n") == 1
    assert not list(run.rglob("*.part"))
    assert (run / "result.json").exists()
    assert limited_alone(resource.RLIM_INFINITY, "train", "--resume", run) == (0, "")
    assert len(list((run / "figures").glob("*.png"))) >= 7


def test_predictions_that_find_no_room_leave_the_old_ones(
    trained, bars, limited, tmp_path: Path
) -> None:
    table = tmp_path / "submit.csv"
    table.write_text("the old ones\n")
    pictures = bars.parent / "test-images.npy"
    code, err = limited(50, "predict", trained, "--input", pictures, "--output", table)
    refused(code, err, table)
    assert table.read_text() == "the old ones\n"
