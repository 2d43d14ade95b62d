"""Workers: a pool of processes on this machine, each with its share of the cores."""

from __future__ import annotations

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from handloom._files import make_folder, open_own
from handloom.engines import available_cores
from handloom.series.task import Outcome, Progress, Task

MOST_DEATHS = 3
"""So often in one row per task's process may die before an epoch has ended."""
_COMMAND = [sys.executable, "-m", "handloom.series.worker"]
_PATIENCE_S = 5.0  # with a worker that was told to leave


class Workers:
    """A pool of `count` processes; those that die are replaced. What they print is in `logs`."""

    def __init__(self, count: int, logs: Path) -> None:
        self.threads = available_cores(processes=count)
        make_folder(logs, within=None)
        self._heard: _Heard = queue.SimpleQueue()
        stem = f"{socket.gethostname()}-{os.getpid()}"
        self._workers = [
            _Worker(logs / f"{stem}-{number}.log", self._heard) for number in range(1, count + 1)
        ]

    def has_room(self) -> bool:
        """Whether a worker has nothing to do."""
        return any(worker.task is None for worker in self._workers)

    def begin(self, task: Task) -> None:
        """Give a task to a worker that has none."""
        idle = next(worker for worker in self._workers if worker.task is None)
        idle.begin(task)

    def reports(self, timeout: float) -> list[Progress | Outcome]:
        """What workers have reported; those that died meanwhile resume their task."""
        reports = []
        until = time.monotonic() + timeout
        while not reports and (left := until - time.monotonic()) > 0:
            with suppress(queue.Empty):
                worker, message = self._heard.get(timeout=left)
                if (report := worker.digest(message)) is not None:
                    reports.append(report)
        return reports

    def answer(self, key: str, *, go_on: bool) -> None:
        """Answer the task's Progress."""
        for worker in self._workers:
            if worker.task is not None and worker.task.key == key:
                worker.send({"go_on": go_on})

    def close(self) -> None:
        """End all workers."""
        for worker in self._workers:
            worker.dismiss()
        for worker in self._workers:
            worker.wait()


class _Worker:
    """One process, and who listens to it. It is started with its first task."""

    def __init__(self, log: Path, heard: _Heard) -> None:
        self.task: Task | None = None
        self._log = log
        self._heard = heard
        self._deaths = 0
        self._process: subprocess.Popen[str] | None = None

    def begin(self, task: Task) -> None:
        self.task, self._deaths = task, 0
        self._hand_over()

    def send(self, message: dict[str, object]) -> None:
        """Say a line; a worker that is dead by now is noticed where it is listened to."""
        assert self._process is not None
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.write(json.dumps(message) + "\n")
            self._process.stdin.flush()

    def digest(self, message: Progress | Outcome | None) -> Progress | Outcome | None:
        """Take note of what the process said; None stands for its death."""
        if message is None:
            return self._replace()
        self._deaths = 0
        if isinstance(message, Outcome):
            self.task = None
        return message

    def dismiss(self) -> None:
        """Ask the process to leave: it does so when nobody speaks to it any more."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def wait(self) -> None:
        """Wait until the process has left, and do not wait for long."""
        if self._process is None:
            return
        try:
            self._process.wait(_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _replace(self) -> Outcome | None:
        """After a death: the task once more in a new process, unless it is hopeless."""
        assert self._process is not None
        self.dismiss()
        code, self._process = self._process.wait(), None
        if self.task is None:
            return None
        self._deaths += 1
        if self._deaths < MOST_DEATHS:
            self._hand_over()
            return None
        task, self.task = self.task, None
        if code >= 0:
            return Outcome(task.key, "stopped", f"a worker cannot start: see {self._log}")
        how = f"its process was killed by signal {-code}"
        if -code == getattr(signal, "SIGKILL", None):
            how += ", as happens where memory runs out"
        return Outcome(
            task.key, "aside", f"{how}, {self._deaths} times before an epoch had finished"
        )

    def _hand_over(self) -> None:
        if self._process is None:
            self._process = self._start()
        assert self.task is not None
        self.send(asdict(self.task))

    def _start(self) -> subprocess.Popen[str]:
        with open_own(self._log, os.O_WRONLY | os.O_APPEND | os.O_CREAT) as log:
            process = subprocess.Popen(
                _COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C is for us; we then end the workers
            )
        threading.Thread(target=self._listen, args=(process,), daemon=True).start()
        return process

    def _listen(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        with process.stdout:
            for line in process.stdout:
                if not line.endswith("\n"):
                    break  # torn by a kill
                content = json.loads(line)
                kind = Outcome if "state" in content else Progress
                self._heard.put((self, kind(**content)))
        self._heard.put((self, None))


_Heard = queue.SimpleQueue[tuple[_Worker, Progress | Outcome | None]]
"""What workers said, in order; None stands for the end of one's process."""
