"""A contest: checked, then in turns."""

from __future__ import annotations

import time

import pytest

from benchmarks import worker
from benchmarks.contest import Rules, hold_contest
from benchmarks.contestants import Contestant, Field
from benchmarks.job import Row
from benchmarks.lineup import Lineup
from benchmarks.standing import Standing
from benchmarks.workloads import chosen

RULES = Rules(seconds=0.01, rounds=2, pictures="random")
WRONG = """
from benchmarks.peers import numpy as peer
from benchmarks.peers.__main__ import serve
class Wrong(peer.Linear):
    def backward(self, dy):
        dx = super().backward(dy)
        self.grads["bias"] *= 1.01
        return dx
peer.KINDS["linear"] = Wrong
serve(peer)
"""


def lineup(*rows: Contestant, peers: tuple[str, ...] = ()) -> Lineup:
    return Lineup(Field(threads=1, peers=peers), {"W2": list(rows)}, {}, [], {})


def contestant(family: str, name: str) -> Contestant:
    settings = {"engine": "numpy"} if family == "ours" else {}
    return Field(threads=1).contestant(family, Row(name, 1, settings, kind=name))


def test_everybody_has_as_many_turns() -> None:
    (workload,) = chosen(["W2"])
    both = lineup(contestant("ours", "ours"), contestant("numpy", "textbook"), peers=("numpy",))
    contest = hold_contest(workload, both, RULES, lambda _: None)
    assert contest.pictures.startswith("random bytes")
    assert [entry.contestant.name for entry in contest.entries] == ["ours", "textbook"]
    for entry in contest.entries:
        assert entry.error is None
        assert len(entry.seconds) == len(entry.cpu_seconds) == 2
        assert 0 < entry.median < 1


def test_where_time_runs_out_half_of_the_rounds_suffice() -> None:
    (workload,) = chosen(["W2"])
    rules = Rules(seconds=0.01, rounds=5, pictures="random")
    alone = lineup(contestant("ours", "ours"))
    contest = hold_contest(workload, alone, rules, lambda _: None, time.monotonic())
    assert [len(entry.seconds) for entry in contest.entries] == [3]


def test_a_wrong_step_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    real = worker.program
    monkeypatch.setattr(
        worker, "program", lambda family: ["-c", WRONG] if family == "numpy" else real(family)
    )
    monkeypatch.setattr(Contestant, "is_ours", True)
    (workload,) = chosen(["W2"])
    both = lineup(contestant("numpy", "wrong"), contestant("ours", "right"))
    contest = hold_contest(workload, both, RULES, lambda _: None)
    refused, right = contest.entries
    assert refused.is_wrong
    assert refused.seconds == []
    assert "not timed" in (refused.error or "")
    assert right.seconds
    standing = Standing(contest, {})
    assert standing.wrong == [refused]
    assert standing.ours is right
