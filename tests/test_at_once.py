"""Several processes at once: none loses what another one wrote, and each gets its own folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import handloom as hl
from handloom.errors import InUseError
from handloom.run import RunLock, counting
from handloom.run.results import PartResult, open_run
from handloom.studies.ensemble import open_ensemble

LOOKS = 4
CLI = "from handloom.cli.main import main; main()"
TEST = "import sys; from handloom.run.results import open_run; open_run(sys.argv[1]).test()"
TRAIN = """
import sys
import handloom as hl
from handloom.errors import HandloomError
try:
    hl.train(
        sys.argv[1], run_dir=(sys.argv[2:] or [None])[0], overrides={"training.epochs": 1},
        pictures=False,
    )
except HandloomError as error:
    sys.exit(str(error))
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, lasting_bars: Path) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run"
    return hl.train(
        lasting_bars, run_dir=path, overrides={"training.epochs": 1}, pictures=False
    ).path


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / "run"))


def at_once(
    program: str, *commands: list[str], cwd: Path
) -> list[subprocess.CompletedProcess[str]]:
    """A program in several processes, all of which run at the same time."""
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}

    def call(command: list[str]) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-c", program, *command]
        return subprocess.run(
            words, cwd=cwd, env=environment, capture_output=True, text=True, check=False
        )

    with ThreadPoolExecutor(len(commands)) as pool:
        return list(pool.map(call, commands))


def test_of_several_processes_that_test_at_once_each_is_counted(run: Path) -> None:
    ended = at_once(TEST, *[[str(run)]] * LOOKS, cwd=run.parent)
    assert [process.returncode for process in ended] == [0] * LOOKS, ended
    assert open_run(run).looks == 1 + LOOKS
    assert open_run(run).is_finished


def test_looks_from_threads_are_counted_too(run: Path) -> None:
    labels, probabilities = np.array([0, 1, 2]), np.eye(3)
    told = PartResult(0.5, labels, probabilities)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: open_run(run).count_look(told), range(40)))
    assert open_run(run).looks == 41


def test_looks_of_an_ensemble_are_counted(lasting_bars: Path, tmp_path: Path) -> None:
    path = tmp_path / "ensemble"
    hl.train_ensemble(lasting_bars, seeds=2, run_dir=path, overrides={"training.epochs": 1})
    told = PartResult(0.5, np.array([0, 1, 2]), np.eye(3))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: open_ensemble(path).count_look(told), range(20)))
    assert open_ensemble(path).looks == 21


def test_a_look_while_the_training_goes_on_waits_for_nobody(run: Path) -> None:
    with RunLock(run):
        open_run(run).test()
    assert open_run(run).looks == 2


def test_a_look_waits_for_another_one_only_so_long(run: Path) -> None:
    lock = counting(run)
    lock.patience = 0.1
    with counting(run), pytest.raises(InUseError, match="is in use by process"), lock:
        pass


def test_three_trainings_that_begin_at_once_are_three_runs(bars: Path, tmp_path: Path) -> None:
    ended = at_once(TRAIN, *[[str(bars)]] * 3, cwd=tmp_path)
    assert [process.returncode for process in ended] == [0] * 3, ended
    folders = sorted((tmp_path / "runs").iterdir())
    assert [folder.name for folder in folders] == ["bars", "bars-2", "bars-3"]
    results = [json.loads((folder / "result.json").read_bytes()) for folder in folders]
    assert len({result["validation"]["loss"] for result in results}) == 1


def test_a_recipe_that_is_refused_leaves_no_folder(bars: Path, tmp_path: Path) -> None:
    command = ["train", str(bars), "-q", "-o", "data.images='nowhere.npy'"]
    (ended,) = at_once(CLI, command, cwd=tmp_path)
    assert ended.returncode == 2
    assert not (tmp_path / "runs").exists()


def test_two_that_are_given_one_folder_do_not_share_it(bars: Path, tmp_path: Path) -> None:
    ended = at_once(TRAIN, *[[str(bars), str(tmp_path / "a")]] * 2, cwd=tmp_path)
    assert sorted(process.returncode for process in ended) == [0, 1], ended
    (refused,) = [process.stderr for process in ended if process.returncode]
    assert "is in use by process" in refused or "is not empty" in refused
    assert len((tmp_path / "a" / "metrics.jsonl").read_bytes().splitlines()) == 1
