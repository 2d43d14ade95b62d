"""Crew: what trains trials, several at a time. Processes of this machine are one, a cluster is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from handloom.studies.search.task import Outcome, Progress, Task


class Crew(Protocol):
    """Places trials, restarts those whose process died, and passes on what they tell."""

    threads: int
    """The share of the cores that a trial has."""

    def has_room(self) -> bool:
        """Whether another trial can begin now."""
        ...

    def begin(self, task: Task) -> None:
        """Have it trained; a task whose process dies goes on in another one."""
        ...

    def reports(self, timeout: float) -> Sequence[Progress | Outcome]:
        """What has been told since; waits for it, `timeout` seconds at most."""
        ...

    def answer(self, key: str, *, go_on: bool) -> None:
        """Answer a Progress, for which the trial waits."""
        ...

    def close(self) -> None:
        """Stop everything at once; what is under way can go on from its checkpoints."""
        ...
