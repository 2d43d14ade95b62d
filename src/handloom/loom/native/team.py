"""Threads that run the same program, share its loops and wait for each other.

`Team` is their side in the program that is being written, `Crew` the threads themselves.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from queue import SimpleQueue

import numpy as np

from handloom._typing import IntArray
from handloom.errors import ConfigError, StateError
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import kernel
from handloom.loom.language.value import Pointer, Value

PATIENCE = 3000
"""Turns of waiting, 40 to 150 µs, before a thread sleeps for a moment. On a free machine meetings
are shorter; on a loaded one two threads share a core, and the one that waits in vain must leave it
to the other. Where each of two cores had another busy process, four threads took 600 µs from
meeting to meeting; 2,300 when they offered the core (sched_yield) instead of sleeping."""

_LINES = 128  # bytes that belong together in a cache: a line, or two that are fetched as a pair
APART = _LINES // 8
"""Counters from one to the next: a neighbour's writing would slow down everybody who waits."""
DEALS = 16
"""Loops of a program that are dealt out; later ones are shared."""
PARTS = 16
"""Parts of a thread's own share that are dealt out one by one: more would be more counting."""


@kernel
def barrier(e: Emitter, arrivals: Pointer, threads: Value) -> None:
    """Wait until every thread is here.

    `arrivals` only grows: the n-th meeting ends when it reaches n · threads. The wait is a loop
    because it is usually shorter than a call of the operating system. At a million meetings of 64
    threads a second the count would last for 4,500 years.
    """
    meeting = (e.atomic_add(arrivals, 1) // threads + 1) * threads
    turns = [e.lift(0)]
    for _ in e.repeat(lambda: e.atomic_load(arrivals) < meeting, turns):
        e.pause()
        turns[0] = turns[0] + 1
        with e.when(turns[0] > PATIENCE):
            e.external(*e.program.machine.give_way)


class Team:
    """What one of the threads knows, while code is written for all of them."""

    def __init__(self, e: Emitter, me: Value, threads: Value, arrivals: Pointer) -> None:
        self.e = e
        self.me = me
        self.threads = threads
        self.arrivals = arrivals
        self._deals = 0

    def deal(self, count: int, *, backwards: bool = False) -> Iterator[Value]:
        """A loop over range(count) like share's, but who is done takes over parts of the others'.

        For long loops whose turns do not care which thread does them: the system interrupts
        threads, and some processors have cores of two kinds. Threads meet between two visits.

        A counter for each share only grows: of `parts + threads` numbers that are taken from it in
        a visit, every thread takes one that is too large and goes on to the next share.
        """
        if self._deals == DEALS:
            yield from self.share(count, backwards=backwards)
            return
        e, me, threads = self.e, self.me, self.threads
        counters = self.arrivals + (threads * self._deals + 1) * APART
        self._deals += 1
        for nearer in e.range(threads):
            owner = (me + nearer) % threads
            first, end = owner * count // threads, (owner + 1) * count // threads
            counter = counters + owner * APART
            part = [e.atomic_add(counter, 1) % (threads + PARTS)]
            for _ in e.repeat(lambda: part[0] < PARTS, part):  # noqa: B023
                number, size = part[0], end - first
                start, stop = number * size // PARTS, (number + 1) * size // PARTS
                for i in e.range(start, stop):
                    yield end - 1 - i if backwards else first + i
                part[0] = e.atomic_add(counter, 1) % (threads + PARTS)

    def share(self, count: int, *, backwards: bool = False) -> Iterator[Value]:
        """A loop over this thread's part of range(count), a run of neighbours."""
        first, end = self.me * count // self.threads, (self.me + 1) * count // self.threads
        for i in self.e.range(first, end):
            yield first + end - 1 - i if backwards else i

    def first(self) -> AbstractContextManager[None]:
        """The body of `with team.first():` is for the first thread only."""
        return self.e.when(self.me.equals(0))

    def meet(self) -> None:
        """Go on when all are here."""
        with self.e.when(self.threads > 1):
            barrier(self.e, self.arrivals, self.threads)


class Crew:
    """The threads that run programs together, and stay alive from one run to the next.

    They start with the first run and end with `close`, or when nobody holds the crew any more.
    `arrivals` is what the barrier counts in, and behind it the counters of loops that are dealt
    out, which begin a run with zeros.
    """

    def __init__(self, threads: int) -> None:
        if threads < 1:
            raise ConfigError(f"a program needs at least one thread, got {threads}")
        self.threads = threads
        self.arrivals = counters(threads)
        self._begin()

    def run(self, entry: Callable[..., None], *arguments: object) -> None:
        """Call entry(me, threads, *arguments) on every thread, me = 0, 1, ...; wait for the last.

        What interrupts the wait, Ctrl-C above all, is raised after the end of all calls: the crew
        is ready for the next run. Raises what a call raised; ConfigError where the system refuses
        so many threads; StateError where one of them has died.
        """
        if self.threads == 1:
            self.alone(entry, *arguments)
            return
        if self._process != os.getpid():
            self._begin()
        with self._one_at_a_time:
            if not self._helpers:
                self._start()
            if dead := [helper.me for helper in self._helpers if helper.has_ended]:
                raise StateError(f"thread {dead[0]} of {self.threads} has died; build a new engine")
            self.arrivals[APART:] = 0
            self._do(_Job(entry, (self.threads, *arguments), self.threads))

    def alone(self, entry: Callable[..., None], *arguments: object) -> None:
        """Call entry(0, 1, *arguments) here: for work so short that waking threads costs more."""
        self.arrivals[APART:] = 0
        entry(0, 1, *arguments)

    def close(self) -> None:
        """Let the threads end; the next run would start others."""
        _dismiss(self._helpers)
        self._helpers = []

    def _begin(self) -> None:
        """Without threads, at first and in a forked process, where none of them lives."""
        self._process = os.getpid()
        self._helpers: list[_Helper] = []
        self._one_at_a_time = threading.Lock()
        self.arrivals[:] = 0

    def _start(self) -> None:
        helpers = [_Helper(me) for me in range(self.threads)]
        weakref.finalize(self, _dismiss, helpers)
        try:
            for helper in helpers:
                threading.Thread(target=helper.work, name=f"loom-{helper.me}", daemon=True).start()
        except BaseException as error:
            _dismiss(helpers)
            if isinstance(error, RuntimeError):
                raise ConfigError(
                    f"cannot start {self.threads} threads ({error}); use fewer"
                ) from None
            raise
        self._helpers = helpers

    def _do(self, job: _Job) -> None:
        """Have every helper do its part of the job.

        An interruption may come between any two instructions here, but not within a call of a
        queue. So all helpers are handed the job once more after it; who has done it lets it pass.
        """
        interruption = None
        while job.left:
            try:
                for helper in self._helpers:
                    helper.jobs.put(job)
                job.done.get()
            except BaseException as error:
                interruption = error
        if error := interruption or job.error:
            raise error


class _Job:
    """One call on all threads; `left` have not returned from it."""

    def __init__(self, entry: Callable[..., None], arguments: tuple, left: int) -> None:
        self.entry = entry
        self.arguments = arguments
        self.left = left
        self.error: BaseException | None = None
        self.done: SimpleQueue[None] = SimpleQueue()
        self._counting = threading.Lock()

    def do(self, me: int) -> None:
        """Call the entry as thread `me`; the last to return reports it."""
        try:
            self.entry(me, *self.arguments)
        except BaseException as error:
            self.error = error
        with self._counting:
            self.left -= 1
        if not self.left:
            self.done.put(None)


class _Helper:
    """What one thread does: its part of each job, until it gets None instead of one.

    The caller of `Crew.run` is none of them: an interruption would leave the others waiting for it.
    """

    def __init__(self, me: int) -> None:
        self.me = me
        self.jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self.has_ended = False

    def work(self) -> None:
        """The thread's whole life."""
        try:
            last = None
            while (job := self.jobs.get()) is not None:
                if job is not last:
                    job.do(self.me)
                last = job
        finally:
            self.has_ended = True


def _dismiss(helpers: list[_Helper]) -> None:
    for helper in helpers:
        helper.jobs.put(None)


def counters(threads: int) -> IntArray:
    """What a team of so many counts in: zeros of 64 bits, each of them alone on its cache lines."""
    size = (1 + DEALS * threads) * _LINES
    raw = np.zeros(size + _LINES, np.uint8)
    start = -raw.ctypes.data % _LINES
    return raw[start : start + size].view(np.int64)
