"""What a contest comes to."""

from __future__ import annotations

import json

import pytest

from benchmarks.contest import Contest, Entry
from benchmarks.contestants import Contestant
from benchmarks.roofline import Bandwidth, Roof
from benchmarks.standing import Standing, ratio
from benchmarks.workloads import chosen

(WORKLOAD,) = chosen(["W1"])


def entry(name: str, family: str, threads: int, *microseconds: float) -> Entry:
    seconds = [1e-6 * us for us in microseconds]
    return Entry(Contestant(name, family, threads), "", 1e-7, seconds, seconds)


LOOM, SINGLE = entry("loom", "ours", 2, 500, 400, 900), entry("loom", "ours", 1, 1000)
TORCH, SLOW_TORCH = entry("torch", "torch", 2, 1500, 1600, 100), entry("torch", "torch", 2, 3000)
JAX, ABSENT = entry("jax", "jax", 2, 1250), Entry(Contestant("x", "sklearn", 2), error="no")
PEAK = WORKLOAD.operations() / 250e-6  # a step takes 250 µs at least on two threads
ROOFS = {2: Roof(2, PEAK, (Bandwidth(1, 1e15),)), 1: Roof(1, PEAK / 2, (Bandwidth(1, 1e15),))}
STANDING = Standing(
    Contest(WORKLOAD, "random", [SLOW_TORCH, ABSENT, LOOM, JAX, TORCH, SINGLE], 0), ROOFS
)


def test_the_best_of_each_kind_by_its_median() -> None:
    assert STANDING.ours is LOOM
    assert STANDING.torch is TORCH
    assert STANDING.peer is JAX
    assert ratio(STANDING.torch, STANDING.ours) == pytest.approx(3.0)
    assert ratio(STANDING.peer, STANDING.ours) == pytest.approx(2.5)
    assert STANDING.ranking[0] is LOOM
    assert STANDING.ranking[-1] is ABSENT


def test_a_roof_for_each_count_of_threads() -> None:
    assert STANDING.share_of_roof(LOOM) == pytest.approx(0.5)
    assert STANDING.share_of_roof(SINGLE) == pytest.approx(0.5)
    assert STANDING.share_of_roof(ABSENT) is None


def test_the_description_is_json() -> None:
    described = json.loads(json.dumps(STANDING.describe(), allow_nan=False))
    assert described["ours_to_torch"] == pytest.approx(3.0)
    assert [row["name"] for row in described["rows"]][:2] == ["loom", "loom"]
    assert described["rows"][-1]["us"] is None
    assert described["rows"][0]["images_per_s"] == pytest.approx(32 / 500e-6)


def test_nobody_was_timed() -> None:
    empty = Standing(Contest(WORKLOAD, "random", [ABSENT], 0), {})
    assert empty.ours is empty.torch is empty.peer is None
    assert empty.describe()["ours_to_torch"] is None
