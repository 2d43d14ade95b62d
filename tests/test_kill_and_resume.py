"""kill -9 at any moment, then resume: the same bits as a training that nobody disturbed.

A helper process imports everything once and forks a child for each training, so that twenty kills
take seconds. With --slow, the real command is killed a hundred times.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

OVERRIDES = (
    "training.epochs=4",
    "data.sample=0.3",
    "model.hidden=[24]",
    "model.dropout=0.2",
    'model.norm="batch"',
    "training.ema=0.9",
    "training.checkpoints=2",
    "training.early_stopping_patience=5",
    "training.plateau.patience=2",
    "training.evaluate_every=7",
    "training.threads=1",
)
CHILD = f"""
import os, signal, sys, time
from pathlib import Path
import numpy as np
from handloom import assemble, load_recipe, results, session
from handloom.errors import HandloomError

session.draw = lambda run, parts: []  # pictures are not what is tested here
folder, kills, seed, engine = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
overrides = [*{OVERRIDES!r}, "engine=" + engine]
assemble.load_parts(load_recipe("digits"))  # scikit-learn's import takes longer than a training
if engine == "loom":
    import handloom.loom.compiled
if engine == "torch":
    import handloom.engines.torch

def train(path):
    if path.exists():
        session.resume(path, "digits", overrides=overrides)
    else:
        session.train("digits", overrides=overrides, run_dir=path)

def fork(path, seconds=None):
    started = time.perf_counter()
    child = os.fork()
    if not child:
        try:
            train(path)
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    return status, time.perf_counter() - started

fork(folder / "first")  # what is compiled now is in the cache when the time is taken
status, lasted = fork(folder / "whole")
assert status == 0, status
rng = np.random.default_rng(seed)
killed = 0
for number in range(kills):
    path = folder / f"killed-{{number}}"
    for attempt in range(2):  # half of them are killed again while they resume
        status, _ = fork(path, rng.uniform(0, 0.9 * lasted))
        killed += os.WIFSIGNALED(status)
        if rng.random() < 0.5:
            break
    status, _ = fork(path)
    assert status == 0, (number, status)
print("killed", killed)
"""


def bits(run: Path) -> dict[str, bytes]:
    files = sorted((run / "checkpoints").iterdir())
    assert {"best.safetensors", "last.safetensors"} <= {file.name for file in files}
    return {file.name: file.read_bytes() for file in files}


def entries(run: Path) -> set[str]:
    """Every file and folder of the run: nothing is missing, and no half-written one is left."""
    return {str(path.relative_to(run)) for path in run.rglob("*")}


def timeless(run: Path) -> list[str]:
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    clock = ("seconds", "images_per_s")
    return [str({k: v for k, v in row.items() if k not in clock}) for row in rows]


def check_equal(whole: Path, killed: Path) -> None:
    assert entries(killed) == entries(whole)
    assert bits(killed) == bits(whole)
    assert timeless(killed) == timeless(whole)


def test_kills_leave_no_trace_in_the_weights(each_engine: str, tmp_path: Path) -> None:
    kills, least = (
        (20, 15) if each_engine == "loom" else (6, 3)
    )  # the folder and its files are the same for all
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(tmp_path), str(kills), "0", each_engine],
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    killed = int(done.stdout.split()[-1])
    assert killed >= least, "most trainings were killed before they ended"
    for number in range(kills):
        check_equal(tmp_path / "whole", tmp_path / f"killed-{number}")


@pytest.mark.slow
def test_a_hundred_kills_of_the_command(each_engine: str, tmp_path: Path) -> None:
    """The same with `handloom train` itself, on a training of some seconds, pictures included."""
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
