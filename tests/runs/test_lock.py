"""A run folder serves one process at a time, and a dead one's lock does not count."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from handloom.errors import RunError
from handloom.runs import RunLock

HOLD = (
    "import sys, time; from pathlib import Path; from handloom.runs import RunLock\n"
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
