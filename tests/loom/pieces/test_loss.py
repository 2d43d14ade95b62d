"""Cross-entropy of softmax, its errors and hits, against the textbook's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from covering import covering
from emitted import DTYPES, native
from harness import AVX2, HOST, PLAIN

from handloom import nn
from handloom._typing import AnyArray
from handloom.loom.arena import Arena
from handloom.loom.kernels.activation import Activation, LeakyReLU
from handloom.loom.kernels.optimizer import SETTINGS, WEIGHT_TOTAL
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import Machine
from handloom.loom.language.program import Real
from handloom.loom.language.value import Pointer, Value
from handloom.loom.native.team import Team
from handloom.loom.piece import Step
from handloom.loom.pieces.loss import CrossEntropy, LossPiece
from handloom.loom.tensor import Sizes, Tensor

GROUP = 4
Run = Callable[[AnyArray, AnyArray], tuple[float, int, AnyArray]]


def compiled(
    classes: int,
    loss: CrossEntropy,
    *,
    machine: Machine = HOST,
    real: Real = "double",
    batch: int = 9,
    ends: Activation = PLAIN,
) -> Run:
    """scores (N, C), labels (N,) -> mean loss, hits, errors (N, C), with N up to `batch`."""
    lanes = machine.lanes(real)
    row = -(-classes // lanes) * lanes + lanes
    sizes = Sizes(machine, lanes, batch, GROUP, GROUP, row, training=True)
    arena = Arena(DTYPES[real])
    scores = Tensor((classes,), sizes, needs_errors=True)
    scores.activation = ends
    piece = LossPiece(loss, scores)
    scores.allocate(arena)
    piece.allocate(arena)
    arena.close(0)
    work = arena.work_memory(1)

    def body(
        e: Emitter, count: Value, labels: Pointer, settings: Pointer, work: Pointer, found: Pointer
    ) -> None:
        team = Team(e, e.lift(0), e.lift(1), labels)
        step = Step(e, team, arena, work, work, settings, count, e.lift(0))
        stage = piece.stage(lambda step, i: labels[i])
        for group in e.range(sizes.groups):
            stage.emit(step, group)
        found[0], found[1] = piece.total(step)

    def run(z: AnyArray, labels: AnyArray) -> tuple[float, int, AnyArray]:
        table = scores.values.of(work).reshape(-1, row)
        table[:] = 3e4  # scores of examples, and of classes, that are not there
        table[: len(z), :classes] = z
        errors = scores.errors.of(work).reshape(-1, row)
        errors[:, :classes] = np.nan
        settings = np.zeros(SETTINGS, work.dtype)
        settings[WEIGHT_TOTAL] = loss.weight_total(labels)
        found = np.zeros(2, work.dtype)
        function(len(z), np.ascontiguousarray(labels, np.int64), settings, work, found)
        assert not errors[len(z) :].any(), "examples that are not there have no errors"
        assert not errors[:, classes:].any(), "nor have classes"
        return float(found[0]), int(found[1]), errors[: len(z), :classes].copy()

    function = native(machine, real, body)
    return run


@covering(
    classes={str(classes): classes for classes in (2, 3, 8, 10, 17)},
    smoothing={str(smoothing): smoothing for smoothing in (0.0, 0.1, 1.0)},
    weighted={"equal": False, "weighted": True},
    machine={"host": HOST, "avx2": AVX2},
)
def test_the_textbooks_cross_entropy(
    machine: Machine, classes: int, smoothing: float, weighted: bool, rng: np.random.Generator
) -> None:
    weights = rng.uniform(0.1, 3, classes) if weighted else None
    told = CrossEntropy(smoothing, tuple(weights.tolist()) if weights is not None else None)
    run = compiled(classes, told, machine=machine)
    for count, size in ((9, 1.0), (4, 100.0), (1, 1e-3), (7, 3e4)):
        z = rng.normal(0, size, (count, classes))
        z[0] = 7.0  # all equal: the first class counts as the answer
        labels = rng.integers(0, classes, count)
        value, gradient = nn.cross_entropy(
            z, labels, label_smoothing=smoothing, class_weights=weights
        )
        loss, hits, errors = run(z, labels)
        np.testing.assert_allclose(loss, value, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(errors, gradient, rtol=1e-12, atol=1e-12)
        assert hits == (z.argmax(axis=1) == labels).sum()


def test_in_float32(rng: np.random.Generator) -> None:
    run = compiled(10, CrossEntropy(0.1), real="float")
    z, labels = rng.normal(0, 5, (9, 10)).astype(np.float32), rng.integers(0, 10, 9)
    value, gradient = nn.cross_entropy(z.astype(float), labels, label_smoothing=0.1)
    loss, _, errors = run(z, labels)
    np.testing.assert_allclose(loss, value, rtol=1e-6)
    np.testing.assert_allclose(errors, gradient, atol=2e-7)


def test_the_slope_of_what_the_scores_end_in(rng: np.random.Generator) -> None:
    run = compiled(10, CrossEntropy(), ends=LeakyReLU(0.3))
    z, labels = rng.normal(size=(9, 10)), rng.integers(0, 10, 9)
    errors = run(z, labels)[2]
    right = nn.cross_entropy(z, labels)[1] * np.where(z > 0, 1, 0.3)
    np.testing.assert_allclose(errors, right, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("at", [0, 3, 9])
def test_a_score_that_is_not_finite_shows_in_the_loss(
    bad: float, at: int, rng: np.random.Generator
) -> None:
    """As it does in the textbook's, whichever class is right."""
    run = compiled(10, CrossEntropy(0.1), real="float")
    z, labels = rng.normal(size=(9, 10)).astype(np.float32), rng.integers(0, 10, 9)
    z[5, at] = bad
    for label in (at, (at + 1) % 10):
        labels[5] = label
        with np.errstate(invalid="ignore"):
            assert not np.isfinite(nn.cross_entropy(z, labels, label_smoothing=0.1)[0])
        assert not np.isfinite(run(z, labels)[0])


def test_what_the_mean_divides_by() -> None:
    labels = np.array([0, 2, 2])
    assert CrossEntropy().weight_total(labels) == 3
    assert CrossEntropy(0.0, (1.0, 9.0, 0.25)).weight_total(labels) == 1.5
    assert CrossEntropy(0.0, (0.0, 1.0, 0.0)).weight_total(labels) == np.inf


def test_equal_losses_are_one_request() -> None:
    """Programs are told apart by what they are compiled from."""
    one: Any = CrossEntropy(0.1, (1.0, 2.0))
    assert one == CrossEntropy(0.1, (1.0, 2.0))
    assert hash(one) == hash(CrossEntropy(0.1, (1.0, 2.0)))
    assert one != CrossEntropy(0.1, (2.0, 1.0))


@pytest.mark.parametrize("real", DTYPES)
@pytest.mark.parametrize("size", [0.0, 1e-40, 1e4, 1e9, 1e30, 1e31, 1e37])
@pytest.mark.parametrize("classes", [3, 10, 16])
def test_scores_of_any_size(
    size: float, classes: int, real: Real, rng: np.random.Generator
) -> None:
    """All of them far below zero, above it, and either way; neighbours that hardly differ."""
    z = np.concatenate([
        rng.uniform(-2, -1, (3, classes)), rng.uniform(1, 2, (3, classes)),
        rng.normal(size=(2, classes)), np.full((1, classes), -1.0),
    ])  # fmt: skip
    z = (z * size).astype(DTYPES[real])
    z[0] += np.arange(classes, dtype=z.dtype)
    labels = rng.integers(0, classes, len(z))
    labels[:6] = z[:6].argmax(axis=1)
    loss, hits, errors = compiled(classes, CrossEntropy(0.1), real=real)(z, labels)
    wanted, right = nn.cross_entropy(z, labels, label_smoothing=0.1)
    assert loss == pytest.approx(wanted, rel=3e-6 if real == "float" else 1e-13)
    assert hits == (z.argmax(axis=1) == labels).sum()
    np.testing.assert_allclose(errors, right, rtol=1e-4 if real == "float" else 1e-12, atol=1e-7)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_no_numbers_make_no_loss(bad: float) -> None:
    z = np.zeros((2, 3))
    z[1, 2] = bad
    with np.errstate(invalid="ignore"):
        wanted = nn.cross_entropy(z, np.array([0, 1]))[0]
    np.testing.assert_equal(compiled(3, CrossEntropy())(z, np.array([0, 1]))[0], wanted)
