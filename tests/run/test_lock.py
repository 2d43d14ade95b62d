"""A run folder serves one process at a time, and a dead one's lock does not count."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from threading import Timer

import pytest

from handloom.errors import InUseError, RunError
from handloom.run import RunLock, counting

HOLD = (
    "import sys, time; from pathlib import Path; from handloom.run import RunLock\n"
    "with RunLock(Path(sys.argv[1])):\n print('held', flush=True); time.sleep(60)"
)


@pytest.fixture
def holder(tmp_path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_the_second_process_is_told_who_holds_it(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(RunError, match=f"in use by process {holder.pid} on "), RunLock(tmp_path):
        pass


def test_a_killed_holder_holds_nothing(tmp_path: Path, holder: subprocess.Popen[str]) -> None:
    holder.kill()
    holder.wait()
    with RunLock(tmp_path) as lock:
        assert f"process {os.getpid()} on " in lock.path.read_text()
    assert lock.path.read_text() == ""


def test_a_lock_can_be_taken_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), RunLock(tmp_path):
        raise ZeroDivisionError
    with RunLock(tmp_path):
        pass


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot lock"), RunLock(tmp_path / "nowhere"):
        pass


# -- within one process: a lock belongs to the file that was opened -------------------------------


def in_use(folder: Path) -> str:
    with pytest.raises(InUseError) as refused, RunLock(folder):
        pass
    return str(refused.value)


def test_the_message_names_folder_and_holder(tmp_path: Path) -> None:
    with RunLock(tmp_path):
        started = time.monotonic()
        said = in_use(tmp_path)
        assert time.monotonic() - started < 0.5  # without patience nothing is waited for
    holder = f"process {os.getpid()} on {socket.gethostname()}"
    assert said == f"{tmp_path} is in use by {holder}; wait for it or stop it first"


@pytest.mark.parametrize(
    ("content", "holder"),
    [(b"", "another process"), (b" \n", "another process"), (b"\xff here\n", "\ufffd here"),
     (b"x" * 5000, "x" * 200)],
    ids=["empty", "blank", "no text", "long"],
)  # fmt: skip
def test_whatever_stands_in_a_lock_is_shown_in_short(
    tmp_path: Path, content: bytes, holder: str
) -> None:
    with RunLock(tmp_path) as lock:
        lock.path.write_bytes(content)
        assert f" in use by {holder}; " in in_use(tmp_path)


def test_patience_waits_for_the_holder_and_ends(tmp_path: Path) -> None:
    holder = RunLock(tmp_path)
    holder.__enter__()
    started = time.monotonic()
    with pytest.raises(InUseError), RunLock(tmp_path, patience=0.15):
        pass
    assert 0.15 <= time.monotonic() - started < 10
    Timer(0.1, lambda: holder.__exit__(None, None, None)).start()
    with RunLock(tmp_path, patience=30.0) as lock:
        assert "process" in lock.path.read_text()
    assert time.monotonic() - started < 20


def test_figures_are_counted_beside_a_training(tmp_path: Path) -> None:
    """Which holds the folder's lock meanwhile; two who count wait for each other."""
    with RunLock(tmp_path), counting(tmp_path) as lock:
        assert lock.path == tmp_path / ".result.lock"
        assert in_use(tmp_path)
        Timer(0.1, lambda: lock.__exit__(None, None, None)).start()
        with counting(tmp_path):
            pass
    assert 30 <= counting(tmp_path).patience <= 300


def test_a_full_disk_leaves_the_lock_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*of: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "ftruncate", full)
        with RunLock(tmp_path):
            assert in_use(tmp_path)
    with RunLock(tmp_path):
        pass


def test_a_lock_that_was_never_taken_can_be_let_go(tmp_path: Path) -> None:
    RunLock(tmp_path).__exit__(None, None, None)
    assert not (tmp_path / ".lock").exists()
