"""What the compiler needs to know about the processor: its vectors and its registers."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import llvmlite.binding as llvm

from handloom.errors import ConfigError

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()

VARIABLE = "HANDLOOM_LOOM_TARGET"
"""The environment variable that makes the compiler write for less than the processor can."""


@dataclass(frozen=True)
class Machine:
    """A processor as a target: how wide its vectors are and how many registers hold them."""

    triple: str
    """LLVM's name for processor family, system and file format, "x86_64-unknown-linux-gnu"."""
    cpu: str
    features: str
    """What the processor can do beyond `cpu`, or cannot: "+fma,-avx512f"."""
    vector_bytes: int
    registers: int

    def lanes(self, real: str) -> int:
        """How many numbers of type `real` one vector holds."""
        return self.vector_bytes // {"float": 4, "double": 8}[real]

    def tile_rows(self, vectors: int) -> int:
        """Most rows of a register tile; the other registers hold one row of b and one of a."""
        return (self.registers - vectors - 1) // vectors

    @property
    def pause(self) -> str:
        """The instruction that tells the processor "this is a loop that waits"."""
        return "llvm.aarch64.isb" if _is_arm(self.triple) else "llvm.x86.sse2.pause"

    @property
    def give_way(self) -> tuple[str, *tuple[int, ...]]:
        """The C function, and its arguments, that leaves the processor to other threads."""
        return ("SwitchToThread",) if "windows" in self.triple else ("usleep", 1)

    @property
    def data_layout(self) -> str:
        """How numbers lie in memory and how names are written, in LLVM's spelling."""
        return str(self.target().target_data)

    def target(self) -> Any:
        """LLVM's own description of it, which writes the machine code."""
        return llvm.Target.from_triple(self.triple).create_target_machine(
            cpu=self.cpu, features=self.features, opt=2, reloc="pic", codemodel="small"
        )


def avx512(triple: str | None = None) -> Machine:
    """An x86 server since 2017, a desktop since Zen 4: 16 floats in each of 32 registers."""
    return Machine(triple or _process_triple(), "skylake-avx512", "-prefer-256-bit", 64, 32)


def avx2(triple: str | None = None) -> Machine:
    """Nearly any x86 since 2013: 8 floats in each of 16 registers, multiply and add in one."""
    return Machine(triple or _process_triple(), "haswell", "", 32, 16)


def sse2(triple: str | None = None) -> Machine:
    """Every 64-bit x86: 4 floats in each of 16 registers."""
    return Machine(triple or _process_triple(), "x86-64", "", 16, 16)


def neon(triple: str | None = None) -> Machine:
    """Every 64-bit Arm, Apple's included: 4 floats in each of 32 registers."""
    return Machine(triple or _process_triple(), "generic", "+neon", 16, 32)


_KINDS: dict[str, tuple[Callable[[], Machine], tuple[str, ...]]] = {
    "avx512": (avx512, ("avx512f", "avx512bw", "avx512dq", "avx512vl")),
    "avx2": (avx2, ("avx2", "fma", "bmi2")),
    "sse2": (sse2, ()),
}
"""The kinds of x86, the best first: how each is made, and what a processor must have for it."""


def host() -> Machine:
    """The processor that this process runs on, or the lesser one that the user asks for.

    Raises ConfigError where no code can be compiled for it, or where HANDLOOM_LOOM_TARGET names
    what it is not.
    """
    if reason := unsupported():
        raise ConfigError(f"{reason}; use engine = 'numpy'")
    kinds = kinds_here()
    if wanted := os.environ.get(VARIABLE):
        if wanted not in kinds:
            raise ConfigError(f"{VARIABLE} is '{wanted}', but can be {', '.join(kinds)} here")
        return kinds[wanted]()
    best = next(iter(kinds.values()))()
    able = llvm.get_host_cpu_features().flatten()
    features = ",".join(filter(None, (able, best.features)))
    return replace(best, cpu=llvm.get_host_cpu_name(), features=features)


def kinds_here() -> dict[str, Callable[[], Machine]]:
    """What code can be compiled for and run on this processor, the best first: how each is made."""
    if _is_arm(_process_triple()):
        return {"neon": neon}
    able = llvm.get_host_cpu_features()
    return {kind: make for kind, (make, needs) in _KINDS.items() if all(map(able.get, needs))}


def unsupported() -> str | None:
    """Why nothing can be compiled for this processor, as a clause; None where it can."""
    triple = _process_triple()
    if triple.startswith("x86_64") or _is_arm(triple):
        return None
    processor = triple.split("-")[0]
    return f"the loom compiles for 64-bit x86 and Arm processors, and this one is {processor}"


def _process_triple() -> str:
    """The triple of this process.

    On Windows with the file format of Linux: LLVM's loader of Windows' own format loses constants.
    """
    triple = llvm.get_process_triple()
    return f"{triple}-elf" if "windows" in triple else triple


def _is_arm(triple: str) -> bool:
    """Whether it is a 64-bit Arm with the usual order of bytes."""
    return triple.startswith(("aarch64-", "arm64"))
