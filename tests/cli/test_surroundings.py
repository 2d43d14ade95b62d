"""The command where the surroundings are poor: no home, no terminal, one core, another language."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

COMMAND = "from handloom.cli.main import main; main()"


def test_a_run_needs_no_home_no_terminal_and_no_locale(bars: Path, tmp_path: Path) -> None:
    """In a folder with spaces and a symbol in its name, with an encoding that cannot show it."""
    folder = tmp_path / "two words 🙂"
    folder.mkdir()
    environ = os.environ | {
        "HOME": "/dev/null", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0",
        "PYTHONIOENCODING": "ascii",
    }  # fmt: skip
    for name in ("MPLCONFIGDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "HANDLOOM_CACHE"):
        environ.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", COMMAND, "train", bars, "--out", "a run 🙂"],
        cwd=folder, env=environ, stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"test        accuracy" in done.stdout
    assert (folder / "a run 🙂" / "figures" / "confusion.png").is_file()
