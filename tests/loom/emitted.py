"""Runs what a body emits on NumPy arrays, for each machine that this processor can be."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from handloom._typing import AnyArray
from handloom.loom import jit, machine
from handloom.loom.machine import Machine
from handloom.loom.program import Program, Real
from handloom.loom.value import BYTE, DOUBLE, FLOAT, INT, INT32

KINDS = {"float32": FLOAT, "float64": DOUBLE, "int64": INT, "int32": INT32, "uint8": BYTE}
DTYPES: dict[Real, type] = {"float": np.float32, "double": np.float64}
_NAMES = itertools.count()


@cache
def machines() -> list[Machine]:
    """The host as it is, and the lesser machines that it can be as well."""
    host = machine.host()
    lesser = {"avx512": [machine.avx2, machine.sse2], "avx2": [machine.sse2]}
    width = {64: "avx512", 32: "avx2", 16: ""}[host.vector_bytes]
    return [host, *(make() for make in lesser.get(width, []))]


every_machine = pytest.mark.parametrize("machine", machines(), ids=lambda one: one.cpu)
both_reals = pytest.mark.parametrize("real", ["float", "double"])


def run(machine: Machine, real: Real, body: Callable[..., None], *arrays: AnyArray) -> None:
    """Emit body(e, *pointers), compile it, and call it on the arrays."""
    program = Program(machine, real)
    parameters = {f"p{i}": KINDS[array.dtype.name] for i, array in enumerate(arrays)}
    program.entry("run", body, **parameters)
    code = jit.compile_object(machine, str(program.module))
    address = jit.link(machine, code, f"emitted{next(_NAMES)}")("run")
    call = jit.callable_at(address, integers=0, pointers=len(arrays))
    call(*[array.ctypes.data for array in arrays])
