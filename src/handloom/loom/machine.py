"""What the compiler needs to know about the processor: its vectors and its registers."""

from __future__ import annotations

from dataclasses import dataclass

import llvmlite.binding as llvm

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()


@dataclass(frozen=True)
class Machine:
    """A processor as a target: how wide its vectors are and how many registers hold them."""

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    pause: str
    """The instruction that tells the processor "this is a loop that waits"."""
    give_way: str = "sched_yield"
    """The C function that offers the processor to other threads."""

    def lanes(self, real: str) -> int:
        """How many numbers of type `real` one vector holds."""
        return self.vector_bytes // {"float": 4, "double": 8}[real]

    def tile_rows(self, vectors: int) -> int:
        """Most rows of a register tile; the other registers hold one row of b and one of a."""
        return (self.registers - vectors - 1) // vectors


def host() -> Machine:
    """The processor that this process runs on."""
    features = llvm.get_host_cpu_features()
    triple = llvm.get_process_triple()
    if features.get("avx512f"):
        shape = 64, 32, "llvm.x86.sse2.pause"
    elif features.get("avx2"):
        shape = 32, 16, "llvm.x86.sse2.pause"
    elif triple.startswith(("aarch64", "arm64")):
        shape = 16, 32, "llvm.aarch64.isb"
    else:
        shape = 16, 16, "llvm.x86.sse2.pause"
    return Machine(triple, llvm.get_host_cpu_name(), features.flatten(), *shape)


def avx2() -> Machine:
    """A smaller processor than many hosts: the same networks compile for it."""
    features = "+avx2,+fma,+bmi,+bmi2,+popcnt,-avx512f"
    return Machine(llvm.get_process_triple(), "haswell", features, 32, 16, "llvm.x86.sse2.pause")
