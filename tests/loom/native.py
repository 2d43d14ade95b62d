"""Compiles one function for a test, which then takes integers and NumPy arrays."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from llvmlite import ir

from handloom.loom import jit, machine
from handloom.loom.machine import Machine
from handloom.loom.program import Program, Real
from handloom.loom.value import BYTE, INT, INT32

DTYPES: dict[Real, type] = {"float": np.float32, "double": np.float64}
_KINDS: dict[Any, ir.Type] = {"i8": INT, "i4": INT32, "u1": BYTE}
_NAMES = itertools.count()

MACHINES = {
    kind: make()
    for kind, (make, needs) in machine._KINDS.items()
    if all(map(machine.llvm.get_host_cpu_features().get, needs))
} or {"host": machine.host()}
"""Each kind of machine that this processor can be."""
every_machine = pytest.mark.parametrize("machine", MACHINES.values(), ids=MACHINES)
both_reals = pytest.mark.parametrize("real", DTYPES)


def native(machine: Machine, real: Real, body: Callable[..., None]) -> Callable[..., None]:
    """The function whose code `body(e, *values)` writes, compiled when it is first called.

    It takes integers, then arrays; what the arrays of the first call are made of, is what it reads.
    """
    ready: list[Any] = []

    def call(*given: Any) -> None:
        integers = sum(isinstance(value, int) for value in given)
        arrays: list[Any] = list(given[integers:])
        assert all(array.flags.c_contiguous for array in arrays)
        kinds = [array.dtype.str[1:] for array in arrays]
        if not ready:
            ready.extend((kinds, *_compiled(machine, real, body, integers, kinds)))
        assert ready[0] == kinds
        ready[1](*given[:integers], *(array.ctypes.data for array in arrays))

    return call


def _compiled(
    machine: Machine, real: Real, body: Callable[..., None], integers: int, kinds: list[str]
) -> tuple[Callable[..., None], object]:
    """The native function, and what keeps its code alive."""
    program = Program(machine, real)
    parameters: dict[str, ir.Type | None] = {f"n{i}": None for i in range(integers)}
    for i, kind in enumerate(kinds):
        parameters[f"a{i}"] = _KINDS.get(kind, program.real)
    program.entry("run", body, **parameters)
    found = jit.link(
        machine, jit.compile_object(machine, str(program.module)), f"native{next(_NAMES)}"
    )
    return jit.callable_at(found("run"), integers=integers, pointers=len(kinds)), found
