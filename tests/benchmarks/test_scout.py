"""The search over configurations: the quickest of a kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from benchmarks import scout
from benchmarks.contestants import Contestant
from benchmarks.ring import Ring
from benchmarks.worker import WorkerError
from benchmarks.workloads import chosen


def contestant(name: str, kind: str, threads: int = 1, **settings: Any) -> Contestant:
    return Contestant(name, "torch", threads, settings, kind=kind)


ROWS = [
    contestant("as it comes", "as it comes", speed=1),
    contestant("as it comes", "eager", speed=1),
    contestant("fused", "eager", speed=3),
    contestant("foreach", "eager", speed=2),
    contestant("compiled", "compiled", speed=0),
    contestant("compiled, fused", "compiled", speed=0),
]


@pytest.fixture
def speeds(monkeypatch: pytest.MonkeyPatch, ring: Callable[..., Ring]) -> Ring:
    """Nobody works: a row takes 1 / speed seconds, and no speed is a failure."""

    def seconds(ring: Ring, row: Contestant, *_: object) -> float:
        if not row.settings["speed"]:
            raise WorkerError("no compiler")
        return 1 / row.settings["speed"]

    monkeypatch.setattr(scout, "_seconds", seconds)
    monkeypatch.setattr(scout.Ring, "hire", lambda *_: scout.ExitStack())
    return ring("W2", ())


def names(found: list[Contestant]) -> list[str]:
    return [row.name for row in found]


def test_the_quickest_of_each_kind_takes_part(speeds: Ring) -> None:
    tried: list[str] = []
    assert names(scout.choose(speeds, ROWS, 0.1, tried.append)) == ["as it comes", "fused"]
    assert len(tried) == 5  # a kind of one row is not tried


def test_the_same_row_takes_part_once(speeds: Ring) -> None:
    slow = [row for row in ROWS if row.name != "fused" and row.name != "foreach"]
    assert names(scout.choose(speeds, slow, 0.1, lambda _: None)) == ["as it comes"]


def test_pytorch_offers_every_combination() -> None:
    pytest.importorskip("torch")
    from benchmarks.peers.torch import AS_IT_COMES, rows

    mlp, lenet, predict = chosen(["W1", "W4", "W6-lenet-1"])
    counts = {}
    for workload in (mlp, lenet, predict):
        offered = rows(workload.task, workload.layers, (2, 1))
        eager = [
            r for r in offered[1:] if "compile" not in r.settings and "trace" not in r.settings
        ]
        counts[workload.name] = len(eager)
        assert (offered[0].name, offered[0].threads, offered[0].environment) == (AS_IT_COMES, 2, {})
        assert {r.kind for r in eager} == {"eager", "tuned", "1 threads"}
        assert {r.settings.get("optimizer", "fused") for r in offered if r.kind == "compiled"} == {
            "fused"
        }
    # optimizers, threads, allocators; and layouts; no optimizer, but layouts
    assert counts == {"W1": 3 * 2 * 2, "W4": 2 * 3 * 2 * 2, "W6-lenet-1": 2 * 2 * 2}
    assert any(r.settings.get("trace") for r in rows(predict.task, predict.layers, (1,)))
