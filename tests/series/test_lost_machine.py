"""A real Ray cluster of two machines, one of which is lost while it trains.

Both are this computer, told apart by Ray alone; what is killed is all that runs on the second one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from handloom import open_study, tune
from handloom.studies.search import Study
from handloom.training import load_checkpoint

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc"),
]

STUDY = """
recipe = "{recipe}"
[overrides]
"training.epochs" = 250
"training.batch_size" = 4
[space]
"optimizer.lr" = {{ choice = [0.05, 0.1] }}
"model.hidden" = {{ choice = [[8], [12]] }}
[search]
sampler = "grid"
seeds = [1]
"""
PATIENCE_S = 150.0
MACHINE = {"num_cpus": 1, "object_store_memory": 80_000_000}
COMMAND = [sys.executable, "-c", "from handloom.cli.main import main; main()"]
LONG = ["-o", "training.epochs=250", "-o", "training.batch_size=4"]
REPRODUCING = """
import sys
from pathlib import Path
from handloom.studies.reproduce import reproduction
from handloom.studies.reproduce.experiment import Experiment, Training
long = {"training.epochs": 250, "training.batch_size": 4}
subject = Training(sys.argv[1], long, seeds=(0, 1, 2, 3), name="bars")
reproduction.EXPERIMENTS = {"bars": Experiment("bars", "", "", {"bars": subject})}
print(len(list(reproduction.reproduce(out=sys.argv[2], on=sys.argv[3] if sys.argv[3:] else None))))
"""
"""No shipped experiment is as short as a test."""


@pytest.fixture(scope="module")
def plan(lasting_bars: Path) -> Path:
    path = lasting_bars.parent / "lost.toml"
    path.write_text(STUDY.format(recipe=lasting_bars))
    return path


def children(process: int) -> list[int]:
    path = Path(f"/proc/{process}/task/{process}/children")
    return [int(number) for number in path.read_text().split()]


def patiently(start: Callable[[], Any]) -> Any:
    """What `start` gives. Where a computer is busy, Ray gives itself up before it is there."""
    before = children(os.getpid())
    for _ in range(5):
        try:
            return start()
        except Exception:
            for process in {*children(os.getpid())} - {*before}:
                os.kill(process, signal.SIGKILL)
    return start()


@pytest.fixture
def machines() -> Iterator[Any]:
    """A cluster whose head has one core."""
    pytest.importorskip("ray", reason="Ray is not installed")
    from ray.cluster_utils import Cluster

    head = {**MACHINE, "include_dashboard": False}
    cluster = patiently(lambda: Cluster(initialize_head=True, head_node_args=head))
    yield cluster
    cluster.shutdown()


def begun(plan: Path, study: Path, machines: Any, flag: str) -> Any:
    """The search, which is killed at the end if it runs by then."""
    on = ["--on", f"ray={machines.address}"]
    return started([*COMMAND, "tune", str(plan), "--out", str(study), *on, flag])


@contextmanager
def started(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """The command, which is killed at the end if it runs by then."""
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        try:
            yield running
        finally:
            running.kill()


def eventually(running: subprocess.Popen[str], happens: Callable[[], Any], what: str) -> Any:
    until = time.monotonic() + PATIENCE_S
    while not (result := happens()):
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < until, f"waited in vain for {what}"
        time.sleep(0.02)
    return result


def raylet_of(machine: Any) -> int:
    """The process that is a machine to Ray; what runs there are its children."""
    (raylet,) = machine.all_processes["raylet"]
    return raylet.process.pid


def name_of(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except FileNotFoundError:
        return ""


def trial_on(raylet: int) -> tuple[int, str] | None:
    """The process that trains a task on the raylet's machine, and the task's key."""
    for process in children(raylet):
        title = name_of(process)
        if "handloom " in title and ("lr=" in title or "seed-" in title):
            return process, title.split("handloom ")[1].split()[0]
    return None


def num_epochs(study: Path, key: str) -> int:
    files = (study / "trials" / key).glob("seed-*/metrics.jsonl")
    return sum(len(path.read_text().splitlines()) for path in files)


def lose(raylet: int) -> None:
    """Everything of a machine at once, as when its power fails."""
    for process in [raylet, *children(raylet)]:
        os.kill(process, signal.SIGKILL)


def weights(study: Study) -> dict[tuple[str, int], Any]:
    return {
        (trial.key, seed): load_checkpoint(run.folder.checkpoint("best")).tensors
        for trial in study.trials
        for seed, run in zip(trial.seeds, trial.runs, strict=True)
    }


def test_a_machine_is_lost_and_nothing_with_it(machines: Any, plan: Path, tmp_path: Path) -> None:
    second = patiently(lambda: machines.add_node(**MACHINE))
    raylet = raylet_of(second)
    study = tmp_path / "study"
    with begun(plan, study, machines, "--json") as running:
        _, key = eventually(running, lambda: trial_on(raylet), "a trial on the second machine")
        eventually(running, lambda: num_epochs(study, key) > 3, "its epochs")
        assert trial_on(raylet) is not None
        lose(raylet)
        before = num_epochs(study, key)
        assert before < 250, "the trial had ended before its machine was lost"
        output, complaints = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 0, complaints
    json.loads(output)  # and nothing of Ray's beside it
    ended = open_study(study)
    assert [trial.state for trial in ended.trials] == ["complete"] * 4
    assert len({trial.key for trial in ended.trials}) == 4
    assert len((study / "trials.csv").read_text().splitlines()) == 5
    for trial in ended.trials:
        for run in trial.runs:
            assert [row["epoch"] for row in run.history.epochs] == [*range(1, 251)]
    alone = tune(plan, out=tmp_path / "alone")
    theirs, ours = weights(alone), weights(ended)
    assert theirs.keys() == ours.keys()
    for place, tensors in theirs.items():
        assert all((tensors[name] == ours[place][name]).all() for name in tensors), place


def series(question: str, bars: Path, folder: Path) -> list[str]:
    """The command that trains four runs for one of the questions."""
    if question == "ensemble":
        some = ["--folds", "2", "--seeds", "2", "--out", str(folder)]
        return [*COMMAND, "train", str(bars), *some, *LONG]
    if question == "comparison":
        some = ["--seeds", "4", "--runs", str(folder), "--no-pace"]
        return [*COMMAND, "compare", str(bars), *some, *LONG]
    return [sys.executable, "-c", REPRODUCING, str(bars), str(folder)]


@pytest.mark.parametrize("question", ["ensemble", "comparison", "reproduction"])
def test_no_series_loses_anything_with_a_machine(
    question: str, machines: Any, lasting_bars: Path, tmp_path: Path
) -> None:
    second = patiently(lambda: machines.add_node(**MACHINE))
    raylet, folder = raylet_of(second), tmp_path / "lost"
    on = [f"ray={machines.address}"] if question == "reproduction" else None
    command = series(question, lasting_bars, folder)
    with started([*command, *(on or ["--on", f"ray={machines.address}"])]) as running:
        _, key = eventually(running, lambda: trial_on(raylet), "a run on the second machine")
        rows = lambda: sum(  # noqa: E731
            len(path.read_text().splitlines()) for path in folder.rglob(f"{key}/metrics.jsonl")
        )
        eventually(running, lambda: rows() > 3, "its epochs")
        lose(raylet)
        assert rows() < 250, "the run had ended before its machine was lost"
        _, complaints = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 0, complaints
    subprocess.run(series(question, lasting_bars, tmp_path / "alone"), check=True)
    found = {path.relative_to(folder): path for path in folder.rglob("best.safetensors")}
    assert len(found) == 4
    for name, path in found.items():
        ours, theirs = (load_checkpoint(each).tensors for each in (path, tmp_path / "alone" / name))
        assert all((ours[tensor] == theirs[tensor]).all() for tensor in theirs), name


def test_the_study_is_killed_and_goes_on(machines: Any, plan: Path, tmp_path: Path) -> None:
    study = tmp_path / "study"
    second = patiently(lambda: machines.add_node(**MACHINE))
    raylets = [raylet_of(machine) for machine in (machines.head_node, second)]
    with begun(plan, study, machines, "-q") as running:
        eventually(running, lambda: all(map(trial_on, raylets)), "a trial on each machine")
    with begun(plan, study, machines, "--json") as again:
        output, complaints = again.communicate(timeout=PATIENCE_S)
    assert again.returncode == 0, complaints
    assert [trial["state"] for trial in json.loads(output)["trials"]] == ["complete"] * 4, output
    for trial in open_study(study).trials:
        assert [row["epoch"] for row in trial.runs[0].history.epochs] == [*range(1, 251)]


def test_a_trial_that_wants_a_gpu_goes_where_one_is(
    machines: Any, plan: Path, tmp_path: Path
) -> None:
    """Which machine has one, Ray is told; without a driver for it torch computes on the CPU."""
    wanting = plan.with_name("wanting.toml")
    wanting.write_text(plan.read_text().replace("[space]", 'engine = "torch"\n[space]'))
    second = patiently(lambda: machines.add_node(**MACHINE, num_gpus=1))
    raylet = raylet_of(second)
    head = raylet_of(machines.head_node)
    study = tmp_path / "study"
    with begun(wanting, study, machines, "-q") as running:
        eventually(running, lambda: trial_on(raylet), "a trial beside the GPU")
        begun_trials = {path.parent for path in study.glob("trials/*/trial.json")}
        assert len(begun_trials) == 1, "there is room for one, though another core is free"
        assert trial_on(head) is None
        running.send_signal(signal.SIGTERM)
        _, complaints = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 143
    assert f"--on ray={machines.address}" in complaints
    assert trial_on(raylet) is None
