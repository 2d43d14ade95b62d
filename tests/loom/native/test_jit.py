"""From text to functions: compiled once, found again, whole or not at all."""

from __future__ import annotations

import gc
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import host
from handloom.loom.language.program import Program
from handloom.loom.language.value import INT, Pointer
from handloom.loom.native import cache, jit

HOST = host()


@pytest.fixture(autouse=True)
def another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing loaded, and a cache of its own."""
    monkeypatch.setenv("HANDLOOM_CACHE", str(tmp_path))
    monkeypatch.setattr(jit, "_LOADED", {})


class Writer:
    """Writes a program whose entries add 1 and `amount` to a number; counts how often."""

    def __init__(self, amount: int) -> None:
        self.amount = amount
        self.calls = 0
        self.collects_garbage = True

    def __call__(self) -> str:
        self.calls += 1
        self.collects_garbage = gc.isenabled()
        program = Program(HOST)
        for name, amount in (("one", 1), ("many", self.amount)):

            def body(e: Emitter, number: Pointer, amount: int = amount) -> None:
                number[0] = number[0] + amount

            program.entry(name, body, number=INT)
        return str(program.module)


def added(address: Callable[[str], int], entry: str) -> int:
    number = np.zeros(1, np.int64)
    jit.callable_at(address(entry), integers=0, pointers=1)(number.ctypes.data)
    return int(number[0])


def test_entries_are_found_by_name() -> None:
    address = jit.load(HOST, "adder", Writer(5))
    assert (added(address, "one"), added(address, "many"), added(address, "one")) == (1, 5, 1)
    with pytest.raises(RuntimeError, match="Symbols not found"):
        address("none")


def test_a_program_is_written_once_in_a_process() -> None:
    first, second = Writer(5), Writer(5)
    found = jit.load(HOST, ("adder", 5), first)
    assert jit.load(HOST, ("adder", 5), second) is found
    assert (first.calls, second.calls) == (1, 0)
    assert added(jit.load(HOST, ("adder", 6), Writer(6)), "many") == 6


def test_threads_that_want_the_same_program_get_the_same() -> None:
    writer = Writer(5)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: jit.load(HOST, "adder", writer), range(8)))
    assert writer.calls == 1
    assert len({id(address) for address in found}) == 1


def test_the_next_process_finds_it_in_the_cache() -> None:
    jit.load(HOST, "adder", Writer(5))
    jit._LOADED.clear()
    second = Writer(5)
    assert added(jit.load(HOST, "adder", second), "many") == 5
    assert second.calls == 0
    assert [entry.path.suffix for entry in cache.entries()] == [".o"]


def test_a_damaged_program_is_compiled_anew() -> None:
    jit.load(HOST, "adder", Writer(5))
    jit._LOADED.clear()
    (entry,) = cache.entries()
    entry.path.write_bytes(entry.path.read_bytes()[:-100] + bytes(100))
    second, third = Writer(5), Writer(5)
    assert added(jit.load(HOST, "adder", second), "many") == 5
    jit._LOADED.clear()
    assert added(jit.load(HOST, "adder", third), "many") == 5
    assert (second.calls, third.calls) == (1, 0)


def test_without_a_cache_programs_run_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "unusable", lambda: "there is no disk")
    assert added(jit.load(HOST, "adder", Writer(5)), "many") == 5
    jit._LOADED.clear()
    second = Writer(7)
    assert added(jit.load(HOST, "adder", second), "many") == 7


def test_an_address_outlives_everything_that_led_to_it() -> None:
    code = jit.compile_object(HOST, Writer(9)())
    addresses = [jit.link(HOST, code, "outlives")("many") for _ in range(20)]
    gc.collect()
    for address in addresses:
        assert added(lambda _, address=address: address, "") == 9


def test_garbage_is_collected_again_after_writing() -> None:
    writer = Writer(1)
    jit.load(HOST, "adder", writer)
    assert not writer.collects_garbage
    assert gc.isenabled()

    def fail() -> str:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        jit.load(HOST, "failure", fail)
    assert gc.isenabled()


def test_what_is_no_program_is_refused() -> None:
    with pytest.raises(RuntimeError, match="expected"):
        jit.compile_object(HOST, "this is no program")
    wrong = f'target triple = "{HOST.triple}"\ndefine void @run() {{ store i64 %x, ptr null }}'
    with pytest.raises(RuntimeError):
        jit.compile_object(HOST, wrong)
