"""The workers: programs that know one library, and all compute the same step."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from benchmarks.worker import ROOT, Worker, WorkerError, job, program

FILES = sorted((ROOT / "benchmarks" / "peers").glob("[!_]*.py"))
LIBRARY_OF = {"ours": "handloom"}
"""The library of a peer that is not named like its module."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_peer_knows_numpy_its_library_and_what_a_job_is(path: Path) -> None:
    library = LIBRARY_OF.get(path.stem, path.stem)
    allowed = sys.stdlib_module_names | {"numpy", "benchmarks.job", library}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= allowed
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            assert {module, module.split(".")[0]} & allowed


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_peer_has_the_names_that_the_driver_asks_for(path: Path) -> None:
    body = ast.parse(path.read_text()).body
    names = {
        t.id
        for n in body
        if isinstance(n, ast.Assign)
        for t in n.targets
        if isinstance(t, ast.Name)
    }
    assert {"TITLE", "TASKS"} <= names


def test_nobody_imports_a_peer_but_a_training_with_pytorch() -> None:
    importing = [
        path.name
        for folder in ("benchmarks", "src")
        for path in (ROOT / folder).rglob("*.py")
        if "from benchmarks.peers" in path.read_text()
    ]
    assert importing == ["pytorch.py"]


@pytest.fixture
def worker(tmp_path: Path):
    with Worker(program("numpy"), sys.executable, {}, tmp_path / "log") as worker:
        yield worker


def test_a_worker_runs_and_tells_the_time(worker: Worker) -> None:
    worker.ask(do="setup", job=job(task="product", size=64, threads=1, folder=""))
    took = worker.ask(do="run", steps=3)
    assert took["seconds"] > 0
    assert worker.steps_in(0.001) >= 1


def test_a_peer_offers_its_rows_and_tasks(worker: Worker) -> None:
    offer = worker.ask(do="offer", task="train", layers=[], threads=[2, 1])
    assert set(offer["tasks"]) == {"train", "predict", "product", "triad"}
    (row,) = offer["rows"]
    assert (row["name"], row["threads"], row["relu_only"]) == ("NumPy textbook", 2, False)


def test_what_a_worker_cannot_do_is_told(worker: Worker) -> None:
    with pytest.raises(WorkerError, match="does no dance"):
        worker.ask(do="setup", job=job(task="dance", size=1, threads=1, folder=""))
    with pytest.raises(WorkerError, match="no job yet"):
        worker.ask(do="run", steps=1)


def test_last_words_of_a_worker_that_dies(tmp_path: Path) -> None:
    dying = ["-c", "import no_such_library"]
    with (
        Worker(dying, sys.executable, {}, tmp_path / "log") as worker,
        pytest.raises(WorkerError, match="no_such_library"),
    ):
        worker.ask(do="run", steps=1)
