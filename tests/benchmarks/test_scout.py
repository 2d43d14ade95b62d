"""The search over PyTorch's configurations."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import pytest

from benchmarks import scout
from benchmarks.contestants import AS_IT_COMES, Contestant, Field, is_tuned
from benchmarks.ring import Ring
from benchmarks.workloads import chosen


class Paper:
    """A ring on which nobody works."""

    (workload,) = chosen(["W4"])


def times(ring: Ring, rows: Iterable[Contestant], seconds: float) -> list:
    """Fused, channels-last and more threads help, the tuned allocator hurts a little."""

    def seconds_of(row: Contestant) -> float:
        said = row.settings
        good = 2 * (said.get("optimizer") == "fused") + bool(said.get("channels_last"))
        return (10 - good + 0.1 * is_tuned(row) + bool(said.get("compile"))) / row.threads

    return [(seconds_of(row), row) for row in rows]


def test_the_best_of_each_kind_takes_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scout, "_tried", times)
    found = scout.torch_contestants(Paper(), Field(threads=2), 0.1)  # pyright: ignore[reportArgumentType]
    assert [(row.name, row.threads) for row in found] == [
        (AS_IT_COMES, 2),
        ("PyTorch eager, channels-last, fused", 2),
        ("PyTorch eager, channels-last, fused, tuned allocator", 2),
        ("PyTorch compiled, channels-last, fused", 2),
        ("PyTorch eager, channels-last, fused", 1),
    ]


def test_without_pytorch_one_row_says_so(ring: Callable[..., Ring], monkeypatch) -> None:
    monkeypatch.setattr(scout, "_tried", lambda ring, rows, seconds: [])
    field = Field(threads=2)
    assert [row.name for row in scout.torch_contestants(Paper(), field, 0.1)] == [AS_IT_COMES]  # pyright: ignore[reportArgumentType]
    assert scout.torch_contestants(Paper(), Field(peers=()), 0.1) == []  # pyright: ignore[reportArgumentType]


@pytest.mark.slow  # its processes import PyTorch
def test_configurations_are_really_tried(ring: Callable[..., Ring]) -> None:
    pytest.importorskip("torch")
    place = ring("W6-mlp-1", ("torch",))
    rows = [row for row in place.entrants.torch_eager(place.workload) if is_tuned(row)]
    ((seconds, row),) = scout._tried(place, rows, 0.005)
    assert 0 < seconds < 1
    assert row is rows[0]
