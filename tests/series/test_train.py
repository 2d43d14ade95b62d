"""A whole series: by one process, by workers, killed at any moment, and to the same bits."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from handloom.errors import ConfigError, DivergenceError, InUseError
from handloom.recipes import load_recipe
from handloom.run import RunLock
from handloom.run.results import Run
from handloom.series import Listener, Member, Progress, Series, train_all

PROGRAM = """
import sys
from pathlib import Path
from handloom.recipes import load_recipe
from handloom.series import Series, train_all
recipe = load_recipe(sys.argv[1], {"training.epochs": 6})
train_all(Series(recipe, (0, 1, 2)).members(Path(sys.argv[2])), workers=int(sys.argv[3]))
"""


class Heard(Listener):
    """Keeps what it heard."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []

    def on_start(self, members, finished: int) -> None:
        self.lines.append(("start", f"{finished} of {len(members)}"))

    def on_begin(self, member: Member) -> None:
        self.lines.append(("begin", member.name))

    def on_progress(self, member: Member, progress: Progress) -> None:
        self.lines.append(("epoch", f"{member.name} {progress.epoch}/{progress.epochs}"))

    def on_end(self, member: Member, run: Run) -> None:
        assert run.is_finished
        self.lines.append(("end", member.name))


def members(bars: Path, folder: Path, **overrides: object) -> list[Member]:
    return Series(load_recipe(bars, overrides), (0, 1)).members(folder)


def bits(folder: Path) -> dict[str, bytes]:
    found = folder.glob("*/checkpoints/*.safetensors")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


@pytest.mark.parametrize("workers", [1, 2])
def test_each_is_trained_once_and_heard_of(bars: Path, tmp_path: Path, workers: int) -> None:
    heard = Heard()
    runs = train_all(members(bars, tmp_path), workers=workers, listener=heard)
    assert [run.path.name for run in runs] == ["seed-0", "seed-1"]
    assert heard.lines[0] == ("start", "0 of 2")
    for name in ("seed-0", "seed-1"):
        own = [line for line in heard.lines if line[1].split()[0] == name]
        assert own == [
            ("begin", name),
            *(("epoch", f"{name} {epoch}/3") for epoch in (1, 2, 3)),
            ("end", name),
        ]
    again = Heard()
    train_all(members(bars, tmp_path), workers=workers, listener=again)
    assert again.lines == [("start", "2 of 2")]


def test_workers_change_no_bit(bars: Path, tmp_path: Path) -> None:
    for workers in (1, 2):
        train_all(members(bars, tmp_path / str(workers)), workers=workers)
    one, two = bits(tmp_path / "1"), bits(tmp_path / "2")
    assert len(one) == 4
    assert one == two


def test_the_error_of_a_worker_is_of_its_own_kind(bars: Path, tmp_path: Path) -> None:
    lost = {"optimizer.lr": 1e30}
    with pytest.raises(DivergenceError, match=r"^seed-[01]: .*not finite"):
        train_all(members(bars, tmp_path / "two", **lost), workers=2)
    with pytest.raises(DivergenceError, match="not finite"):
        train_all(members(bars, tmp_path / "one", **lost))


def test_a_run_in_use_is_named(bars: Path, tmp_path: Path) -> None:
    some = members(bars, tmp_path)
    some[1].path.mkdir()
    with RunLock(some[1].path), pytest.raises(InUseError, match="is in use by process"):
        train_all(some, workers=2)
    assert [run.is_finished for run in train_all(some)] == [True, True]


def test_too_many_threads_are_refused_before_anything_begins(bars: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="threads"):
        train_all(members(bars, tmp_path / "out", **{"training.threads": 10_000}))
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_killed_at_any_moment_it_ends_in_the_same_bits(
    bars: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    kills = request.config.getoption("--kills") or 2
    command = [sys.executable, "-c", PROGRAM, str(bars)]
    began = time.monotonic()
    subprocess.run([*command, tmp_path / "whole", "2"], check=True)
    whole = time.monotonic() - began
    chance = random.Random(3)
    for _ in range(kills):
        process = subprocess.Popen([*command, tmp_path / "killed", "2"])
        time.sleep(chance.uniform(0.3, 1.0) * whole)
        process.send_signal(signal.SIGKILL)
        process.wait()
    # Workers of a killed process leave by themselves, at the end of their epoch at the latest.
    until = time.monotonic() + 60
    while subprocess.run(
        [*command, tmp_path / "killed", "1"], stderr=subprocess.DEVNULL
    ).returncode:
        assert time.monotonic() < until
        time.sleep(0.2)
    assert bits(tmp_path / "killed") == bits(tmp_path / "whole")
