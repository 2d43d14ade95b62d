"""What a run's bits depend on besides its recipe: versions, processor, threads, engine."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "numpy",
    "llvmlite",
    "scikit-learn",
    "opencv-python-headless",
    "safetensors",
    "pydantic",
    "torch",
)


def describe_environment(*, threads: int, engine: Sequence[str]) -> dict[str, Any]:
    """A JSON-ready account of this process's surroundings; `engine` tells which one, and why."""
    from threadpoolctl import threadpool_info

    from handloom import __version__

    return {
        "handloom": __version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "cpu": _cpu(),
        "threads": threads,
        "engine": list(engine),
        "packages": {name: _version(name) for name in PACKAGES},
        "blas": [
            {key: pool.get(key) for key in ("internal_api", "version", "architecture")}
            for pool in threadpool_info()
            if pool.get("user_api") == "blas"
        ],
        "command": [Path(sys.argv[0]).name, *sys.argv[1:]],
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu() -> str | None:
    """What LLVM calls the processor, which decides what the loom compiles; None without LLVM."""
    try:
        from handloom.loom.language.machine import host
    except ImportError:
        return None
    return host().cpu


def _processor() -> str:
    """The processor's name as its maker spells it, where the system tells."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"
