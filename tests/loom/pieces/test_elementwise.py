"""Activations on their own, sums and joins of channels, against NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from harness import AVX2, HOST, PLAIN, Trial

from handloom import nn
from handloom.loom.kernels.activation import LeakyReLU, activation_of
from handloom.loom.language.machine import Machine
from handloom.loom.piece import Piece, Place
from handloom.loom.pieces import elementwise

ACTIVATIONS = [
    nn.ReLU(), nn.LeakyReLU(0.1), nn.ELU(0.7), nn.GELU("tanh"), nn.SiLU(), nn.Sigmoid(), nn.Tanh(),
]  # fmt: skip
SHAPES = [(2, 3, 5), (1, 1, 1), (11,), (16,)]


def same(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def on_its_own(layer: nn.Layer) -> Callable[..., Piece]:
    def make(sizes: Any, arena: Any, output: Any, source: Any) -> Piece:
        return elementwise.ActivationPiece(layer, Place(("0",), (source,), output, sizes, arena))

    return make


def added(activation: Any = PLAIN) -> Callable[..., Piece]:
    def make(sizes: Any, arena: Any, output: Any, a: Any, b: Any) -> Piece:
        return elementwise.AddPiece(
            nn.Residual(nn.Sequential()), Place(("0",), (a, b), output, sizes, arena),
            activation=activation,
        )  # fmt: skip

    return make


def joined(sizes: Any, arena: Any, output: Any, *sources: Any) -> Piece:
    return elementwise.ConcatPiece(
        nn.Parallel(nn.Sequential()), Place(("0",), sources, output, sizes, arena)
    )


@pytest.mark.parametrize("layer", ACTIVATIONS, ids=lambda layer: type(layer).__name__)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_an_activation_on_its_own(
    layer: nn.Layer, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    function = activation_of(layer)
    assert function is not None
    assert elementwise.covers(layer, shape)
    ends = function if function.from_output else PLAIN
    trial = Trial(on_its_own(layer), [shape], shape, batch=19, ends=ends)
    for count in (19, 3):
        x, dy = (rng.normal(0, 2, (count, *shape)) for _ in range(2))
        found = trial.run(x, dy=dy, threads=2)
        same(found.y, layer.forward(x))
        same(found.dx[0], layer.backward(dy))


@pytest.mark.parametrize("machine", [HOST, AVX2], ids=["host", "avx2"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("layer", [nn.ReLU(), nn.Sigmoid()], ids=["ReLU", "Sigmoid"])
def test_a_sum_and_its_activation(
    layer: nn.Layer, shape: tuple[int, ...], machine: Machine, rng: np.random.Generator
) -> None:
    function = activation_of(layer)
    assert function is not None
    trial = Trial(added(function), [shape, shape], shape, batch=21, ends=function, machine=machine)
    a, b, dy = (rng.normal(size=(20, *shape)) for _ in range(3))
    found = trial.run(a, b, dy=dy)
    same(found.y, layer.forward(a + b))
    dx = layer.backward(dy)
    for errors in found.dx:
        same(errors, dx)


@pytest.mark.parametrize("channels", [(1,), (2, 1), (3, 1, 4)])
def test_branches_are_joined(channels: tuple[int, ...], rng: np.random.Generator) -> None:
    shapes = [(c, 3, 4) for c in channels]
    assert elementwise.covers(nn.Parallel(nn.ReLU()), (1, 3, 4))
    assert not elementwise.covers(nn.Parallel(nn.ReLU()), (4,))
    trial = Trial(joined, shapes, (sum(channels), 3, 4), batch=9)
    xs = [rng.normal(size=(9, *shape)) for shape in shapes]
    dy = rng.normal(size=(9, sum(channels), 3, 4))
    found = trial.run(*xs, dy=dy)
    same(found.y, np.concatenate(xs, axis=1))
    same(np.concatenate(found.dx, axis=1), dy)


@pytest.mark.parametrize("shape", [(3, 4, 5), (11,)], ids=str)
@pytest.mark.parametrize("borders", [(0, 0, 0, 0), (0, 2, 1, 0)], ids=str)
def test_errors_add_up_and_take_the_slope_of_the_source(
    shape: tuple[int, ...], borders: Any, rng: np.random.Generator
) -> None:
    begins = LeakyReLU(0.3)
    trial = Trial(
        added(), [shape, shape], shape, batch=10, begins=begins, two_readers=True, borders=borders
    )
    a, b, dy, first, second = (rng.normal(size=(10, *shape)) for _ in range(5))
    found = trial.run(a, b, dy=dy, arrived=[first, second])
    same(found.dx[0], (first + dy) * np.where(a > 0, 1, 0.3))
    same(found.dx[1], (second + dy) * np.where(b > 0, 1, 0.3))


def test_a_source_may_want_no_errors(rng: np.random.Generator) -> None:
    trial = Trial(added(), [(3, 2, 2)] * 2, (3, 2, 2), batch=4, needs_errors=False)
    a, b = rng.normal(size=(2, 4, 3, 2, 2))
    found = trial.run(a, b, dy=a)
    same(found.y, a + b)
    assert found.dx == []


def test_threads_change_nothing(rng: np.random.Generator) -> None:
    trial = Trial(on_its_own(nn.SiLU()), [(3, 5, 2)], (3, 5, 2), batch=60, real="float")
    x, dy = (rng.normal(size=(55, 3, 5, 2)) for _ in range(2))
    one, *others = (trial.run(x, dy=dy, threads=threads) for threads in (1, 2, 3))
    for found in others:
        np.testing.assert_array_equal(found.y, one.y)
        np.testing.assert_array_equal(found.dx[0], one.dx[0])
