"""A contest: checked, then in turns."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.contest import Rules, hold_contest
from benchmarks.contestants import Contestant, Field
from benchmarks.standing import Standing
from benchmarks.worker import WORKERS
from benchmarks.workloads import chosen

RULES = Rules(seconds=0.01, rounds=2, pictures="random")


def test_everybody_has_as_many_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    (workload,) = chosen(["W2"])
    monkeypatch.setattr(Field, "ours", lambda field: _numpy_engine(field))
    contest = hold_contest(workload, Field(threads=1, peers=("numpy",)), RULES, lambda _: None)
    assert contest.pictures.startswith("random bytes")
    assert [entry.contestant.name for entry in contest.entries] == ["ours", "NumPy textbook"]
    for entry in contest.entries:
        assert entry.error is None
        assert len(entry.seconds) == len(entry.cpu_seconds) == 2
        assert 0 < entry.median < 1


def test_a_wrong_step_is_not_timed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    script = tmp_path / "wrong.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(WORKERS)!r})\n"
        "import textbook_peer\n"
        "from shared import serve\n"
        "class Wrong(textbook_peer.Linear):\n"
        "    def backward(self, dy):\n"
        "        dx = super().backward(dy)\n"
        "        self.grads['bias'] *= 1.01\n"
        "        return dx\n"
        "textbook_peer.KINDS['linear'] = Wrong\n"
        "serve({'train': textbook_peer.Train})\n"
    )
    wrong = Contestant("wrong", "ours", str(script), 1)
    monkeypatch.setattr(Field, "ours", lambda field: [wrong, *_numpy_engine(field)])
    (workload,) = chosen(["W2"])
    contest = hold_contest(workload, Field(threads=1, peers=()), RULES, lambda _: None)
    refused, right = contest.entries
    assert refused.is_wrong
    assert refused.seconds == []
    assert "not timed" in (refused.error or "")
    assert right.seconds
    standing = Standing(contest, {})
    assert standing.wrong == [refused]
    assert standing.ours is right


def _numpy_engine(field: Field) -> list[Contestant]:
    return [field.equipped(Contestant("ours", "ours", "ours.py", 1, {"engine": "numpy"}))]
