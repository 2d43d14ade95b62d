"""The roof: what is measured, and what follows from it."""

from __future__ import annotations

import math

import pytest

from benchmarks import roofline
from benchmarks.contestants import Field
from benchmarks.job import Row
from benchmarks.roofline import Bandwidth, Roof, measure_roofs
from benchmarks.workloads import chosen

SLOW = Roof(1, 1e9, (Bandwidth(1000, 8e9), Bandwidth(100_000, 2e9)))


def test_bandwidth_lies_between_the_measured_sizes() -> None:
    assert SLOW.bandwidth(10_000) == pytest.approx(5e9)
    assert SLOW.bandwidth(10) == 8e9
    assert SLOW.bandwidth(10**9) == 2e9


def test_the_slower_of_computing_and_moving_counts() -> None:
    (workload,) = chosen(["W1"])
    assert SLOW.seconds(workload) == workload.operations() / 1e9
    quick = Roof(1, math.inf, SLOW.bandwidths)
    assert quick.seconds(workload) == pytest.approx(workload.traffic() / 2e9)


def test_a_roof_is_measured_for_each_count_of_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roofline, "PRODUCT_SIDES", (32, 64))
    monkeypatch.setattr(roofline, "TRIAD_BYTES", (12_000, 120_000))
    monkeypatch.setattr(roofline, "SECONDS", 0.002)
    said: list[str] = []
    roofs = measure_roofs(
        [Field(threads=2).contestant("numpy", Row("NumPy", threads)) for threads in (2, 1)],
        said.append,
    )
    assert list(roofs) == [1, 2]
    assert len(said) == 2
    for threads, roof in roofs.items():
        assert roof.threads == threads
        assert 1e6 < roof.operations_per_second < 1e14
        assert [bandwidth.size for bandwidth in roof.bandwidths] == [12_000, 120_000]
        assert all(1e6 < speed < 1e14 for _, speed in roof.bandwidths)
