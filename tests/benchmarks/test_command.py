"""python -m benchmarks: from flags to a table, a file and a picture."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks import quiet, roofline, stage
from benchmarks.__main__ import main
from benchmarks.contestants import Contestant, Field


@dataclass(frozen=True)
class Outcome:
    """What the command left: its exit code and what it printed."""

    code: int
    out: str
    err: str


Command = Callable[..., Outcome]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The command runs in an empty folder."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Run the command line in this process."""

    def call(*arguments: str | Path) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["benchmarks", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stopped:
            main()
        printed = capsys.readouterr()
        code = stopped.value.code
        return Outcome(code if isinstance(code, int) else 0, printed.out, printed.err)

    return call


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "PATIENCE", 0.0)
    monkeypatch.setattr(stage, "RANDOM_PICTURES", 2000)
    monkeypatch.setattr(roofline, "PRODUCT_SIDES", (32,))
    monkeypatch.setattr(roofline, "TRIAD_BYTES", (12_000,))
    monkeypatch.setattr(roofline, "SECONDS", 0.001)
    numpy = Contestant("handloom numpy", "ours", "ours.py", 1, {"engine": "numpy"})
    monkeypatch.setattr(Field, "ours", lambda field: [numpy])


QUICK = ("--seconds", 0.01, "--rounds", 1, "--threads", 1, "--data", "random")


def test_a_table_a_file_and_a_picture(bench: Command, elsewhere: Path) -> None:
    done = bench("--workloads", "W2,W6-mlp-1", "--peers", "numpy", *map(str, QUICK))
    assert done.code == 0, done.err
    assert "handloom numpy" in done.out
    assert "NumPy textbook" in done.out
    assert "roof, 1 thread:" in done.out
    report = json.loads((elsewhere / "bench" / "bench.json").read_text())
    assert [workload["name"] for workload in report["workloads"]] == ["W2", "W6-mlp-1"]
    assert report["environment"]["threads"] == 1
    assert report["roofs"][0]["operations_per_second"] > 0
    assert (elsewhere / "bench" / "bench.png").read_bytes().startswith(b"\x89PNG")


def test_json_for_a_program(bench: Command, tmp_path: Path) -> None:
    out = tmp_path / "results"
    done = bench("--workloads", "W2", "--peers", "none", "--json", "--out", out, *map(str, QUICK))
    assert done.code == 0, done.err
    assert json.loads(done.out) == json.loads((out / "bench.json").read_text())


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("--workloads", "W9"), "W9"),
        (("--peers", "caffe"), "caffe"),
        (("--isa", "mmx"), "mmx"),
        (("--data", "mine"), "mine"),
    ],
)
def test_what_cannot_be_is_said_in_a_line(
    bench: Command, flags: tuple[str, str], told: str, elsewhere: Path
) -> None:
    done = bench(*flags)
    assert done.code == 2
    assert told in done.err
    assert done.err.count("\n") == 1
    assert not (elsewhere / "bench").exists()


def test_nothing_is_measured_where_nothing_can_be_written(
    bench: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(roofline, "measure_roofs", lambda *_: pytest.fail("measured"))
    (tmp_path / "taken").touch()
    outcome = bench("--out", tmp_path / "taken")
    assert (outcome.code, outcome.err.count("taken: it is a file")) == (2, 1)


@pytest.mark.slow  # processes again; test_contest.py has the same without the command
def test_a_wrong_step_of_ours_is_an_error(bench: Command, monkeypatch) -> None:
    monkeypatch.setattr("benchmarks.ring.tolerance", lambda errors: -1.0)
    done = bench("--workloads", "W2", "--peers", "none", *map(str, QUICK))
    assert done.code == 2
    assert "W2" in done.err
