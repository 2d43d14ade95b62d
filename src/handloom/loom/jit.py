"""From LLVM IR to a function that Python can call."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import llvmlite.binding as llvm

from handloom.loom import cache
from handloom.loom.machine import Machine

_ALIVE: list[Any] = []
"""A library's code is freed with its tracker, and an address may be used as long as we live."""


def load(machine: Machine, request: object, write_ir: Callable[[], str]) -> Callable[[str], int]:
    """The program of `write_ir()` as a function name -> address, from the cache if it is there."""
    key = cache.key(machine, request)
    code = cache.read(key)
    if code is None:
        code = compile_object(machine, write_ir())
        cache.write(key, code)
    return link(machine, code, key)


def compile_object(machine: Machine, text: str) -> bytes:
    """The IR `text` as the bytes of an object file for `machine`."""
    target = _target(machine)
    module = llvm.parse_assembly(text)
    module.verify()
    _optimise(module, target)
    with _in_written_order():
        return target.emit_object(module)


@contextmanager
def _in_written_order() -> Iterator[None]:
    """Keep LLVM from moving instructions within a loop's body, for this process, for a while.

    Kernels are written in an order that fits the registers: a row of b, then one number of a after
    the other. LLVM's scheduler would rather load all numbers first, and then keeps sums in memory
    for want of registers; such a loop takes twice the time.
    """
    llvm.set_option("", "-enable-misched=false")
    try:
        yield
    finally:
        llvm.set_option("", "-enable-misched=true")


def link(machine: Machine, code: bytes, name: str) -> Callable[[str], int]:
    """Load an object file into this process; gives the address of each entry."""
    compiler = llvm.create_lljit_compiler(_target(machine))
    library = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
    for entry in ENTRIES:
        library.export_symbol(entry)
    tracker = library.link(compiler, name)
    _ALIVE.extend((compiler, tracker))
    return lambda entry: tracker[entry]


ENTRIES = ("run",)


def callable_at(address: int, *, integers: int, pointers: int) -> Callable[..., None]:
    """A Python function; while native code runs, ctypes lets go of Python's lock."""
    kinds = [ctypes.c_int64] * integers + [ctypes.c_void_p] * pointers
    return ctypes.CFUNCTYPE(None, *kinds)(address)


def _target(machine: Machine) -> Any:
    return llvm.Target.from_triple(machine.triple).create_target_machine(
        cpu=machine.cpu, features=machine.features, opt=2, reloc="pic", codemodel="small"
    )


def _optimise(module: Any, target: Any) -> None:
    """LLVM's usual passes, less those that would redo what the kernels already do by hand."""
    options = llvm.create_pipeline_tuning_options(speed_level=2)
    options.loop_vectorization = options.slp_vectorization = options.loop_unrolling = False
    builder = llvm.create_pass_builder(target, options)
    builder.getModulePassManager().run(module, builder)
