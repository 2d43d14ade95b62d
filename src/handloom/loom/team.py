"""Threads that run the same program, share its loops and wait for each other."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager

from handloom.loom.emitter import Emitter
from handloom.loom.program import kernel
from handloom.loom.value import Pointer, Value

PATIENCE = 3000
"""Turns of waiting before a thread offers its processor to others. On a free machine the number
does not matter; on a loaded one both threads often share a core, and waiting in vain is dear."""


@kernel
def barrier(e: Emitter, arrivals: Pointer, threads: Value) -> None:
    """Wait until every thread is here.

    `arrivals` only grows: the n-th meeting ends when it reaches n · threads. The wait is a loop
    because it is usually shorter than a call of the operating system.
    """
    meeting = (e.atomic_add(arrivals, 1) // threads + 1) * threads
    turns = [e.lift(0)]
    for _ in e.repeat(lambda: e.atomic_load(arrivals) < meeting, turns):
        e.pause()
        turns[0] = turns[0] + 1
        with e.when(turns[0] > PATIENCE):
            e.external(e.program.machine.give_way)


class Team:
    """What one of the threads knows, while code is written for all of them."""

    def __init__(self, e: Emitter, me: Value, threads: Value, arrivals: Pointer) -> None:
        self.e = e
        self.me = me
        self.threads = threads
        self.arrivals = arrivals

    def share(self, count: int) -> Iterator[Value]:
        """A loop over this thread's part of range(count), a run of neighbours."""
        return self.e.range(self.me * count // self.threads, (self.me + 1) * count // self.threads)

    def first(self) -> AbstractContextManager[None]:
        """The body of `with team.first():` is for the first thread only."""
        return self.e.when(self.me.equals(0))

    def meet(self) -> None:
        """Go on when all are here."""
        with self.e.when(self.threads > 1):
            barrier(self.e, self.arrivals, self.threads)
