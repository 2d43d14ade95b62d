"""Runs what a body emits on NumPy arrays, for each machine that this processor can be."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest

from handloom._typing import AnyArray
from handloom.loom.language import machine
from handloom.loom.language.machine import Machine
from handloom.loom.language.program import Program, Real
from handloom.loom.language.value import BYTE, DOUBLE, FLOAT, INT, INT32
from handloom.loom.native import jit

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


def native(machine: Machine, real: Real, body: Callable[..., None]) -> Callable[..., None]:
    """The function that body(e, *values) writes, of integers and then arrays.

    It is compiled when it is first called, for arrays of those dtypes.
    """
    ready: dict[tuple[str, ...], Callable[..., None]] = {}

    def call(*given: Any) -> None:
        kinds = tuple("" if isinstance(value, int) else value.dtype.name for value in given)
        if kinds not in ready:
            ready[kinds] = _compiled(machine, real, body, kinds)
        assert all(isinstance(value, int) or value.flags.c_contiguous for value in given)
        ready[kinds](*[v if isinstance(v, int) else v.ctypes.data for v in given])

    return call


def run(machine: Machine, real: Real, body: Callable[..., None], *arrays: AnyArray) -> None:
    """Emit body(e, *pointers), compile it, and call it on the arrays."""
    native(machine, real, body)(*arrays)


def _compiled(
    machine: Machine, real: Real, body: Callable[..., None], kinds: tuple[str, ...]
) -> Callable[..., None]:
    program = Program(machine, real)
    program.entry("run", body, **{f"p{i}": KINDS.get(kind) for i, kind in enumerate(kinds)})
    code = jit.compile_object(machine, str(program.module))
    address = jit.link(machine, code, f"emitted{next(_NAMES)}")("run")
    integers = kinds.count("")
    return jit.callable_at(address, integers=integers, pointers=len(kinds) - integers)
