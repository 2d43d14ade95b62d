"""Pooling, global pooling and flattening against the textbook's layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from covering import covering
from harness import AVX2, HOST, Trial

from handloom import nn
from handloom.loom.kernels.activation import LeakyReLU
from handloom.loom.language.machine import Machine
from handloom.loom.piece import Piece, Place
from handloom.loom.pieces import flatten, global_pool, pool

POOLS = [
    (nn.MaxPool2d(2), (3, 6, 4)),
    (nn.MaxPool2d(2), (1, 7, 5)),
    (nn.MaxPool2d(3, stride=2, padding=1), (2, 7, 8)),
    (nn.MaxPool2d((2, 3), stride=(3, 1), ceil_mode=True), (2, 6, 5)),
    (nn.MaxPool2d(3, stride=3, ceil_mode=True, padding=1), (2, 5, 8)),
    (nn.AvgPool2d(2), (3, 6, 4)),
    (nn.AvgPool2d(2, stride=1), (1, 3, 5)),
    (nn.AvgPool2d(3, stride=2, padding=1), (2, 7, 8)),
    (nn.AvgPool2d(3, stride=2, padding=1, count_include_pad=False), (2, 7, 8)),
    (nn.AvgPool2d((3, 2), stride=2, padding=(1, 0), ceil_mode=True), (2, 6, 7)),
    (nn.AvgPool2d(4, stride=3, padding=2, ceil_mode=True, count_include_pad=False), (1, 6, 5)),
    (nn.GlobalAvgPool2d(), (3, 4, 5)),
    (nn.GlobalAvgPool2d(), (19, 1, 7)),
    (nn.Flatten(), (3, 5, 7)),
    (nn.Flatten(), (1, 1, 1)),
    (nn.Flatten(), (4, 2, 2)),
]
PIECES = {
    nn.MaxPool2d: pool.PoolPiece,
    nn.AvgPool2d: pool.PoolPiece,
    nn.GlobalAvgPool2d: global_pool.GlobalAvgPoolPiece,
    nn.Flatten: flatten.FlattenPiece,
}
COVERS = {
    nn.MaxPool2d: pool.covers,
    nn.AvgPool2d: pool.covers,
    nn.GlobalAvgPool2d: global_pool.covers,
    nn.Flatten: flatten.covers,
}


def make(layer: Any) -> Callable[..., Piece]:
    def piece(sizes: Any, arena: Any, output: Any, source: Any) -> Piece:
        return PIECES[type(layer)](layer, Place(("0",), (source,), output, sizes, arena))

    return piece


IDS = [f"{type(layer).__name__} {layer.describe()} {shape}" for layer, shape in POOLS]


@covering(subject=dict(zip(IDS, POOLS, strict=True)), machine={"host": HOST, "avx2": AVX2})
def test_a_step_against_the_textbook(
    subject: tuple[nn.Layer, tuple[int, ...]], machine: Machine, rng: np.random.Generator
) -> None:
    layer, shape = subject
    assert COVERS[type(layer)](layer, shape)
    begins = LeakyReLU(0.3)
    trial = Trial(
        make(layer), [shape], layer.output_shape(shape), batch=19,
        machine=machine, begins=begins, two_readers=True,
    )  # fmt: skip
    for count in (19, 3):
        x = rng.integers(-3, 4, (count, *shape)) * 0.37  # equal numbers in most windows
        y = layer.forward(x)
        dy, arrived = rng.normal(size=y.shape), rng.normal(size=x.shape)
        found = trial.run(x, dy=dy, arrived=[arrived], threads=2)
        np.testing.assert_allclose(found.y, y, rtol=1e-12, atol=1e-12)
        dx = (layer.backward(dy) + arrived) * np.where(x > 0, 1, 0.3)
        np.testing.assert_allclose(found.dx[0], dx, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("layer", "shape"), POOLS[::3], ids=IDS[::3])
def test_without_borders_and_with_one_reader(
    layer: nn.Layer, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    trial = Trial(
        make(layer), [shape], layer.output_shape(shape), batch=8, real="float", borders=(0, 0, 0, 0)
    )
    x = rng.normal(size=(8, *shape)).astype("f4")
    y = layer.forward(x)
    dy = rng.normal(size=y.shape).astype("f4")
    found = trial.run(x, dy=dy)
    np.testing.assert_allclose(found.y, y, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.dx[0], layer.backward(dy), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("layer", "shape"), POOLS[:3], ids=IDS[:3])
def test_a_program_that_only_predicts(
    layer: nn.Layer, shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    trial = Trial(make(layer), [shape], layer.output_shape(shape), batch=8, training=False)
    x = rng.normal(size=(5, *shape))
    np.testing.assert_allclose(trial.run(x).y, layer.forward(x), rtol=1e-12, atol=1e-12)


def test_what_is_not_covered() -> None:
    assert not pool.covers(nn.MaxPool2d(2, dilation=2), (1, 8, 8))
    assert not pool.covers(nn.ReLU(), (1, 8, 8))
    assert not flatten.covers(nn.Flatten(), (8,))
