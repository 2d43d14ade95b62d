"""Which processor code is written for, and what code that is, for processors that are not here."""

from __future__ import annotations

import re
from collections.abc import Callable

import llvmlite.binding as llvm
import pytest

from handloom.errors import ConfigError
from handloom.loom.kernels.tile import product
from handloom.loom.language import machine, mathematics
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import Machine, avx2, avx512, neon, sse2
from handloom.loom.language.program import Program
from handloom.loom.language.value import INT, Pointer, Value
from handloom.loom.native import jit
from handloom.loom.native.team import Team

LINUX, MAC = "x86_64-unknown-linux-gnu", "x86_64-apple-darwin23"
WINDOWS, ARM_WINDOWS = "x86_64-pc-windows-msvc", "aarch64-pc-windows-msvc"
ARM_LINUX, ARM_MAC = "aarch64-unknown-linux-gnu", "arm64-apple-darwin23"
TARGETS = [
    avx512(LINUX), avx2(LINUX), sse2(LINUX), avx512(MAC), avx2(WINDOWS + "-elf"),
    neon(ARM_LINUX), neon(ARM_MAC), neon(ARM_WINDOWS + "-elf"),
]  # fmt: skip
UNROLL = 4

every_target = pytest.mark.parametrize("target", TARGETS, ids=lambda one: f"{one.cpu}-{one.triple}")


@pytest.fixture(scope="module", autouse=True)
def all_targets() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


def assembly(target: Machine, body: Callable[..., None]) -> str:
    """body(e, a, b, c), for three arrays of float, in the target's assembly."""
    program = Program(target)
    program.entry("run", body, a=program.real, b=program.real, c=program.real)
    return jit.compile_assembly(target, str(program.module))


def widest_loop(text: str) -> list[str]:
    """The instructions of the longest stretch between a label and a jump back to it."""
    lines = [line.strip() for line in text.splitlines()]
    labels = {m[1]: n for n, line in enumerate(lines) if (m := re.match(r"([.\w]+):", line))}
    loops = []
    for n, line in enumerate(lines):
        jump = re.match(r"(?:j|b\.|cbn?z|tbn?z)\w*\s.*?([.\w]+)$", line)
        if jump and labels.get(jump[1], n) < n:
            loops.append(lines[labels[jump[1]] + 1 : n])
    inner = [loop for loop in loops if not any(":" in line for line in loop if line[0] != "#")]
    return max(inner, key=len)


def count(lines: list[str], pattern: str) -> int:
    return sum(bool(re.search(pattern, line)) for line in lines)


def tile(target: Machine) -> tuple[int, list[str]]:
    """The largest tile of two vectors: its rows, and the loop of its product."""
    rows, lanes = target.tile_rows(2), target.lanes("float")

    def body(e: Emitter, a: Pointer, b: Pointer, c: Pointer) -> None:
        totals = product(
            e, a, 800, 1, b, 2 * lanes, 784, rows=rows, columns=(0, lanes), unroll=UNROLL
        )
        for i, total in enumerate(totals):
            c[i * lanes] = total

    return rows, widest_loop(assembly(target, body))


def test_avx512_multiplies_adds_and_repeats_a_number_in_one_instruction() -> None:
    rows, loop = tile(avx512(LINUX))
    products = 2 * rows * UNROLL
    assert rows == 14
    assert count(loop, r"vfmadd231ps\s.*%zmm") == products
    assert count(loop, r"\{1to16\}") + count(loop, "vbroadcastss") >= rows * UNROLL
    assert count(loop, "ymm|xmm") == 0, "512 bits at a time, though LLVM prefers 256 on some"
    assert count(loop, "rsp") == 0, "the sums stay in registers"


def test_avx2_multiplies_and_adds_in_one_instruction() -> None:
    rows, loop = tile(avx2(LINUX))
    assert rows == 6
    assert count(loop, r"vfmadd231ps\s.*%ymm") == 2 * rows * UNROLL
    assert count(loop, "vbroadcastss") == rows * UNROLL
    assert count(loop, "zmm|rsp") == 0


def test_sse2_multiplies_then_adds() -> None:
    rows, loop = tile(sse2(LINUX))
    assert count(loop, r"^mulps\s.*%xmm") == 2 * rows * UNROLL
    assert count(loop, r"^addps\s.*%xmm") == 2 * rows * UNROLL
    assert count(loop, "^v|fmadd|ymm") == 0


def test_neon_multiplies_and_adds_in_one_instruction() -> None:
    rows, loop = tile(neon(ARM_LINUX))
    assert rows == 14
    assert count(loop, r"^fmla\s+v\d+\.4s") == 2 * rows * UNROLL
    assert count(loop, r"\bsp\b") == 0


@every_target
def test_whatever_the_loom_writes_can_be_compiled(target: Machine) -> None:
    """Barriers, clocks, vectors that are turned, exp and log: for a processor that is not here."""

    def body(
        e: Emitter, me: Value, threads: Value, arrivals: Pointer, x: Pointer, y: Pointer
    ) -> None:
        team = Team(e, me, threads, arrivals)
        for i in team.share(100):
            rows = e.transpose([x.vector((i + row) * e.lanes) for row in range(e.lanes)])
            e.prefetch(x, i + 64)
            with e.when(i > 50):
                y[i * e.lanes] = mathematics.log(e, mathematics.tanh(e, rows[0]))
            y[i] = e.lane_sum(mathematics.exp(e, rows[1])) + e.sqrt(x[i])
        team.meet()
        arrivals[1] = e.ticks()

    program = Program(target)
    real = program.real
    program.entry("run", body, me=None, threads=None, arrivals=INT, x=real, y=real)
    text = str(program.module)
    code = jit.compile_object(target, text)
    calls = jit.compile_assembly(target, text)
    if "apple" in target.triple:
        assert code.startswith(b"\xcf\xfa\xed\xfe")
        assert "_run:" in calls, "a Mac writes an underscore before the names of C"
        assert "_usleep" in calls
    else:
        assert code.startswith(b"\x7fELF")
        assert "run:" in calls
        assert ("SwitchToThread" if "windows" in target.triple else "usleep") in calls
    assert ("isb" if "fmla" in calls else "pause") in calls
    assert ("CNTVCT" if "fmla" in calls else "rdtsc") in calls


def pretend(monkeypatch: pytest.MonkeyPatch, triple: str, *able: str) -> None:
    """Be on another machine."""
    features = llvm.FeatureMap({"cx8": True, "amx-tile": False, **dict.fromkeys(able, True)})
    monkeypatch.setattr(llvm, "get_process_triple", lambda: triple)
    monkeypatch.setattr(llvm, "get_host_cpu_features", lambda: features)
    monkeypatch.setattr(llvm, "get_host_cpu_name", lambda: "some-cpu")


AVX2 = ("sse2", "avx", "avx2", "fma", "bmi2")
AVX512 = (*AVX2, "avx512f", "avx512bw", "avx512dq", "avx512vl")


@pytest.mark.parametrize(
    ("triple", "able", "vector_bytes", "registers"),
    [
        (LINUX, AVX512, 64, 32),
        (LINUX, (*AVX2, "avx512f"), 32, 16),
        (WINDOWS, AVX2, 32, 16),
        (LINUX, ("sse2", "avx", "avx2"), 16, 16),
        (MAC, ("sse2",), 16, 16),
        (ARM_LINUX, ("neon",), 16, 32),
        (ARM_MAC, (), 16, 32),
    ],
)
def test_the_host_is_what_it_can_do(
    monkeypatch: pytest.MonkeyPatch,
    triple: str,
    able: tuple[str, ...],
    vector_bytes: int,
    registers: int,
) -> None:
    monkeypatch.delenv(machine.VARIABLE, raising=False)
    pretend(monkeypatch, triple, *able)
    host = machine.host()
    assert (host.vector_bytes, host.registers, host.cpu) == (vector_bytes, registers, "some-cpu")
    assert {"-amx-tile", "+cx8"} <= set(host.features.split(","))
    assert host.triple == (f"{triple}-elf" if "windows" in triple else triple)
    assert (host.lanes("float"), host.lanes("double")) == (vector_bytes // 4, vector_bytes // 8)


def test_a_lesser_machine_can_be_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, LINUX, *AVX512)
    for name, expected in {"avx512": avx512, "avx2": avx2, "sse2": sse2}.items():
        monkeypatch.setenv(machine.VARIABLE, name)
        assert machine.host() == expected(LINUX)
    monkeypatch.setenv(machine.VARIABLE, "")
    assert machine.host().cpu == "some-cpu"


@pytest.mark.parametrize(
    ("triple", "able", "asked", "choices"),
    [
        (LINUX, AVX2, "avx512", "avx2, sse2"),
        (LINUX, AVX512, "AVX", "avx512, avx2, sse2"),
        (ARM_MAC, (), "sse2", "neon"),
    ],
)
def test_what_a_machine_is_not_is_refused(
    monkeypatch: pytest.MonkeyPatch, triple: str, able: tuple[str, ...], asked: str, choices: str
) -> None:
    pretend(monkeypatch, triple, *able)
    monkeypatch.setenv(machine.VARIABLE, asked)
    with pytest.raises(ConfigError, match=f"is '{asked}', but can be {choices} here"):
        machine.host()


@pytest.mark.parametrize("triple", ["riscv64-unknown-linux-gnu", "i686-pc-windows-msvc"])
def test_other_processors_are_told_apart(monkeypatch: pytest.MonkeyPatch, triple: str) -> None:
    assert machine.unsupported() is None
    pretend(monkeypatch, triple)
    assert (machine.unsupported() or "").endswith(triple.split("-")[0])
    with pytest.raises(ConfigError, match="use engine = 'numpy'"):
        machine.host()
