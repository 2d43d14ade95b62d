"""The examples run as they stand, each in a folder of its own, and say what they promise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name: str, folder: Path) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # threads of small products spin and wait
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def numbers(line: str) -> list[float]:
    return [float(text) for text in re.findall(r"\d\.\d+", line)]


def test_own_loop(tmp_path: Path) -> None:
    *epochs, last = run("own_loop.py", tmp_path)
    losses = [numbers(line)[0] for line in epochs]
    assert losses == sorted(losses, reverse=True)
    assert numbers(last)[0] > 0.95


def test_custom_layer(tmp_path: Path) -> None:
    right, wrong = run("custom_layer.py", tmp_path)
    assert right.startswith("RMSNorm: right; worst ")
    assert wrong.startswith("Careless: wrong; worst x")


def test_mistakes(tmp_path: Path) -> None:
    first, *mistakes, last = run("mistakes.py", tmp_path)
    assert first.startswith("runs/digits: test accuracy 0.9")
    assert 1 <= len(mistakes) <= 5
    for line in mistakes:
        called, truth = numbers(line)
        assert called >= truth
        true, taken_for = re.findall(r"a (\d)", line)
        assert true != taken_for
    assert (tmp_path / last.removeprefix("drawn in ")).is_file()


def test_every_example_is_tested_and_short() -> None:
    names = {path.name for path in EXAMPLES.glob("*.py")}
    assert names == {"own_loop.py", "custom_layer.py", "mistakes.py"}
    for name in names:
        assert len((EXAMPLES / name).read_text().splitlines()) <= 50, name
