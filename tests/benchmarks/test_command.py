"""python -m benchmarks: from flags to a table, a file and a picture."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks import contest, lineup, progress, quiet, roofline, stage
from benchmarks.__main__ import main


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
    offered = lineup._offer

    def without_the_loom(*given: object) -> dict:
        offer = offered(*given)
        offer["rows"] = [row for row in offer["rows"] if row["settings"].get("engine") != "loom"]
        return offer

    monkeypatch.setattr(lineup, "_offer", without_the_loom)


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
        (("--python", "jax=/no/python"), "--python jax=/no/python"),
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


def test_progress_is_shown_in_a_pipe_and_the_duration_first(
    bench: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "INTERVAL", 0.05)
    done = bench("--workloads", "W2", "--peers", "none", *map(str, QUICK))
    assert done.code == 0, done.err
    assert done.out.startswith("1 workload: about 0:")
    assert "it took 0:" in done.out.splitlines()[-1]
    assert "W2: checking handloom numpy, 1 thread" in done.err


def test_what_was_measured_is_kept_when_it_is_interrupted(
    bench: Command, elsewhere: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = contest.hold_contest

    def interrupted(workload, *given):
        if workload.name == "W3":
            raise KeyboardInterrupt
        return real(workload, *given)

    monkeypatch.setattr(contest, "hold_contest", interrupted)
    done = bench("--workloads", "W2,W3,W4", "--peers", "none", *map(str, QUICK))
    assert done.code == 130
    assert "handloom numpy" in done.out
    assert done.err.endswith("stopped; not measured: W3, W4\n")
    report = json.loads((elsewhere / "bench" / "bench.json").read_text())
    assert [workload["name"] for workload in report["workloads"]] == ["W2"]
    assert report["missing"] == ["W3", "W4"]


def test_a_peer_that_is_named_has_to_be_there(bench: Command, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no such library >&2; exit 1\n")
    python.chmod(0o755)
    done = bench("--workloads", "W2", "--peers", "jax", "--python", f"jax={python}")
    assert done.code == 2
    assert "jax (no such library)" in done.err.splitlines()[-1]
