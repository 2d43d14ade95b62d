"""The right answer, and who gives it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from benchmarks import worker
from benchmarks.contestants import Contestant
from benchmarks.job import Row
from benchmarks.ring import Ring
from benchmarks.worker import WorkerError

RingOf = Callable[..., Ring]

WRONG = """
from types import SimpleNamespace
from benchmarks.peers.__main__ import serve
from benchmarks.peers.numpy import Train
class Wrong(Train):
    def __init__(self, job):
        super().__init__(job)
        job.optimizer.{change}
serve(SimpleNamespace(TASKS={{"train": Wrong}}))
"""


def numpy_engine(ring: Ring) -> Contestant:
    return ring.entrants.contestant("ours", Row("numpy engine", 1, {"engine": "numpy"}))


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
    for row in (numpy_engine(place), place.entrants.contestant("numpy", Row("textbook", 1))):
        assert deviation(place, row) < place.tolerance(row)


@pytest.mark.slow  # its process imports PyTorch
def test_pytorch_agrees_with_the_numpy_engine(ring: RingOf) -> None:
    pytest.importorskip("torch")
    place = ring("W4", ("torch",))
    row = numpy_engine(place)
    assert deviation(place, row) < place.tolerance(row) < 1e-2


@pytest.mark.slow  # its processes import scikit-learn
def test_whoever_has_only_relu_is_compared_with_relu(ring: RingOf) -> None:
    place = ring("W1", ("sklearn",))
    row = place.entrants.contestant("sklearn", Row("scikit-learn", 1), relu_only=True)
    assert deviation(place, row) < place.tolerance(row)
    with place.hire(row) as process, pytest.raises(WorkerError, match="knows no leaky-relu"):
        place.set_up(replace(row, relu_only=False), process)


@pytest.mark.parametrize(
    "change",
    [
        "update(lr=0.0101)",  # the smallest; each has a process of its own
        pytest.param("pop('weight_decay')", marks=pytest.mark.slow),
        pytest.param("update(momentum=0.8)", marks=pytest.mark.slow),
    ],
)
def test_another_step_is_far_from_it(
    ring: RingOf, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = WRONG.format(change=change)
    place = ring("W1", ("numpy",))
    right = worker.program  # of the others, which say what is right
    monkeypatch.setattr(
        worker, "program", lambda name: ["-c", program] if name == "wrong" else right(name)
    )
    row = replace(place.entrants.contestant("numpy", Row("wrong", 1)), family="wrong")
    assert deviation(place, row) > 10 * place.tolerance(row)
