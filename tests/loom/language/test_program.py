"""A program writes each kernel once."""

from __future__ import annotations

import numpy as np
import pytest
from emitted import machines, run

from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import avx2
from handloom.loom.language.program import Program, kernel
from handloom.loom.language.value import BYTE, FLOAT, INT, Pointer, Value
from handloom.loom.native import jit

HOST = machines()[0]


@kernel
def add(e: Emitter, x: Pointer, count: Value, *, amount: float) -> None:
    """x[:count] += amount"""
    for i in e.range(count):
        x[i] = x[i] + amount


@kernel
def mark(e: Emitter, x: Pointer, *, value: int) -> None:
    """x[1] = value, in whatever x is made of."""
    x[1] = value


def kernels(program: Program) -> list[str]:
    return [f.name for f in program.module.functions if f.linkage == "internal"]


def test_a_kernel_is_written_once_for_each_set_of_constants() -> None:
    x = np.zeros(6)

    def body(e: Emitter, x: Pointer) -> None:
        add(e, x, 2, amount=1.0)
        add(e, x + 2, e.lift(3), amount=1.0)
        add(e, x, 6, amount=10.0)
        names.extend(kernels(e.program))

    names: list[str] = []
    run(HOST, "double", body, x)
    assert names == ["add.0", "add.1"]
    assert x.tolist() == [11, 11, 11, 11, 11, 10]


def test_a_kernel_is_written_once_for_each_kind_of_pointer() -> None:
    """The address of bytes and that of integers are the same to LLVM."""
    integers, bytes_, floats = np.zeros(3, np.int64), np.zeros(3, np.uint8), np.zeros(3)

    def body(e: Emitter, integers: Pointer, bytes_: Pointer, floats: Pointer) -> None:
        for x in (integers, bytes_, floats, integers + 1):
            mark(e, x, value=7)
        names.extend(kernels(e.program))

    names: list[str] = []
    run(HOST, "double", body, integers, bytes_, floats)
    assert len(names) == 3
    assert (integers.tolist(), bytes_.tolist(), floats.tolist()) == (
        [0, 7, 7],
        [0, 7, 0],
        [0, 7, 0],
    )


def test_tables_are_kept_once_and_end_in_zeros() -> None:
    n = HOST.lanes("float")
    found = np.ones((3, n), np.float32)

    def body(e: Emitter, found: Pointer) -> None:
        tables = [e.table(numbers) for numbers in ([-1.0, 5.0], [-2.0, 5.0], [-1.0, 5.0])]
        assert tables[0].ir is tables[2].ir
        for i, table in enumerate(tables):
            found[i * n] = table.vector()

    run(HOST, "float", body, found)
    assert found[:, :2].tolist() == [[-1, 5], [-2, 5], [-1, 5]]
    assert not found[:, 2:].any()


def test_a_program_says_for_which_machine_it_is() -> None:
    machine = avx2()
    text = str(Program(machine, "double").module)
    assert f'target triple = "{machine.triple}"' in text
    assert f'target datalayout = "{machine.data_layout}"' in text
    assert Program(machine, "double").lanes == 4
    assert Program(machine, "float").lanes == 8


def test_the_same_program_has_the_same_text() -> None:
    """So that what one process compiled is what another would."""

    def text() -> str:
        program = Program(HOST)

        def body(e: Emitter, x: Pointer, y: Pointer, bits: Pointer) -> None:
            add(e, x, 2, amount=1.0)
            y[0] = e.table([0.5, 0.25])[1] + e.convert(bits[0], "uitofp", e.real)

        program.entry("run", body, x=FLOAT, y=FLOAT, bits=BYTE)
        return str(program.module)

    assert text() == text()
    assert jit.compile_object(HOST, text()) == jit.compile_object(HOST, text())


def test_a_body_that_fails_leaves_its_own_error() -> None:
    def body(e: Emitter, x: Pointer) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Program(HOST).entry("run", body, x=INT)
