"""The processes that train one network together; mostly that is one process alone.

A launcher such as torchrun starts the same command several times, on one machine or on many, and
tells each process its place by the environment. Each takes its part of every batch; the first one
alone writes, prints and draws. No PyTorch is imported to find out that a process is alone.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import NamedTuple, TypeVar

from handloom.errors import ConfigError

Given = TypeVar("Given")


class Place(NamedTuple):
    """Which of the processes this one is; everything is counted from 0."""

    rank: int = 0
    size: int = 1
    """Processes on all machines together."""
    local_rank: int = 0
    """Its number on its machine; it uses the GPU of this number."""
    local_size: int = 1
    """Processes on its machine."""
    machine: int = 0

    def part(self, count: int) -> slice:
        """Its rows of a batch of `count`; the parts differ by one row at most."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)


def find_place(environ: Mapping[str, str] = os.environ) -> Place:
    """This process's place, as torchrun tells it: RANK, WORLD_SIZE, LOCAL_RANK and so on.

    Alone, where there is no WORLD_SIZE. Raises ConfigError where what is told cannot be.
    """
    if "WORLD_SIZE" not in environ:
        return Place()
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "GROUP_RANK")
    told = {name: environ[name] for name in names if name in environ}
    alike = {"LOCAL_RANK": told.get("RANK", ""), "LOCAL_WORLD_SIZE": told["WORLD_SIZE"]}
    try:
        place = Place(*(int(({"GROUP_RANK": "0"} | alike | told)[name]) for name in names))
    except (KeyError, ValueError):
        place = Place(size=0)
    if not (0 <= place.rank < place.size and 0 <= place.local_rank < place.local_size):
        found = ", ".join(f"{name}={value}" for name, value in told.items())
        raise ConfigError(
            f"the environment describes impossible processes: {found}; start them with "
            "torchrun, or unset these variables"
        )
    return place


class Processes:
    """One process alone: the whole batch is its part, and there is nobody to wait for."""

    place = Place()

    @property
    def size(self) -> int:
        """How many they are."""
        return self.place.size

    @property
    def is_first(self) -> bool:
        """Whether it is this process that writes, prints and draws."""
        return self.place.rank == 0

    # -- what the computing needs -----------------------------------------------------------------

    def part(self, count: int) -> slice:
        """This process's rows of a batch of `count`."""
        return self.place.part(count)

    def whole(self, rows: Given, count: int) -> Given:
        """The rows (count, ...) of all processes, in the batch's order, given its own."""
        return rows

    def spread(self, module: Given) -> Given:
        """The module that trains with all processes: it adds up their gradients."""
        return module

    def device(self, name: str) -> str:
        """The device of this process, where the recipe says `name`."""
        return name

    # -- what the running needs -------------------------------------------------------------------

    def from_first(self, make: Callable[[], str]) -> str:
        """What the first process makes; the others wait for it."""
        return make()

    def in_turn(self) -> AbstractContextManager[None]:
        """A context that each machine's first process passes before the machine's others enter."""
        return nullcontext()


ALONE = Processes()
