"""The command line in this process and in others, and a trained run to put before it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from handloom.cli.main import main
from handloom.recipes import load_recipe
from handloom.run import session

PROGRAM = (
    "from handloom.run import session; session.draw = lambda run, parts: []\n"
    "from handloom.cli.main import main; main()"
)


@dataclass(frozen=True)
class Outcome:
    """What a command left: its exit code and what it printed."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes seconds, and is tested where it is the matter."""
    monkeypatch.setattr(session, "draw", lambda run, parts: [])


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Commands run in an empty folder, without real data."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.delenv("HANDLOOM_DATA", raising=False)
    return folder


@pytest.fixture
def handloom(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command line here: handloom("train", path, "-q")."""

    def run(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["handloom", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = capsys.readouterr()
        code = stopped.value.code
        return Outcome(code if isinstance(code, int) else 0, printed.out, printed.err)

    return run


@pytest.fixture
def start() -> Callable[..., subprocess.Popen[str]]:
    """Start the command line as a process of its own, with pipes."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str | Path, program: str = PROGRAM) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "80"},
            # A shell may have told its children to ignore Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the first test that wants a trained run leaves one for the others to copy."""
    return tmp_path_factory.mktemp("first") / "run"


@pytest.fixture
def trained(first_run: Path, bars: Path, tmp_path: Path) -> Path:
    """A finished run of bars.toml, the test's own to damage."""
    if not first_run.exists():
        session.train(bars, run_dir=first_run)
    folder = Path(shutil.copytree(first_run, tmp_path / "run"))
    recipe = load_recipe(folder / "recipe.toml")
    assert recipe.data.images is not None
    home = str(Path(recipe.data.images).parent)
    text = (folder / "recipe.toml").read_text()
    (folder / "recipe.toml").write_text(text.replace(home, str(bars.parent)))
    return folder
