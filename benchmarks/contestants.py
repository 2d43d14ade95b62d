"""Who takes part: ours, and the peers in every configuration worth a row."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, Literal

import numpy as np

from benchmarks.workloads import Workload
from handloom.engines import available_cores, check_threads
from handloom.errors import ConfigError

Family = Literal["ours", "torch", "jax", "sklearn", "numpy"]
PEERS: tuple[Family, ...] = ("torch", "jax", "sklearn", "numpy")
ISAS = ("avx2",)

TUNED_ALLOCATOR = {
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),  # the largest that glibc takes
    "MALLOC_TRIM_THRESHOLD_": str(4 << 30),
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""glibc keeps freed memory instead of giving it back: no page faults for every new tensor."""


AS_IT_COMES = "PyTorch as it comes"
"""With no option set."""


@dataclass(frozen=True)
class Contestant:
    """One implementation in one configuration: a row of the table."""

    name: str
    family: Family
    script: str
    threads: int
    settings: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    interpreter: str = sys.executable
    relu_only: bool = False
    """Does a workload with ReLU in place of LeakyReLU."""

    @property
    def is_ours(self) -> bool:
        """Whether it is compared, or compared with."""
        return self.family == "ours"


@dataclass(frozen=True)
class Field:
    """Who may take part, and with what: the options of a run."""

    threads: int = field(default_factory=available_cores)
    peers: tuple[str, ...] = PEERS
    isa: str | None = None
    jax_python: str = sys.executable

    def __post_init__(self) -> None:
        if unknown := set(self.peers) - set(PEERS):
            raise ConfigError(
                f"no peer is called {', '.join(sorted(unknown))}; there are {', '.join(PEERS)}"
            )
        if self.isa is not None and self.isa not in ISAS:
            raise ConfigError(f"--isa {self.isa} is not known; there is {', '.join(ISAS)}")
        if self.threads < 1:
            raise ConfigError(f"threads are at least 1, got {self.threads}")
        check_threads(self.threads, "--threads")

    def thread_counts(self) -> tuple[int, ...]:
        """All threads, then one."""
        return (self.threads,) if self.threads == 1 else (self.threads, 1)

    def ours(self) -> list[Contestant]:
        """The loom on all threads and on one, and the numpy engine."""
        rows = [
            Contestant("handloom loom", "ours", "ours.py", threads, {"engine": "loom"})
            for threads in self.thread_counts()
        ]
        numpy = Contestant("handloom numpy", "ours", "ours.py", self.threads, {"engine": "numpy"})
        return [self.equipped(row) for row in (*rows, numpy)]

    def others(self) -> list[Contestant]:
        """The peers that have one configuration."""
        rows = (
            Contestant("JAX jit", "jax", "jax_peer.py", self.threads, interpreter=self.jax_python),
            Contestant("scikit-learn", "sklearn", "sklearn_peer.py", self.threads, relu_only=True),
            Contestant("NumPy textbook", "numpy", "textbook_peer.py", self.threads),
        )
        return [self.equipped(row) for row in rows if row.family in self.peers]

    def torch_eager(self, workload: Workload) -> list[Contestant]:
        """PyTorch without its compiler, in all combinations of its options."""
        return list(self._torch_rows(workload, ({},)))

    def torch_compiled(self, workload: Workload) -> list[Contestant]:
        """PyTorch with its compilers, which take long: with the fused optimizer only."""
        kinds = [{"compile": True}]
        if workload.task == "predict":
            kinds.append({"trace": True})
        rows = self._torch_rows(workload, kinds)
        return [row for row in rows if row.settings.get("optimizer", "fused") == "fused"]

    def roofers(self) -> list[Contestant]:
        """Who may show what the machine can do."""
        rows = [
            row
            for threads in self.thread_counts()
            for row in (
                Contestant("our roof", "ours", "ours.py", threads),
                Contestant("NumPy's roof", "numpy", "textbook_peer.py", threads),
                Contestant("PyTorch's roof", "torch", "torch_peer.py", threads),
            )
        ]
        return [self.equipped(row) for row in rows if row.family != "torch" or self.has_torch]

    @property
    def has_torch(self) -> bool:
        """Whether PyTorch is wanted."""
        return "torch" in self.peers

    def references(self, *, relu_only: bool) -> list[Contestant]:
        """Whose float64 all are compared with, then in how many ways its float32 is a yardstick.

        PyTorch, in both of its layouts; or else the numpy engine.
        """
        torch = Contestant("PyTorch", "torch", "torch_peer.py", self.threads, relu_only=relu_only)
        if self.has_torch:
            return [torch, torch, replace(torch, settings={"channels_last": True})]
        numpy = replace(self.ours()[-1], relu_only=relu_only)
        return [numpy, numpy]

    def equipped(self, row: Contestant) -> Contestant:
        """The row with the environment that holds its libraries to its threads and our ISA."""
        held = {
            name: str(row.threads)
            for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        }
        if self.isa == "avx2":
            held |= _avx2()
        return replace(row, environment={**held, **row.environment})

    def _torch_rows(
        self, workload: Workload, kinds: Sequence[dict[str, Any]]
    ) -> Iterator[Contestant]:
        has_channels = any(spec["layer"] == "conv2d" for spec in workload.layers)
        layouts = ({"channels_last": True}, {}) if has_channels else ({},)
        trains = workload.task == "train"
        optimizers = [{"optimizer": kind} for kind in ("fused", "foreach", "default")]
        for kind, layout, optimizer, threads, allocator in product(
            kinds,
            layouts,
            optimizers if trains else ({},),
            self.thread_counts(),
            (TUNED_ALLOCATOR, {}),
        ):
            settings = {**kind, **layout, **optimizer}
            row = Contestant("", "torch", "torch_peer.py", threads, settings, dict(allocator))
            yield self.equipped(replace(row, name=_torch_name(row)))


def _torch_name(row: Contestant) -> str:
    said = row.settings
    how = "compiled" if said.get("compile") else "traced" if said.get("trace") else "eager"
    words = [f"PyTorch {how}"]
    if said.get("channels_last"):
        words.append("channels-last")
    if (optimizer := said.get("optimizer", "default")) != "default":
        words.append(optimizer)
    if is_tuned(row):
        words.append("tuned allocator")
    name = ", ".join(words)
    return AS_IT_COMES if name == "PyTorch eager" else name


def is_tuned(row: Contestant) -> bool:
    """Whether it runs with the tuned allocator."""
    return TUNED_ALLOCATOR.items() <= row.environment.items()


def _avx2() -> dict[str, str]:
    """Every library's own way of being told to do without AVX-512."""
    return {
        "HANDLOOM_LOOM_TARGET": "avx2",
        "ATEN_CPU_CAPABILITY": "avx2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
        "NPY_DISABLE_CPU_FEATURES": _wide_numpy_features(),
    }


def _wide_numpy_features() -> str:
    """What NumPy would use beyond AVX2 here, by its own names for it."""
    found = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    return " ".join(name for name in found if "AVX512" in name or name == "X86_V4")
