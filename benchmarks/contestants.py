"""Who takes part: the peers' rows, held to their threads and to the instructions allowed."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.job import Row
from handloom.engines import available_cores, check_threads
from handloom.errors import ConfigError

OURS, REFERENCE = "ours", "torch"
PEERS = tuple(
    sorted(
        path.stem
        for path in (Path(__file__).parent / "peers").glob("*.py")
        if not path.stem.startswith("_") and path.stem != OURS
    )
)
"""Everybody who is compared with ours: the modules of `peers`."""

ISAS = ("avx2",)


@dataclass(frozen=True)
class Contestant:
    """One implementation in one configuration: a row of the table; `family` is its module."""

    name: str
    family: str
    threads: int
    settings: dict[str, Any] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    interpreter: str = sys.executable
    relu_only: bool = False
    """Does a workload with ReLU in place of LeakyReLU."""
    kind: str = field(default="", compare=False)
    setup: float = field(default=0.0, compare=False)
    """As `job.Row` says."""

    @property
    def is_ours(self) -> bool:
        """Whether it is compared, or compared with."""
        return self.family == OURS


@dataclass(frozen=True)
class Field:
    """Who may take part, and with what: the options of a run. Raises ConfigError."""

    threads: int = field(default_factory=available_cores)
    peers: tuple[str, ...] = PEERS
    isa: str | None = None
    pythons: Mapping[str, str] = field(default_factory=dict)
    """Interpreters by peer; the others run under this one."""

    def __post_init__(self) -> None:
        known = ", ".join(PEERS)
        if unknown := set(self.peers) - set(PEERS):
            raise ConfigError(
                f"--peers: no peer is called {', '.join(sorted(unknown))}; there are {known}"
            )
        if unknown := self.pythons.keys() - {OURS, *PEERS}:
            raise ConfigError(
                f"--python: no peer is called {', '.join(sorted(unknown))}; there are {known}"
            )
        if self.isa is not None and self.isa not in ISAS:
            raise ConfigError(f"--isa {self.isa} is not known; there is {', '.join(ISAS)}")
        if self.threads < 1:
            raise ConfigError(f"threads are at least 1, got {self.threads}")
        check_threads(self.threads, "--threads")

    def thread_counts(self) -> tuple[int, ...]:
        """All threads, then one."""
        return (self.threads,) if self.threads == 1 else (self.threads, 1)

    def contestant(self, family: str, row: Row, *, relu_only: bool = False) -> Contestant:
        """The peer's row, in an environment that holds its libraries to its threads and our ISA."""
        held = {
            name: str(row.threads)
            for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
        }
        if self.isa == "avx2":
            held |= _avx2()
        return Contestant(
            row.name,
            family,
            row.threads,
            row.settings,
            {**held, **row.environment},
            self.pythons.get(family, sys.executable),
            relu_only,
            row.kind,
            row.setup,
        )

    def references(self, *, relu_only: bool) -> list[Contestant]:
        """Whose float64 all are compared with, then in how many ways its float32 is a yardstick.

        PyTorch, in both of its layouts; or else the numpy engine.
        """
        if REFERENCE in self.peers:
            torch = self.contestant(REFERENCE, Row("PyTorch", self.threads), relu_only=relu_only)
            return [torch, torch, replace(torch, settings={"channels_last": True})]
        row = Row("handloom numpy", self.threads, {"engine": "numpy"})
        numpy = self.contestant(OURS, row, relu_only=relu_only)
        return [numpy, numpy]


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
