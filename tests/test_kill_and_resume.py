"""kill -9 at any moment, then resume: the same bits as a training that nobody disturbed.

The loss of these trainings stalls: when they are killed, a patience is counting and a plateau has
lowered the rate. `--kills N` says how many kills each of them survives: 2 unless told, 50 with
--slow. With --slow, so do the trainings of all engines, and the real command is killed a hundred
times besides.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import handloom as hl

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked")

KILLING = Path(__file__).parent / "killing.py"
OVERRIDES = (
    "training.epochs=40",
    "data.sample=0.3",
    "model.hidden=[24]",
    "model.dropout=0.2",
    'model.norm="batch"',
    "optimizer.lr=0.3",
    'schedule.name="constant"',
    "schedule.warmup_epochs=0.5",
    "training.ema=0.9",
    "training.checkpoints=2",
    "training.early_stopping_patience=4",
    "training.plateau.patience=2",
    "training.plateau.factor=0.3",
    "training.evaluate_every=7",
    "training.threads=1",
)
LOOKAHEAD = "optimizer.lookahead={every = 4}"
TRAININGS = {
    "numpy": ("numpy", LOOKAHEAD),
    "loom": ("loom",),
    "loom, slow weights": ("loom", LOOKAHEAD),
    "torch": ("torch", LOOKAHEAD),
}
"""Engines, and what is set besides. The loom compiles no Lookahead: so there are two of it."""


@pytest.fixture
def kills(request: pytest.FixtureRequest) -> int:
    told = request.config.getoption("--kills")
    return told or (50 if request.config.getoption("--slow") else 2)


def check_engine(name: str) -> None:
    if name == "loom":
        machine = pytest.importorskip("handloom.loom.language.machine")
        if why := machine.unsupported():
            pytest.skip(why)
    if name == "torch":
        pytest.importorskip("torch")


def killed(folder: Path, count: int, how: str, *overrides: str, seed: int = 0) -> dict[str, int]:
    """Train, kill and resume in `folder`; how many were killed, and in which state."""
    command = [sys.executable, str(KILLING), str(folder), str(count), str(seed), how, *overrides]
    limit = 1200 + 60 * count  # against a hang alone: a busy machine takes minutes for a study
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def bits(run: Path) -> dict[str, bytes]:
    """All arrays and counters of all runs in the folder."""
    files = [*run.rglob("*.safetensors"), *run.glob("*.npy"), *run.glob("ensemble.json")]
    assert any(file.name == "best.safetensors" for file in files)
    assert any(file.name == "last.safetensors" for file in files)
    return {str(file.relative_to(run)): file.read_bytes() for file in files}


def entries(run: Path) -> set[str]:
    """Every file and folder of the run: nothing is missing, and no half-written one is left."""
    return {str(path.relative_to(run)) for path in run.rglob("*")}


def timeless(run: Path) -> dict[str, list[str]]:
    clock = ("seconds", "images_per_s")
    found = {}
    for path in run.rglob("metrics.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        found[str(path.relative_to(run))] = [
            str({k: v for k, v in row.items() if k not in clock}) for row in rows
        ]
    return found


def check_equal(whole: Path, killed: Path) -> None:
    assert entries(killed) == entries(whole)
    assert bits(killed) == bits(whole)
    assert timeless(killed) == timeless(whole)


def check_all_equal(folder: Path, told: dict[str, int]) -> None:
    print(told)
    for number in range(told["folders"]):
        check_equal(folder / "whole", folder / f"killed-{number}")


@pytest.mark.parametrize(
    "training",
    [
        pytest.param(name, marks=[] if name in ("numpy", "loom") else [pytest.mark.slow])
        for name in TRAININGS  # the slow ones are longest, and resume by what those two have shown
    ],
)
def test_kills_leave_no_trace_in_the_weights(training: str, kills: int, tmp_path: Path) -> None:
    engine, *more = TRAININGS[training]
    check_engine(engine)
    told = killed(tmp_path, kills, "run", f"engine={engine}", *more, *OVERRIDES)
    rows = hl.open_run(tmp_path / "whole").history.epochs
    assert len(rows) < 40, "it is stopped for its loss stalls"
    assert rows[-1]["lr"] < 0.3, "and its rate is lowered before"
    assert told["killed"] >= kills
    if kills >= 20:
        assert told["counting"] > kills / 10
        assert told["lowered"] > 0
    check_all_equal(tmp_path, told)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["numpy", "loom", "torch"])
@pytest.mark.parametrize("how", ["folds", "tune"])
def test_kills_leave_no_trace_in_an_ensemble_or_a_study(
    how: str, engine: str, kills: int, tmp_path: Path
) -> None:
    if how == "tune":
        pytest.importorskip("optuna")
    check_engine(engine)
    kills = -(-kills // 3)  # they last longer
    changes = list(OVERRIDES)
    if how == "folds":  # they divide all images
        changes[changes.index("data.sample=0.3")] = "training.batch_size=100"
    told = killed(tmp_path, kills, how, f"engine={engine}", *changes)
    assert told["killed"] >= kills
    for number in range(told["folders"]):
        one, other = tmp_path / "whole", tmp_path / f"killed-{number}"
        assert bits(other) == bits(one)
        assert timeless(other) == timeless(one)
        assert {e for e in entries(other) if "log" not in e} == {
            e for e in entries(one) if "log" not in e
        }


@pytest.mark.slow
def test_a_hundred_kills_of_the_command(each_engine: str, tmp_path: Path) -> None:
    """The same with `handloom train` itself, on a training of some seconds, images included."""
    rng = np.random.default_rng(1)

    def command(path: Path) -> subprocess.Popen[bytes]:
        overrides = (*OVERRIDES, f"engine={each_engine}")
        changes = [part for change in overrides for part in ("-o", change)]
        where = ["--resume" if path.exists() else "--out", str(path)]
        program = "from handloom.cli.main import main; main()"
        return subprocess.Popen(
            [sys.executable, "-c", program, "train", "digits", *changes, *where, "-q"]
        )

    started = time.perf_counter()
    assert command(tmp_path / "whole").wait() == 0
    lasted = time.perf_counter() - started
    killed, number = 0, 0
    while killed < 100:
        path = tmp_path / f"killed-{number}"
        process = command(path)
        time.sleep(rng.uniform(0.3, 1.0) * lasted)
        process.kill()
        if process.wait() != 0:
            killed += 1
            if rng.random() < 0.7:
                continue
            assert command(path).wait() == 0
        check_equal(tmp_path / "whole", path)
        number += 1
