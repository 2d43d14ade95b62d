"""How stages become a step: which run as one loop, where threads meet, when a training ends."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from harness import HOST
from networks import CLASSES, Training, examples

from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import Program
from handloom.loom.language.value import Pointer, Value
from handloom.loom.network.step import phases, write_stages
from handloom.loom.piece import Stage
from handloom.loom.pieces.gather import Pictures


def stage(title: str, **how: Any) -> Stage:
    return Stage(title, lambda step, *group: step.said.append((title, *map(kind, group))), **how)


def kind(value: Any) -> str:
    return type(value).__name__


def grouped(title: str, **how: Any) -> Stage:
    return stage(title, by_group=True, **how)


def shared(title: str, **how: Any) -> Stage:
    return stage(title, by_group=False, **how)


def titles(stages: list[Stage]) -> list[list[str]]:
    return [[stage.title for stage in phase] for phase in phases(stages)]


def test_neighbours_by_groups_are_one_loop() -> None:
    assert titles([grouped("a"), grouped("b"), shared("c"), grouped("d"), grouped("e")]) == [
        ["a", "b"], ["c"], ["d", "e"],
    ]  # fmt: skip
    assert titles([grouped("a"), grouped("b", meets=True), grouped("c")]) == [["a"], ["b", "c"]]
    assert titles([shared("a"), shared("b")]) == [["a"], ["b"]]
    assert titles([]) == []


@pytest.mark.parametrize(
    ("stages", "said"),
    [
        ([grouped("a"), grouped("b")], ["a", "b"]),
        ([grouped("a"), grouped("b", meets=True)], ["a", "meet", "b"]),
        ([grouped("a"), shared("b")], ["a", "meet", "b"]),
        ([shared("a"), grouped("b")], ["a", "meet", "b"]),
        ([shared("a"), shared("b")], ["a", "b"]),
        ([shared("a"), shared("b", meets=True), shared("c")], ["a", "meet", "b", "c"]),
        ([shared("a", meets=True)], ["a"]),
        ([], []),
    ],
)
def test_threads_meet_where_one_needs_what_others_did(stages: Any, said: list[str]) -> None:
    log: list[Any] = []
    found: list[int] = []

    def body(e: Emitter, numbers: Pointer) -> None:
        def share(count: int) -> Any:
            found.append(count)
            return e.range(count)

        team = SimpleNamespace(share=share, meet=lambda: log.append(("meet",)))
        step: Any = SimpleNamespace(e=e, team=team, said=log)
        plan: Any = SimpleNamespace(clock=None, sizes=SimpleNamespace(groups=7))
        write_stages(step, plan, stages)

    program = Program(HOST, "float")
    program.entry("run", body, numbers=program.real)
    assert [title for title, *_ in log] == said
    assert all(group == [Value.__name__] for title, *group in log if title in "b" and group)
    assert set(found) <= {7}, "shared out by groups"


@pytest.mark.parametrize("count", [1, 15, 16, 17, 33])
def test_as_many_steps_as_there_are_batches(count: int) -> None:
    training = Training("mlp", dtype=np.float32)
    x, labels = examples("mlp", count)
    reports = training.train(x, labels)
    assert len(reports) == -(-count // 16)
    assert np.isfinite(reports).all()


def test_without_examples_nothing_happens() -> None:
    training = Training("mlp", dtype=np.float32)
    before = training.compiled.parameters.copy()
    x, labels = examples("mlp", 0)
    how, rows, settings = Pictures(), np.arange(0), np.zeros((0, 4), np.float32)
    assert training.compiled.train(x, how, rows, labels, settings, 0, 16).shape == (0, 3)
    np.testing.assert_array_equal(training.compiled.parameters, before)


def test_a_short_batch_leaves_nothing_behind() -> None:
    """What a long batch wrote beyond the short one's end is no part of the next steps."""
    one, other = (Training("residual", dtype=np.float32) for _ in range(2))
    x, labels = examples("residual", 16 + 3)
    y, more = examples("residual", 16, seed=1)
    other.train(y * 100, more)
    for name, array in one.arrays():
        if "state" not in name:
            other.compiled.write({name: array})
        else:
            other.compiled.write({name.split(",")[0]: array}, 0)
    other.done, other.optimizer.steps = 0, 0
    np.testing.assert_array_equal(other.train(x[16:], labels[16:]), one.train(x[16:], labels[16:]))
    np.testing.assert_array_equal(other.train(x, labels), one.train(x, labels))
    for (name, a), (_, b) in zip(one.arrays(), other.arrays(), strict=True):
        np.testing.assert_array_equal(a, b, err_msg=name)


def test_prediction_takes_any_number_of_pictures() -> None:
    compiled = Training("mlp", dtype=np.float32, threads=3).compiled
    x, _ = examples("mlp", 70)
    right = compiled.predict(x, Pictures(), 32)
    assert right.shape == (70, CLASSES)
    for count in (0, 1, 31, 32, 33, 64, 65):
        np.testing.assert_array_equal(compiled.predict(x[:count], Pictures(), 32), right[:count])
