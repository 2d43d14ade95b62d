"""The right answer, and who gives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.contestants import Contestant
from benchmarks.ring import Ring
from benchmarks.worker import WORKERS, WorkerError

RingOf = Callable[..., Ring]

WRONG = f"""
import sys
sys.path.insert(0, {str(WORKERS)!r})
from textbook_peer import Train
from shared import serve
class Wrong(Train):
    def __init__(self, job):
        super().__init__(job)
        job.optimizer.{{change}}
serve({{{{"train": Wrong}}}})
"""


def deviation(ring: Ring, row: Contestant) -> float:
    with ring.hire(row) as worker:
        ring.set_up(row, worker)
        return ring.deviation(row, worker)


@pytest.mark.parametrize(
    "name",
    [
        "W1", "W6-lenet-1000",
        # a process for each of both; a network or a size of batch that the others have
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("W2", "W4", "W6-mlp-1")),
    ],
)  # fmt: skip
def test_textbook_and_numpy_engine_give_the_same_answer(ring: RingOf, name: str) -> None:
    place = ring(name, ("numpy",))
    for row in (place.entrants.ours()[-1], *place.entrants.others()):
        assert deviation(place, row) < place.tolerance(row)


@pytest.mark.slow  # its process imports PyTorch
def test_pytorch_agrees_with_the_numpy_engine(ring: RingOf) -> None:
    pytest.importorskip("torch")
    place = ring("W4", ("torch",))
    row = place.entrants.ours()[-1]
    assert deviation(place, row) < place.tolerance(row) < 1e-2


@pytest.mark.slow  # its processes import scikit-learn
def test_whoever_has_only_relu_is_compared_with_relu(ring: RingOf) -> None:
    place = ring("W1", ("sklearn",))
    (row,) = place.entrants.others()
    assert row.relu_only
    assert deviation(place, row) < place.tolerance(row)
    with place.hire(row) as worker, pytest.raises(WorkerError, match="knows no leaky-relu"):
        place.set_up(replace(row, relu_only=False), worker)


@pytest.mark.parametrize(
    "change",
    [
        "update(lr=0.0101)",  # the smallest; each has a process of its own
        pytest.param("pop('weight_decay')", marks=pytest.mark.slow),
        pytest.param("update(momentum=0.8)", marks=pytest.mark.slow),
    ],
)
def test_another_step_is_far_from_it(ring: RingOf, tmp_path: Path, change: str) -> None:
    script = tmp_path / "wrong.py"
    script.write_text(WRONG.format(change=change))
    place = ring("W1", ("numpy",))
    row = Contestant("wrong", "numpy", str(script), 1)
    assert deviation(place, row) > 10 * place.tolerance(row)
