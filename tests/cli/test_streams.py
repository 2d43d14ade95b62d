"""Output that is closed, full, or lacks a character: a sentence or silence, never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

COMMAND = [sys.executable, "-c", "from handloom.cli.main import main; main()"]
FULL = Path("/dev/full")
needs_full_device = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


def run(
    arguments: str, *, redirect: str = "", encoding: str | None = None
) -> subprocess.CompletedProcess[str]:
    """The command line as a shell starts it, its output redirected and captured."""
    env = {**os.environ, "COLUMNS": "80"} | ({"PYTHONIOENCODING": encoding} if encoding else {})
    return subprocess.run(
        ["sh", "-c", f'exec "$@" {redirect}', "sh", *COMMAND, *arguments.split()],
        env=env, capture_output=True, text=True, encoding=encoding, timeout=120,
    )  # fmt: skip


@needs_full_device
@pytest.mark.parametrize(
    "arguments",
    [
        "recipes show digits --json", "--help",
        pytest.param("recipes list", marks=pytest.mark.slow),  # one process more
    ],
)  # fmt: skip
def test_a_full_disk_behind_the_output_is_one_sentence(arguments: str) -> None:
    done = run(arguments, redirect=">/dev/full")
    sentence = "handloom: standard output cannot be written: no space left on device\n"
    assert (done.returncode, done.stdout, done.stderr) == (2, "", sentence)


@needs_full_device
@pytest.mark.parametrize("arguments", ["recipes show nosuch", "recipes --nosuch"])
def test_an_error_that_cannot_be_written_leaves_its_exit_code(arguments: str) -> None:
    assert run(arguments, redirect="2>/dev/full").returncode == 2


@pytest.mark.parametrize(
    "redirect",
    [
        "<&- >&- 2>&-",
        # each a process that trains and draws; the first has them all
        *(pytest.param(some, marks=pytest.mark.slow) for some in (">&-", "2>&-", ">&- 2>&-")),
    ],
)
def test_closed_streams_end_nothing(redirect: str, bars: Path) -> None:
    done = run(f"train {bars} --out run", redirect=redirect)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(Path("run/result.json").read_text())["epochs"] == 3
    rows = Path("run/metrics.jsonl").read_text().splitlines()
    assert [json.loads(row)["epoch"] for row in rows] == [1, 2, 3]


@pytest.mark.parametrize(
    "encoding", ["ascii", "cp1252", pytest.param("gbk", marks=pytest.mark.slow)]
)
def test_signs_that_an_encoding_lacks_are_replaced(encoding: str) -> None:
    done = run("recipes show mnist-lenet", encoding=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert ("12x12" in done.stdout) == (encoding == "ascii")
    assert ("12×12" in done.stdout) == (encoding != "ascii")


def test_a_name_does_not_steer_the_terminal(handloom: Callable[..., Any]) -> None:
    told = handloom("show", "\x1b]0;title\x07\x1b[2J\u202egnp\r").err
    assert told.startswith(r"handloom: \x1b]0;title\x07\x1b[2J\u202egnp\r is not a run folder")


def test_an_answer_for_a_program_stays_json(elsewhere: Path) -> None:
    (elsewhere / "größe─😀.toml").write_text('[model]\nname = "mlp"\n', encoding="utf-8")
    text = (elsewhere / "größe─😀.toml").as_posix()
    code = "from handloom.cli import streams; from handloom.cli.output import Voice\n"
    code += f"streams.prepare(); Voice.PROGRAM.answer({{'run': {text!r}}})"
    for encoding in ("ascii", "cp1252", "utf-8"):
        done = subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONIOENCODING": encoding},
            capture_output=True, encoding=encoding, check=True,
        )  # fmt: skip
        assert json.loads(done.stdout) == {"run": text}
