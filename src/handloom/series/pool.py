"""A pool: what trains tasks, several at a time. Processes of this machine are one, Ray another."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from handloom._optional import require
from handloom.errors import ConfigError
from handloom.recipes import Recipe
from handloom.series.task import Outcome, Progress, Task


class Pool(Protocol):
    """Places tasks, restarts those whose process died, and passes on what they report."""

    threads: int
    """A task's share of the cores."""

    def has_room(self) -> bool:
        """Whether another task can begin now."""
        ...

    def begin(self, task: Task) -> None:
        """Have it trained; a task whose process dies is continued in another one."""
        ...

    def reports(self, timeout: float) -> Sequence[Progress | Outcome]:
        """What was reported since the last call; waits at most `timeout` seconds for it."""
        ...

    def answer(self, key: str, *, go_on: bool) -> None:
        """Answer a Progress; its task waits for the answer."""
        ...

    def close(self) -> None:
        """Stop everything at once; what is running can be resumed from its checkpoints."""
        ...


def check_on(on: str | None) -> str | None:
    """The address in "ray=HOST:PORT"; None for "ray" alone, and where nothing is given.

    Raises ConfigError for anything but Ray, MissingExtraError where Ray is not installed.
    """
    if on is None:
        return None
    kind, _, address = on.partition("=")
    if kind != "ray":
        raise ConfigError(f'--on has to be "ray" or "ray=HOST:PORT", got "{on}"')
    require("ray", extra="ray")
    return address or None


def open_pool(
    recipes: Sequence[Recipe], logs: Path, *, workers: int | None = None, on: str | None = None
) -> Pool:
    """`workers` processes of this machine, one unless given, or the Ray cluster that `on` names.

    What a process prints is kept in the folder `logs`. `recipes` are those that will be trained, at
    least one. Raises what `check_on` raises, RunError where no cluster answers, ConfigError where
    none of its machines has the cores or the GPU that a recipe needs.
    """
    if on is None:
        from handloom.series.workers import Workers

        return Workers(workers or 1, logs)
    from handloom.series.cluster import Cluster

    return Cluster(check_on(on), recipes, workers=workers)
