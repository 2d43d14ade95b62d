"""Workers: real processes, one of them killed with kill -9 in mid-trial."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from handloom.engines import available_cores
from handloom.series import Progress
from handloom.series.workers import MOST_DEATHS, Workers
from handloom.studies.search import StudyPlan, TrialListener, open_study, tune

pytest.importorskip("optuna")
KILLER = """
import os, signal, sys
from handloom.studies.search import TrialListener, tune

class Killer(TrialListener):
    def on_progress(self, progress):
        if progress.epoch == 2:
            os.kill(os.getpid(), signal.SIGKILL)

tune(sys.argv[1], out=sys.argv[2], listener=Killer())
"""


class Reaper(TrialListener):
    """Kills all workers once, in the middle of a trial."""

    def __init__(self, pids: Callable[[], list[int]]) -> None:
        self.pids = pids
        self.killed: list[int] = []
        self.epochs: list[tuple[str, int]] = []

    def on_progress(self, progress: Progress) -> None:
        self.epochs.append((progress.key, progress.epoch))
        if progress.epoch == 2 and not self.killed:
            self.killed = self.pids()
            for pid in self.killed:
                os.kill(pid, signal.SIGKILL)


def children() -> list[int]:
    """Workers that this process has started."""
    told = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True
    )
    lines = [line.split(maxsplit=1) for line in told.stdout.splitlines()]
    return [int(pid) for pid, command in lines if "handloom.series.worker" in command]


@pytest.mark.skipif(os.name == "nt", reason="ps is not there")
def test_a_killed_worker_loses_nothing(plan_of: Callable[..., StudyPlan], tmp_path: Path) -> None:
    plan = plan_of(
        "[overrides]\ntraining.epochs = 4\n"
        "[space]\noptimizer.lr = { choice = [0.05, 0.2] }\n[search]\nsampler = 'grid'\n"
    )
    reaper = Reaper(children)
    study = tune(plan, out=tmp_path / "killed", listener=reaper, pictures=False)
    assert reaper.killed
    assert children() == []  # the study let its workers go
    assert [trial.state for trial in study.trials] == ["complete"] * 2
    # It went on from its checkpoint: an epoch that was being told is all that may come twice.
    told = [epoch for key, epoch in reaper.epochs if key == study.trials[0].key]
    assert told == sorted(told)
    assert set(told) == {1, 2, 3, 4}
    assert len(told) <= 5
    undisturbed = tune(plan, out=tmp_path / "undisturbed", pictures=False)
    for one, other in zip(study.trials, undisturbed.trials, strict=True):
        last = [trial.runs[0].folder.checkpoint("last").read_bytes() for trial in (one, other)]
        assert one.key == other.key
        assert last[0] == last[1]
    log = "".join(path.read_text() for path in study.folder.logs.iterdir())
    assert "Traceback" not in log


@pytest.mark.slow
def test_a_killed_study_takes_its_workers_along_and_goes_on(
    plan_of: Callable[..., StudyPlan], tmp_path: Path, bars: Path
) -> None:
    plan_of("[space]\noptimizer.lr = { choice = [0.05, 0.2] }\n[search]\nsampler = 'grid'\n")
    path, folder = bars.with_name("study.toml"), tmp_path / "killed"
    killed = subprocess.run([sys.executable, "-c", KILLER, str(path), str(folder)])
    assert killed.returncode == -signal.SIGKILL
    begun = open_study(folder).trials
    assert [trial.state for trial in begun] == ["running"]
    ended = tune(path, out=folder, pictures=False)
    assert [trial.state for trial in ended.trials] == ["complete"] * 2
    assert (folder / "best.toml").is_file()


FREEZER = KILLER.replace(
    "import os, signal, sys\n",
    """
import os, signal, subprocess, sys

def freeze():
    told = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(os.getpid())],
                          capture_output=True, text=True).stdout
    for line in told.splitlines():
        if "handloom.series.worker" in line:
            os.kill(int(line.split()[0]), signal.SIGSTOP)
            print(line.split()[0], flush=True)
""",
).replace(
    "            os.kill(os.getpid()", "            freeze()\n            os.kill(os.getpid()"
)


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there are no signals to freeze by")
def test_a_worker_that_was_frozen_and_wakes_up_finds_its_study_gone(
    plan_of: Callable[..., StudyPlan], tmp_path: Path, bars: Path
) -> None:
    """It holds its trial's folder as long as it is frozen: the trial is set aside, and no other is
    trained twice. Then it leaves, and the trial goes on from its checkpoint."""
    plan_of("[space]\noptimizer.lr = { choice = [0.05, 0.2] }\n[search]\nsampler = 'grid'\n")
    path, folder = bars.with_name("study.toml"), tmp_path / "frozen"
    program = [sys.executable, "-c", FREEZER, str(path), str(folder)]
    killed = subprocess.run(program, stdout=subprocess.PIPE, text=True)
    assert killed.returncode == -signal.SIGKILL
    frozen = int(killed.stdout)
    notes: list[str] = []

    class Notes(TrialListener):
        def on_note(self, text: str) -> None:
            notes.append(text)

    try:
        between = tune(path, out=folder, pictures=False, listener=Notes())
        assert sorted(trial.state for trial in between.trials) == ["complete", "running"]
        assert f"is in use by process {frozen}" in " ".join(notes)
    finally:
        os.kill(frozen, signal.SIGCONT)
    for _ in range(600):
        if subprocess.run(["ps", "-p", str(frozen)], capture_output=True).returncode:
            break
        time.sleep(0.1)
    ended = tune(path, out=folder, pictures=False)
    undisturbed = tune(path, out=tmp_path / "undisturbed", pictures=False)
    assert [trial.state for trial in ended.trials] == ["complete"] * 2
    for one, other in zip(ended.trials, undisturbed.trials, strict=True):
        assert one.key == other.key
        last = [trial.runs[0].folder.checkpoint("last").read_bytes() for trial in (one, other)]
        assert last[0] == last[1]


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="there are no signals to freeze by")
def test_a_study_waits_for_a_worker_that_is_frozen(
    plan_of: Callable[..., StudyPlan], tmp_path: Path
) -> None:
    """Each epoch is told once, however long it took."""
    plan = plan_of("[space]\noptimizer.lr = { choice = [0.05] }\n[search]\nsampler = 'grid'\n")
    told: list[int] = []

    class Freezer(TrialListener):
        def on_progress(self, progress: Progress) -> None:
            told.append(progress.epoch)
            if progress.epoch == 1:
                for pid in children():
                    os.kill(pid, signal.SIGSTOP)
                    threading.Timer(3.0, os.kill, (pid, signal.SIGCONT)).start()

    study = tune(plan, out=tmp_path / "study", listener=Freezer(), pictures=False)
    assert told == [1, 2, 3]
    assert [trial.state for trial in study.trials] == ["complete"]


def test_a_worker_leaves_when_nobody_speaks_to_it_any_more(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "handloom.series.worker"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin is not None
    process.stdin.close()
    assert process.wait(60) == 0
    assert process.stdout is not None
    process.stdout.close()


def test_cores_are_shared(tmp_path: Path) -> None:
    cores = available_cores()
    assert Workers(1, tmp_path).threads == cores
    assert Workers(2, tmp_path).threads == max(1, cores // 2)
    assert Workers(10 * cores, tmp_path).threads == 1


def test_what_dies_again_and_again_is_set_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from handloom.series import Task, workers

    crew = Workers(1, tmp_path)
    monkeypatch.setattr(
        workers, "_COMMAND", [sys.executable, "-c", "import os; os.kill(os.getpid(), 9)"]
    )
    crew.begin(Task(key="key", root="a", paths=["a/key"], recipes=[{}], threads=1))
    until = time.monotonic() + 60
    while not (reports := crew.reports(1.0)):
        assert time.monotonic() < until
    (outcome,) = reports
    crew.close()
    assert (outcome.key, outcome.state) == ("key", "aside")
    assert f"signal 9, as happens where memory runs out, {MOST_DEATHS} times" in outcome.why
