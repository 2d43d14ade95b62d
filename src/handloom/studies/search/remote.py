"""What runs on the machines of a cluster: trials, and the mailbox through which they speak."""

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
from handloom.studies.search.task import Outcome, Progress, Task, train_trial

LEAVING_S = 60.0
"""So long a trial that begins again waits for its former process to let go of its folder."""

Letter = tuple[int, dict[str, Any]]
"""The number of an attempt, and a Progress as JSON-ready values."""


class Place(NamedTuple):
    """Where the study runs, so that paths mean the same wherever its trials do."""

    folder: str
    """The current one."""
    environment: Mapping[str, str]
    """Variables that a trial has to know."""


class Mailbox:
    """An actor of Ray's between the trials and the study: a trial waits in it for its answer."""

    def __init__(self) -> None:
        self._letters: asyncio.Queue[Letter] = asyncio.Queue()
        self._answers: dict[tuple[str, int], asyncio.Future[bool]] = {}

    async def ask(self, attempt: int, progress: dict[str, Any]) -> bool:
        """Leave news of a trial; the study's answer, whether to go on."""
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
        """Answer a trial; one that has died meanwhile does not mind."""
        answer = self._answers.pop((key, attempt), None)
        if answer is not None and not answer.done():
            answer.set_result(go_on)


def train(task: dict[str, Any], attempt: int, mailbox: Any, place: Place) -> dict[str, Any]:
    """Train a Task where Ray has placed it; returns its Outcome. Both as JSON-ready values.

    A trial that begins again may be quicker than the end of its former process, whose machine is
    lost to the cluster: it waits LEAVING_S for the folder.
    """
    told = Task(**task)
    if not _is_seen(told, place):
        why = (
            f"{socket.gethostname()} does not see {Path(place.folder, told.folder)}; all machines "
            "of the cluster need the study's folder under the same path"
        )
        return asdict(Outcome(told.key, "stopped", why))
    os.chdir(place.folder)
    os.environ.update(place.environment)
    ray = require("ray", extra="ray")

    def report(progress: Progress) -> bool:
        return ray.get(mailbox.ask.remote(attempt, asdict(progress)))

    outcome, until = train_trial(told, report), time.monotonic() + LEAVING_S * (attempt > 0)
    while outcome.state == "aside" and time.monotonic() < until:
        time.sleep(1)
        outcome = train_trial(told, report)
    return asdict(outcome)


def _is_seen(task: Task, place: Place) -> bool:
    """Whether the trial's folder, which the study made, is there; it might be another machine's."""
    return Path(place.folder, task.folder).is_dir()
