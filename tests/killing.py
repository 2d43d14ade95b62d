"""A program for the kill tests: it trains in forked children, and kills them at random moments.

    killing.py FOLDER KILLS SEED HOW OVERRIDE …

HOW is "run", "folds" or "tune". FOLDER/whole is trained undisturbed; then FOLDER/killed-0 and so on
are trained, killed, half of them killed again as they resume, and at last left to end. Everything
is imported once, in the parent, so that a training takes no longer than its steps do. A moment is a
row of the history, drawn at random, and a random part of the time between two: however busy the
machine is, some come early, some late. The last line of the output is a JSON object: how many were
killed, and how many while a patience was counting, and after a plateau had lowered the rate.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np

from handloom import load_recipe
from handloom.errors import CheckpointError
from handloom.recipes import to_toml
from handloom.run import assemble, session
from handloom.studies.ensemble import is_ensemble, resume_ensemble, train_ensemble
from handloom.training import load_checkpoint

POLL_S = 0.005
SPACE = """
recipe = "base.toml"
[space]
optimizer.lr = { log = [0.03, 0.5] }
model.hidden = { choice = [[12], [24]] }
[search]
pruner = "median"
seed = 3
[budget]
trials = 7
"""


def train(path: Path, how: str, overrides: list[str]) -> None:
    """Begin the work at `path`, or go on with it, whatever a kill has left."""
    if how == "tune":
        from handloom.studies.search.tune import tune

        tune(path.parent / "study.toml", out=path, workers=1, pictures=False)
    elif how == "folds":
        if is_ensemble(path):
            resume_ensemble(path)
        else:
            train_ensemble("digits", folds=2, overrides=overrides, run_dir=path)
    elif path.exists():
        session.resume(path, "digits", overrides=overrides)
    else:
        session.train("digits", overrides=overrides, run_dir=path)


def rows(path: Path) -> int:
    """Rows of metrics that stand in the folder, of all its runs."""
    try:
        return sum(file.read_bytes().count(b"\n") for file in path.rglob("metrics.jsonl"))
    except FileNotFoundError:  # a folder that was renamed while it was read
        return 0


def start(path: Path, how: str, overrides: list[str]) -> int:
    child = os.fork()
    if not child:
        try:
            train(path, how, overrides)
        except BaseException as error:
            print(repr(error), flush=True)
            os._exit(1)
        os._exit(0)
    return child


def whole(path: Path, how: str, overrides: list[str]) -> float:
    """Train to the end; seconds."""
    started = time.perf_counter()
    _, status = os.waitpid(start(path, how, overrides), 0)
    assert status == 0, (path, status)
    return time.perf_counter() - started


def kill(path: Path, how: str, overrides: list[str], row: int, seconds: float) -> bool:
    """Kill the work so many seconds after that row is there; False where it ended before."""
    child = start(path, how, overrides)
    status = 0
    while rows(path) < row:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            assert status == 0, (path, status)
            return False
        time.sleep(POLL_S)
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or status == 0, (path, status)
    wait_for_orphans(path)
    return os.WIFSIGNALED(status)


def wait_for_orphans(path: Path) -> None:
    """A study's worker ends by itself when the study is gone, soon, but not at once."""
    for lock in path.rglob(".lock"):
        with lock.open("ab") as file:
            fcntl.flock(file, fcntl.LOCK_EX)


def callbacks_of(path: Path) -> tuple[bool, bool]:
    """Whether in any unfinished run a patience was counting; whether its rate was lowered."""
    counting = lowered = False
    for last in path.rglob("last.safetensors"):
        if (last.parents[1] / "result.json").exists():
            continue
        try:
            kept = load_checkpoint(last)
        except CheckpointError as error:
            raise AssertionError(f"a kill left a damaged checkpoint: {error}") from None
        counting |= kept.state["callbacks"]["EarlyStop"]["misses"] > 0
        lowered |= bool(kept.tensors["optimizer.lr_scale"] < 1)
    return counting, lowered


def main() -> None:
    folder, kills, seed, how = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
    overrides = sys.argv[5:]
    session.draw = lambda run, parts: []  # images are not what is tested here
    recipe = load_recipe("digits", overrides)
    assemble.load_parts(recipe)  # scikit-learn's import takes longer than a training
    if recipe.engine == "loom":
        import handloom.loom.network.compiled
    if recipe.engine == "torch":
        import handloom.engines.torch  # noqa: F401
    (folder / "base.toml").write_text(to_toml(recipe))
    (folder / "study.toml").write_text(SPACE)
    whole(folder / "first", how, overrides)  # what is compiled now is in the cache afterwards
    lasted = whole(folder / "whole", how, overrides)
    most = rows(folder / "whole")
    rng = np.random.default_rng(seed)
    told = {"killed": 0, "counting": 0, "lowered": 0, "folders": 0}
    while told["killed"] < kills:
        path = folder / f"killed-{told['folders']}"
        told["folders"] += 1
        for _ in range(2):
            row, seconds = int(rng.integers(most)), rng.uniform(0, 1.5 * lasted / most)
            if not kill(path, how, overrides, row, seconds):
                break
            counting, lowered = callbacks_of(path)
            told["killed"] += 1
            told["counting"] += counting
            told["lowered"] += lowered
            if rng.random() < 0.5:
                break
        whole(path, how, overrides)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
