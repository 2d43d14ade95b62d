"""The clock in a step: every stage is timed on every thread, and nothing else changes."""

from __future__ import annotations

import llvmlite.binding as llvm
import pytest

from handloom.loom.language import machine
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import Machine
from handloom.loom.language.program import Program
from handloom.loom.language.value import INT, Pointer

COUNTERS = {
    machine.avx2("x86_64-unknown-linux-gnu"): "rdtsc",
    machine.neon("aarch64-unknown-linux-gnu"): "CNTVCT_EL0",
    machine.neon("arm64-apple-darwin"): "CNTVCT_EL0",
}


@pytest.mark.parametrize("target", COUNTERS, ids=lambda target: target.triple)
def test_the_counter_is_one_that_every_program_may_read(target: Machine) -> None:
    def body(e: Emitter, ticks: Pointer) -> None:
        ticks[0] = e.ticks()

    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()
    program = Program(target)
    program.entry("run", body, ticks=INT)
    module = llvm.parse_assembly(str(program.module))
    assert COUNTERS[target] in target.target().emit_assembly(module)
