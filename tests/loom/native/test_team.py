"""Threads that share loops, wait for each other, and survive what happens to their caller."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from handloom._typing import AnyArray
from handloom.errors import ConfigError, StateError
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import host
from handloom.loom.language.program import Program
from handloom.loom.language.value import INT, Pointer, Value
from handloom.loom.native import jit
from handloom.loom.native.team import APART, DEALS, PARTS, Crew, Team

Entry = Callable[..., None]


def compiled(name: str, body: Callable[..., None]) -> tuple[Entry, object]:
    """run(me, threads, n, arrivals, numbers) of `body(team, n, numbers)`, and what holds it."""

    def write(
        e: Emitter, me: Value, threads: Value, n: Value, arrivals: Pointer, numbers: Pointer
    ) -> None:
        body(Team(e, me, threads, arrivals), n, numbers)

    program = Program(host())
    program.entry("run", write, me=None, threads=None, n=None, arrivals=INT, numbers=INT)
    code = jit.compile_object(program.machine, str(program.module))
    address = jit.link(program.machine, code, f"test_team.{name}")
    return jit.callable_at(address("run"), integers=3, pointers=2), address


def addresses(crew: Crew, numbers: AnyArray) -> tuple[int, int]:
    return crew.arrivals.ctypes.data, numbers.ctypes.data


@pytest.fixture(scope="module")
def relay() -> tuple[Entry, object]:
    """n rounds: each thread adds what all have, on the other side of a meeting, to its own."""

    def body(team: Team, n: Value, numbers: Pointer) -> None:
        e = team.e
        for turn in e.range(n):
            read, write = numbers + turn % 2 * 64, numbers + (turn + 1) % 2 * 64
            total = [e.lift(0)]
            for i in e.range(0, team.threads, 1, total):
                total[0] = total[0] + read[i]
            write[team.me] = (total[0] + team.me) % 1009
            team.meet()

    return compiled("relay", body)


def relayed(threads: int, n: int) -> AnyArray:
    numbers = np.zeros((2, 64), np.int64)
    for turn in range(n):
        new = (numbers[turn % 2].sum() + np.arange(threads)) % 1009
        numbers[(turn + 1) % 2, :threads] = new
    return numbers


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_a_meeting_lets_nobody_pass_before_the_last(relay, threads: int) -> None:
    """Eight threads on fewer cores must come to an end as well."""
    entry, _ = relay
    crew, numbers = Crew(threads), np.zeros((2, 64), np.int64)
    for _ in range(3):
        numbers[:] = 0
        crew.run(entry, 301, *addresses(crew, numbers))
        np.testing.assert_array_equal(numbers, relayed(threads, 301))


def test_a_shared_loop_does_everything_once() -> None:
    def body(team: Team, n: Value, numbers: Pointer) -> None:
        for i in team.share(n):
            numbers[i] = numbers[i] + team.me + 1
        with team.first():
            numbers[63] = numbers[63] + 1000 + team.me

    entry, _held = compiled("share", body)
    for threads in (1, 2, 3, 5):
        crew = Crew(threads)
        for n in (0, 1, 2, 5, 7, 60):
            numbers = np.zeros(64, np.int64)
            crew.run(entry, n, *addresses(crew, numbers))
            done_by = numbers[:n]
            assert (done_by >= 1).all()
            assert (done_by <= threads).all()
            assert (np.diff(done_by) >= 0).all(), "runs of neighbours"
            parts = np.bincount(done_by, minlength=threads + 1)[1:]
            assert parts.max() - parts.min() <= 1, "fair"
            assert not numbers[n:63].any()
            assert numbers[63] == 1000, "the first thread alone"


@pytest.mark.parametrize("backwards", [False, True])
def test_a_dealt_loop_does_everything_once(backwards: bool) -> None:
    """Visit after visit, and more loops than there are counters for; 0 of them is a loop, too."""

    def body(team: Team, n: Value, numbers: Pointer) -> None:
        for _ in team.e.range(n):
            for count in (0, 1, 5, 61):
                for _ in range(5):
                    for i in team.deal(count, backwards=backwards):
                        numbers[i] = numbers[i] + 1
                    team.meet()

    entry, _held = compiled(f"deal{backwards}", body)
    for threads in (1, 2, 3, 8):
        crew, numbers = Crew(threads), np.zeros(64, np.int64)
        for visits in (3, 1, 7):
            crew.run(entry, visits, *addresses(crew, numbers))
        np.testing.assert_array_equal(numbers[:5], 11 * 5 * np.array([3, 2, 2, 2, 2]))
        np.testing.assert_array_equal(numbers[5:], [11 * 5] * 56 + [0] * 3)


def test_a_dealt_loop_goes_on_without_a_thread_that_is_held_up() -> None:
    """The first thread waits within its first turn for all but the part that it has begun."""
    count, part = 128, 128 // 2 // PARTS

    def body(team: Team, n: Value, numbers: Pointer) -> None:
        e, done = team.e, numbers + count
        for i in team.deal(count):
            waited = [e.lift(0)]
            held_up = team.me.equals(0)
            for _ in e.repeat(
                lambda: held_up & (e.atomic_load(done) < count - part) & (waited[0] < n),  # noqa: B023
                waited,
            ):
                e.pause()
                waited[0] = waited[0] + 1
            numbers[i] = team.me + 1
            e.atomic_add(done, 1)

    entry, _held = compiled("held_up", body)
    crew, numbers = Crew(2), np.zeros(count + 1, np.int64)
    crew.run(entry, 10**8, *addresses(crew, numbers))
    assert numbers[count] == count
    assert (numbers[:count] == 1).sum() <= part


def test_counters_stand_alone_on_their_cache_lines() -> None:
    arrivals = Crew(2).arrivals
    assert (len(arrivals), arrivals.dtype) == ((1 + 2 * DEALS) * APART, np.int64)
    assert arrivals.ctypes.data % 128 == 0
    whole = arrivals
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    assert arrivals.ctypes.data + arrivals.nbytes <= whole.ctypes.data + whole.nbytes


def test_threads_stay_alive_from_run_to_run() -> None:
    crew, seen = Crew(3), []
    for _ in range(4):
        crew.run(lambda me, threads: seen.append((me, threads, threading.get_ident())))
    assert sorted({(me, threads) for me, threads, _ in seen}) == [(0, 3), (1, 3), (2, 3)]
    assert len({identity for *_, identity in seen}) == 3
    assert threading.get_ident() not in {identity for *_, identity in seen}


def test_one_thread_is_the_callers_own() -> None:
    crew, seen = Crew(1), []
    crew.run(lambda *given: seen.append((*given, threading.get_ident())), "a", 7)
    Crew(4).alone(lambda *given: seen.append((*given, threading.get_ident())), "b")
    here = threading.get_ident()
    assert seen == [(0, 1, "a", 7, here), (0, 1, "b", here)]


def loom_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name.startswith("loom-")}


def wait_until(condition: Callable[[], bool]) -> None:
    limit = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.001)


def test_threads_end_with_the_crew() -> None:
    gc.collect()
    wait_until(lambda: not loom_threads())
    crew = Crew(3)
    crew.run(lambda *_: None)
    assert len(loom_threads()) == 3
    crew.close()
    wait_until(lambda: not loom_threads())
    crew.run(lambda *_: None)
    assert len(loom_threads()) == 3, "a closed crew starts again when it is needed"
    del crew
    gc.collect()
    wait_until(lambda: not loom_threads())


def test_what_a_call_raises_is_raised() -> None:
    def fail(me: int, threads: int) -> None:
        raise ZeroDivisionError

    crew, seen = Crew(2), []
    with pytest.raises(ZeroDivisionError):
        crew.run(fail)
    crew.run(lambda me, threads: seen.append(me))
    assert sorted(seen) == [0, 1]


def test_a_thread_that_died_is_named() -> None:
    crew = Crew(3)
    crew.run(lambda *_: None)
    crew._helpers[1].jobs.put(None)
    wait_until(lambda: crew._helpers[1].has_ended)
    with pytest.raises(StateError, match="thread 1 of 3 has died"):
        crew.run(lambda *_: None)


def test_threads_that_the_system_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    crew = Crew(2)
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(ConfigError, match="cannot start 2 threads"):
            crew.run(lambda *_: None)
    crew.run(lambda *_: None)


def test_no_threads_are_no_crew() -> None:
    with pytest.raises(ConfigError, match="at least one thread, got 0"):
        Crew(0)


def test_callers_on_two_threads_take_turns(relay) -> None:
    entry, _ = relay
    crew = Crew(2)
    results = [np.zeros((2, 64), np.int64) for _ in range(4)]

    def call(numbers: AnyArray) -> None:
        crew.run(entry, 100, *addresses(crew, numbers))

    callers = [threading.Thread(target=call, args=(numbers,)) for numbers in results]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    for numbers in results:
        np.testing.assert_array_equal(numbers, relayed(2, 100))


@pytest.fixture
def ctrl_c() -> Iterator[None]:
    """Python's own answer to Ctrl-C; a process that was started in the background has none."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interruption_waits_for_the_end_of_the_call(relay, ctrl_c) -> None:
    entry, _ = relay
    crew, ended = Crew(2), []

    def interrupted(me: int, threads: int) -> None:
        if me == 1:
            signal.raise_signal(signal.SIGINT)
        time.sleep(0.02)
        ended.append(me)

    with pytest.raises(KeyboardInterrupt):
        crew.run(interrupted)
    assert sorted(ended) == [0, 1]
    numbers = np.zeros((2, 64), np.int64)
    crew.run(entry, 10, *addresses(crew, numbers))
    np.testing.assert_array_equal(numbers, relayed(2, 10))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="needs a timer that interrupts")
def test_interruptions_at_any_moment_leave_a_crew_that_works(relay) -> None:
    entry, _ = relay
    crew, numbers, chance = Crew(2), np.zeros((2, 64), np.int64), random.Random(0)

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    gc.collect()  # a destructor would swallow the interruption
    gc.disable()
    before = signal.signal(signal.SIGALRM, interrupt)
    interruptions = 0
    try:
        for _ in range(300):
            numbers[:] = 0
            try:
                signal.setitimer(signal.ITIMER_REAL, chance.uniform(1e-6, 3e-4))
                crew.run(entry, 20, *addresses(crew, numbers))
                signal.setitimer(signal.ITIMER_REAL, 0)
            except KeyboardInterrupt:
                interruptions += 1
            assert crew.arrivals[0] % 40 == 0, "a call ends before its interruption is raised"
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        gc.enable()
    assert interruptions > 0
    numbers[:] = 0
    crew.run(entry, 20, *addresses(crew, numbers))
    np.testing.assert_array_equal(numbers, relayed(2, 20))


FORK = """
import os, sys
from handloom.loom.native.team import Crew
crew, seen = Crew(2), []
crew.run(lambda me, threads: seen.append(me))
child = os.fork()
if not child:
    crew.run(lambda me, threads: seen.append(me))
    os._exit(0 if sorted(seen) == [0, 0, 1, 1] else 1)
crew.run(lambda me, threads: seen.append(me))
assert sorted(seen) == [0, 0, 1, 1]
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows does not fork")
def test_a_forked_process_has_a_crew_of_its_own() -> None:
    subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], check=True, timeout=60)
