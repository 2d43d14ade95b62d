"""The driver's end of a worker's pipe."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.contestants import Contestant
from handloom.errors import HandloomError

ROOT = Path(__file__).parents[1]
"""Where a peer's Python finds the package `benchmarks`."""


CHECK_STEPS = 3
"""Steps after which weights are compared: momentum acts from the second on."""


class WorkerError(HandloomError):
    """A worker that cannot do its job, or has died; the message is its own."""


class Worker:
    """A process that runs `program` under `interpreter`; ended at the end of a `with`.

    `environment` is laid over this process's own. What the process writes to standard error goes
    to `log`.
    """

    def __init__(
        self,
        program: Sequence[str],
        interpreter: str,
        environment: Mapping[str, str],
        log: Path,
    ) -> None:
        self._log = log
        with log.open("ab") as stderr:
            self._process = subprocess.Popen(
                [interpreter, *program],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                env={**os.environ, **environment},
                text=True,
                bufsize=1,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for its answer; raises WorkerError where there is none."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = ""
        if not answer:
            raise WorkerError(self._last_words())
        said = json.loads(answer)
        if "error" in said:
            raise WorkerError(said["error"])
        return said

    def steps_in(self, seconds: float) -> int:
        """How many steps of its job take about so long; at least one."""
        count = 1
        while True:
            took = self.ask(do="run", steps=count)["seconds"]
            if took > seconds / 8:
                return max(1, round(seconds * count / took))
            count *= 4

    def close(self) -> None:
        """End the process, which loses nothing by it."""
        self._process.kill()
        self._process.communicate()

    def _last_words(self) -> str:
        code = self._process.wait()
        lines = self._log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines and code > 0 else f"ended with exit code {code}"


def hired(row: Contestant, log: Path) -> Worker:
    """A process for the contestant, with nothing to do yet."""
    return Worker(program(row.family), row.interpreter, row.environment, log)


def program(family: str) -> list[str]:
    """What the interpreter of a peer runs."""
    return ["-m", "benchmarks.peers", family]


def job(*, task: str, folder: str, threads: int, **values: Any) -> dict[str, Any]:
    """A job as the workers take it: `job.Job`, whose fields may be left out here."""
    return {
        "task": task,
        "folder": folder,
        "threads": threads,
        "layers": [],
        "batch_size": 0,
        "size": 0,
        "optimizer": {},
        "settings": {},
        "dtype": "float32",
        "check_steps": CHECK_STEPS,
        **values,
    }
