"""The examples run as they stand, each in a folder of its own, and say what they promise."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from handloom.data.readers.npy import read_npy_images
from handloom.data.readers.table import read_table
from handloom.data.submission import read_sample

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name: str, folder: Path, *arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", str(EXAMPLES / name), *arguments],
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


@pytest.mark.data
def test_contest(tmp_path: Path) -> None:
    """What it builds is read as a contest's data; a submission of zeros gets its tenth."""
    assert run("contest.py", tmp_path, "made") == [
        "made: 30,000 rows with labels, 5,000 to predict"
    ]
    made = tmp_path / "made"
    labelled = read_table(made / "train.npy", made / "train.csv")
    assert (labelled.images.shape, labelled.num_classes) == ((30_000, 28, 28), 10)
    assert read_npy_images(made / "test.npy").shape == (5_000, 28, 28)
    assert read_sample(made / "sample.csv", 5_000).columns == ("image_id", "label")
    (line,) = run("contest.py", tmp_path, "made", "--score", "made/sample.csv")
    assert 0.08 < numbers(line)[0] < 0.12


def test_every_example_is_tested_and_short() -> None:
    names = {path.name for path in EXAMPLES.glob("*.py")}
    assert names == {"own_loop.py", "custom_layer.py", "mistakes.py", "contest.py"}
    for name in names:
        assert len((EXAMPLES / name).read_text().splitlines()) <= 50, name
