"""Many processes, one study, in a real PostgreSQL: killed, restarted, taken over."""

from __future__ import annotations

import getpass
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from handloom.studies.search import Storage, open_study

pytest.importorskip("optuna")
pytest.importorskip("psycopg2")
pytestmark = pytest.mark.slow

STUDY = """
recipe = "bars.toml"
[overrides]
training.epochs = 60
training.checkpoints = "best-and-last"
[space]
optimizer.lr = { choice = [0.02, 0.05, 0.1, 0.2] }
model.hidden = { choice = [[4], [8]] }
[search]
sampler = "grid"
"""
GRACE_S = 8


class Server:
    """A server of this test's own, on a free port, by a user who is not the administrator."""

    def __init__(self, folder: Path, binaries: Path, user: str) -> None:
        self.folder, self.binaries, self.user = folder / "data", binaries, user
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._run("initdb", "--pgdata", self.folder, "--username=me", "--auth=trust")
        options = f"-c listen_addresses=127.0.0.1 -c port={self.port} -c fsync=off"
        self.options = f"{options} -c unix_socket_directories={folder}"

    @property
    def url(self) -> str:
        return f"postgresql://me:secret@127.0.0.1:{self.port}/postgres"

    def start(self) -> None:
        log = self.folder / "log"
        self._run("pg_ctl", "start", "-w", "-D", self.folder, "-o", self.options, "-l", log)

    def stop(self, mode: str = "fast") -> None:
        self._run("pg_ctl", "stop", "-w", "-m", mode, "-D", self.folder)

    def _run(self, program: str, *arguments: object) -> None:
        command = [str(self.binaries / program), *map(str, arguments)]
        if self.user != getpass.getuser():
            command = ["runuser", "-u", self.user, "--", *command]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd="/")


def binaries() -> Path | None:
    """Where the server's programs lie."""
    if found := shutil.which("initdb"):
        return Path(found).parent
    return next(iter(sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    where, user = binaries(), getpass.getuser()
    if where is None:
        pytest.skip("PostgreSQL is not installed")
    folder = Path("/tmp") / f"handloom-postgresql-{os.getpid()}"
    folder.mkdir(mode=0o700)
    if user == "root":
        user = "nobody" if shutil.which("runuser") else pytest.skip("runuser is not installed")
        shutil.chown(folder, user)
    made = Server(folder, where, user)
    made.start()
    yield made
    made.stop("immediate")
    shutil.rmtree(folder)


@pytest.fixture
def begin(
    bars: Path, tmp_path: Path, server: Server
) -> Iterator[Callable[[], subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []
    bars.with_name("study.toml").write_text(STUDY)
    command = [
        *(sys.executable, "-c", "from handloom.cli.main import main; main()"),
        *("tune", str(bars.with_name("study.toml")), "--out", str(tmp_path / "shared")),
        *("--storage", server.url, "--grace", str(GRACE_S)),
    ]

    def start() -> subprocess.Popen[str]:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
            process.communicate()


def wait_for(happened: Callable[[], object], *processes: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 120
    while not happened():
        for process in processes:
            assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.05)


def epochs(folder: Path) -> int:
    return sum(len(path.read_bytes().splitlines()) for path in folder.rglob("metrics.jsonl"))


def check_whole(folder: Path, server: Server) -> None:
    """Every configuration is there exactly once, trained to its end, in folder and storage."""
    import optuna

    study = open_study(folder)
    keys = {study.plan.configuration(point).key for point in study.space.points() or []}
    assert [trial.state for trial in study.trials] == ["complete"] * len(keys)
    assert {trial.key for trial in study.trials} == keys
    assert sorted(trial.number for trial in study.trials) == list(range(1, len(keys) + 1))
    for trial in study.trials:
        steps = [row["epoch"] for row in trial.runs[0].history.epochs]
        assert steps == list(range(1, 61))
    storage = Storage(server.url).open()
    (summary,) = optuna.get_all_study_summaries(storage)
    kept = optuna.load_study(study_name=summary.study_name, storage=storage).trials
    complete = [trial.user_attrs["key"] for trial in kept if trial.state.name == "COMPLETE"]
    assert sorted(complete) == sorted(keys)


def test_two_processes_share_a_study_one_is_killed(
    begin: Callable[[], subprocess.Popen[str]], tmp_path: Path, server: Server
) -> None:
    folder = tmp_path / "shared"
    first, second = begin(), begin()
    curves = "trials/*/seed-0/metrics.jsonl"
    wait_for(lambda: len(list(folder.glob(curves))) >= 2, first, second)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    told, _ = second.communicate(timeout=300)
    assert second.returncode == 0, told
    assert "secret" not in told
    check_whole(folder, server)


def test_the_server_is_restarted_under_a_study(
    begin: Callable[[], subprocess.Popen[str]], tmp_path: Path, server: Server
) -> None:
    folder = tmp_path / "shared"
    first, second = begin(), begin()
    wait_for(lambda: epochs(folder) > 30, first, second)
    server.stop("immediate")
    before = epochs(folder)
    wait_for(lambda: epochs(folder) > before, first, second)  # trials go on without it
    time.sleep(3)
    server.start()
    for process in (first, second):
        told, _ = process.communicate(timeout=300)
        assert process.returncode == 0, told
        assert "secret" not in told
    check_whole(folder, server)
