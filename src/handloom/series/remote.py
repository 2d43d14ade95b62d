"""What runs on the machines of a cluster: tasks, and the mailbox through which they report."""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

from handloom._optional import require
from handloom.series.task import Outcome, Progress, Task, train_task

LEAVING_S = 60.0
"""So long a task that is restarted waits for its former process to release its folder."""

Letter = tuple[int, dict[str, Any]]
"""The number of an attempt, and a Progress as JSON-ready values."""


class Workplace(NamedTuple):
    """Where the series is trained from, so that paths mean the same on every machine."""

    folder: str
    """The current one."""
    environment: Mapping[str, str]
    """Variables that a task has to know."""


class Mailbox:
    """An actor of Ray, between tasks and who placed them: a task waits in it for its answer."""

    def __init__(self) -> None:
        self._letters: asyncio.Queue[Letter] = asyncio.Queue()
        self._answers: dict[tuple[str, int], asyncio.Future[bool]] = {}

    async def ask(self, attempt: int, progress: dict[str, Any]) -> bool:
        """Leave a task's Progress; returns the answer, whether to continue."""
        answer = asyncio.get_running_loop().create_future()
        self._answers[progress["key"], attempt] = answer
        await self._letters.put((attempt, progress))
        return await answer

    async def take(self) -> list[Letter]:
        """All letters that lie there; waits for one where there is none."""
        letters = [await self._letters.get()]
        while not self._letters.empty():
            letters.append(self._letters.get_nowait())
        return letters

    async def answer(self, key: str, attempt: int, go_on: bool) -> None:
        """Answer a task; nothing happens where it has died meanwhile."""
        answer = self._answers.pop((key, attempt), None)
        if answer is not None and not answer.done():
            answer.set_result(go_on)


def train(task: dict[str, Any], attempt: int, mailbox: Any, place: Workplace) -> dict[str, Any]:
    """Train a Task where Ray has placed it; returns its Outcome. Both as JSON-ready values.

    A task that is restarted may be quicker than the end of its former process, whose machine the
    cluster has lost: it waits LEAVING_S for the folder.
    """
    placed = Task(**task)
    if not _is_seen(placed, place):
        why = (
            f"{socket.gethostname()} does not see {Path(place.folder, placed.root)}; all machines "
            "of the cluster need this folder under the same path"
        )
        return asdict(Outcome(placed.key, "stopped", why))
    os.chdir(place.folder)
    os.environ.update(place.environment)
    ray = require("ray", extra="ray")

    def report(progress: Progress) -> bool:
        return ray.get(mailbox.ask.remote(attempt, asdict(progress)))

    outcome, until = train_task(placed, report), time.monotonic() + LEAVING_S * (attempt > 0)
    while outcome.state == "aside" and time.monotonic() < until:
        time.sleep(1)
        outcome = train_task(placed, report)
    return asdict(outcome)


def _is_seen(task: Task, place: Workplace) -> bool:
    """Whether the folder of the series is there; it might be another machine's."""
    return Path(place.folder, task.root).is_dir()
