"""A small stage: few pictures, no waiting for a quiet machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import quiet, stage
from benchmarks.contestants import Field
from benchmarks.ring import Ring
from benchmarks.workloads import chosen


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quiet, "PATIENCE", 0.0)
    monkeypatch.setattr(stage, "RANDOM_PICTURES", 2000)


@pytest.fixture
def ring(tmp_path: Path) -> Callable[..., Ring]:
    """Where a workload takes place, among `peers`, on one thread."""

    def make(name: str, peers: tuple[str, ...]) -> Ring:
        (workload,) = chosen([name])
        return Ring(workload, Field(threads=1, peers=peers), tmp_path, "random", None)

    return make
