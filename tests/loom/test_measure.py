"""A step with a clock in it does what it does without, and its times fit together."""

from __future__ import annotations

import numpy as np
import pytest

from handloom import nn, optim
from handloom.engines import TrainingSetup
from handloom.engines.loom.compile import compile_network
from handloom.loom.network.clock import BEGIN, END, TICKS
from handloom.loom.network.compiled import Compiled
from handloom.loom.network.measure import measure
from handloom.loom.pieces.gather import Pictures

SHAPE, BATCH, CLASSES = (1, 9, 9), 40, 3


def network(threads: int, *, timed: bool, hidden: int = 5) -> Compiled:
    rng = np.random.default_rng(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 2, rng=rng), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(64, hidden, rng=rng), nn.ReLU(), nn.Linear(hidden, CLASSES, rng=rng),
    )  # fmt: skip
    compiled = compile_network(
        model,
        TrainingSetup(
            nn.cross_entropy, optim.Momentum(model.named_parameters(), 0.1),
            batch_size=BATCH, threads=threads,
        ),
        input_shape=SHAPE, pictures=Pictures((1 / 255,), (0.0,)), timed=timed,
    )  # fmt: skip
    compiled.write({name: each.value for name, each in model.named_parameters().items()})
    return compiled


def pictures(count: int = 100) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, *SHAPE), np.uint8)


def train(compiled: Compiled, steps: int) -> np.ndarray:
    rng = np.random.default_rng(2)
    rows, labels = rng.integers(0, 100, steps * BATCH), rng.integers(0, CLASSES, steps * BATCH)
    settings = np.tile(np.float32(compiled.settings(0.1, 1, labels[:BATCH])), (steps, 1))
    how = compiled.request.pictures
    return compiled.train(pictures(), how, rows, labels, settings, 0, BATCH)


def test_a_clock_changes_no_bit() -> None:
    reports, weights = zip(
        *(
            (train(compiled, 3), compiled.read("4.weight"))
            for compiled in (network(2, timed=timed) for timed in (False, True))
        ),
        strict=True,
    )
    np.testing.assert_array_equal(*reports)
    np.testing.assert_array_equal(*weights)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_each_thread_notes_all_stages(threads: int) -> None:
    compiled = network(threads, timed=True)
    train(compiled, 2)
    native = compiled.program(compiled.request)
    clock = native.plan.clock
    assert clock is not None
    times = clock.read(native.work, threads)
    assert times.shape == (threads, len(clock.stages), 3)
    # Three groups of 16: each of up to three threads has one at least.
    assert (times[..., TICKS] > 0).all()
    assert (times[..., END] >= times[..., BEGIN]).all()
    # A thread's stages follow each other, but for those that it repeats for each of its groups.
    if threads == 3:
        assert (times[:, 1:, BEGIN] >= times[:, :-1, END]).all()


def test_phases_are_told_apart_by_meetings() -> None:
    compiled = network(2, timed=True)
    native = compiled.program(compiled.request)
    clock = native.plan.clock
    assert clock is not None
    train(compiled, 2)
    times = clock.read(native.work, 2)
    phases = np.array([phase for phase, _ in clock.stages])
    for phase in range(1, phases[-1]):
        ended = times[:, phases == phase, END].max()
        assert (times[:, phases == phase + 1, BEGIN] >= ended).all()


@pytest.mark.parametrize("threads", [1, 2])
def test_the_times_of_stages_are_within_those_of_the_step(threads: int) -> None:
    compiled = network(threads, timed=True)
    before = compiled.read("4.weight")
    timing = measure(compiled, pictures())
    assert len(timing.stages) == timing.spans.shape[1]
    assert 0 < timing.stages.sum() < 1.05 * timing.step, "the counter is matched with the clock"
    assert (timing.spans >= 0).all()
    np.testing.assert_array_equal(compiled.read("4.weight"), before, "nothing is learned")


def test_without_a_clock_there_is_nothing_to_read() -> None:
    with pytest.raises(AssertionError, match="timed=True"):
        measure(network(1, timed=False), pictures())
