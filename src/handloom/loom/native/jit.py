"""From LLVM IR to a function that Python can call."""

from __future__ import annotations

import ctypes
import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import llvmlite.binding as llvm

from handloom.loom.language.machine import Machine
from handloom.loom.native import cache

_LOADED: dict[str, Callable[[str], int]] = {}
"""What this process has loaded, by the cache's key."""
_ALIVE: list[Any] = []
"""A library's code is freed with its trackers, and an address may be used as long as we live."""
_ONE_AT_A_TIME = threading.Lock()
"""LLVM's options are the whole process's."""


def load(machine: Machine, request: object, write_ir: Callable[[], str]) -> Callable[[str], int]:
    """The program of `write_ir()`: a function from an entry's name to its address.

    It is compiled only where neither this process nor the cache has it. `request` is all that
    `write_ir` depends upon besides the sources of the loom, as `cache.key` takes it.
    """
    key = cache.key(machine, request)
    with _ONE_AT_A_TIME:
        if key not in _LOADED:
            code = cache.read(key)
            if code is None:
                with _no_garbage_collection():
                    text = write_ir()
                code = compile_object(machine, text)
                cache.write(key, code)
            _LOADED[key] = link(machine, code, key)
        return _LOADED[key]


def compile_object(machine: Machine, text: str) -> bytes:
    """The IR `text` as the bytes of an object file for `machine`."""
    module, target = _compiled(machine, text)
    with _in_written_order():
        return target.emit_object(module)


def compile_assembly(machine: Machine, text: str) -> str:
    """The IR `text` as assembly: what `compile_object` makes of it, for people."""
    module, target = _compiled(machine, text)
    with _in_written_order():
        return target.emit_assembly(module)


def link(machine: Machine, code: bytes, name: str) -> Callable[[str], int]:
    """Load an object file into this process; gives the address of each entry by its name."""
    compiler = llvm.create_lljit_compiler(machine.target())
    library = llvm.JITLibraryBuilder().add_object_img(code).add_current_process()
    _ALIVE.append((compiler, library.link(compiler, name)))

    def address(entry: str) -> int:
        tracker = compiler.lookup(name, entry)
        _ALIVE.append(tracker)
        return tracker[entry]

    return address


def callable_at(address: int, *, integers: int, pointers: int) -> Callable[..., None]:
    """A Python function; while native code runs, ctypes lets go of Python's lock."""
    kinds = [ctypes.c_int64] * integers + [ctypes.c_void_p] * pointers
    return ctypes.CFUNCTYPE(None, *kinds)(address)


def _compiled(machine: Machine, text: str) -> tuple[Any, Any]:
    """The module of `text`, ready to be written as machine code, and what writes it.

    The kernels are written by hand; of all that LLVM's optimiser does, only one thing makes them
    faster, by a tenth where registers are few: a loop's test at its end instead of its beginning.
    """
    target = machine.target()
    module = llvm.parse_assembly(text)
    module.verify()
    builder = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options())
    passes = llvm.create_new_function_pass_manager()
    passes.add_loop_rotate_pass()
    for function in module.functions:
        if not function.is_declaration:
            passes.run(function, builder)
    return module, target


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


@contextmanager
def _no_garbage_collection() -> Iterator[None]:
    """Instructions are no garbage; to look for it takes a third of the time of writing them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
