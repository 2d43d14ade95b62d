"""Real processes for tests: functions of a program, run by several processes at once.

One process imports the program, and with it PyTorch, and forks those that a launcher would start:
they know their places by the environment, and find each other at a port of this machine.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

TIMEOUT_S = 200
NURSERY = """
import importlib, json, os, socket, sys, traceback
from pathlib import Path

os.environ["TORCH_CPP_LOG_LEVEL"] = "ERROR"  # as `joined` does, which PyTorch reads once
folder, cases = Path(sys.argv[1]), json.loads(sys.argv[2])
sys.path.insert(0, str(folder))
program = importlib.import_module("program")

def live(function, arguments):
    try:
        getattr(program, function)(*arguments)
    except SystemExit as end:
        return end.code or 0
    except BaseException:
        traceback.print_exc()
        return 1
    return 0

def born(case, rank, size, port, function, arguments):
    if child := os.fork():
        return child
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size),
        "LOCAL_WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }
    if size == 1:
        del os.environ["WORLD_SIZE"]
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(folder / f"{case}-{rank}.{name}", os.O_WRONLY | os.O_CREAT)
        os.dup2(file, number)
    code = live(function, arguments)
    sys.stdout.flush(), sys.stderr.flush()
    os._exit(code)

ended = []
for case, (size, function, *arguments) in enumerate(cases):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    children = [born(case, rank, size, port, function, arguments) for rank in range(size)]
    ended.append([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
(folder / "ended.json").write_text(json.dumps(ended))
"""


class Ended(NamedTuple):
    """How a process ended."""

    code: int
    out: str
    err: str


def launch(program: str, folder: Path, *cases: tuple[int | str, ...]) -> list[list[Ended]]:
    """How the processes of each case ended, in the order of their ranks.

    A case is (processes, name of a function of `program`, its arguments …); they run one after the
    other. One process alone is told of no others.
    """
    (folder / "program.py").write_text(program)
    subprocess.run(
        [sys.executable, "-c", NURSERY, str(folder), json.dumps(cases)],
        check=True, timeout=TIMEOUT_S,
    )  # fmt: skip
    codes = json.loads((folder / "ended.json").read_text())
    return [
        [Ended(code, *_outputs(folder / f"{case}-{rank}")) for rank, code in enumerate(ranks)]
        for case, ranks in enumerate(codes)
    ]


def _outputs(path: Path) -> list[str]:
    return [path.with_suffix(f".{name}").read_text() for name in ("out", "err")]
