"""The workers: programs that know one library, and all compute the same step."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from benchmarks.worker import WORKERS, Worker, WorkerError, job

LIBRARY_OF = {
    "shared": set(),
    "ours": {"handloom"},
    "torch_layers": {"torch"},
    "torch_peer": {"torch"},
    "jax_peer": {"jax"},
    "sklearn_peer": {"sklearn"},
    "textbook_peer": set(),
}
SCRIPTS = sorted(WORKERS.glob("*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_a_worker_knows_numpy_its_library_and_its_neighbours(path: Path) -> None:
    allowed = sys.stdlib_module_names | {"numpy", "shared", "torch_layers"} | LIBRARY_OF[path.stem]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            assert {alias.name.split(".")[0] for alias in node.names} <= allowed
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").split(".")[0] in allowed


def test_the_house_knows_no_worker() -> None:
    house = WORKERS.parent
    knowing = [
        path
        for path in house.rglob("*.py")
        if WORKERS not in path.parents and "benchmarks.peers" in path.read_text()
    ]
    assert knowing == []


@pytest.fixture
def worker(tmp_path: Path):
    with Worker("textbook_peer.py", sys.executable, {}, tmp_path / "log") as worker:
        yield worker


def test_a_worker_runs_and_tells_the_time(worker: Worker) -> None:
    worker.ask(do="setup", job=job(task="product", size=64, threads=1, folder=""))
    took = worker.ask(do="run", steps=3)
    assert took["seconds"] > 0
    assert worker.steps_in(0.001) >= 1


def test_what_a_worker_cannot_do_is_told(worker: Worker) -> None:
    with pytest.raises(WorkerError, match="does no dance"):
        worker.ask(do="setup", job=job(task="dance", size=1, threads=1, folder=""))
    with pytest.raises(WorkerError, match="no job yet"):
        worker.ask(do="run", steps=1)


def test_last_words_of_a_worker_that_dies(tmp_path: Path) -> None:
    script = tmp_path / "dying.py"
    script.write_text("import no_such_library")
    with (
        Worker(str(script), sys.executable, {}, tmp_path / "log") as worker,
        pytest.raises(WorkerError, match="no_such_library"),
    ):
        worker.ask(do="run", steps=1)
