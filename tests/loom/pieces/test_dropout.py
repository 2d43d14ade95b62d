"""Dropout: the mask is that of the textbook's layer, bit for bit."""

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
from handloom.loom.pieces import dropout

SHAPES = [(2, 3, 5), (1, 1, 1), (4, 4, 4), (3, 7, 9), (1,), (11,), (32,), (67,)]


def make(layer: nn.Dropout) -> Callable[..., Piece]:
    def piece(sizes: Any, arena: Any, output: Any, source: Any) -> Piece:
        return dropout.DropoutPiece(layer, Place(("0",), (source,), output, sizes, arena))

    return piece


@covering(
    shape={str(shape): shape for shape in SHAPES},
    machine={"host": HOST, "avx2": AVX2}, real={"float": "float", "double": "double"},
)  # fmt: skip
def test_the_mask_is_that_of_the_textbook(
    shape: tuple[int, ...], machine: Machine, real: Any, rng: np.random.Generator
) -> None:
    layer = nn.Dropout(0.3, rng=rng)
    trial = Trial(make(layer), [shape], shape, batch=37, machine=machine, real=real)
    kind = {"float": "f4", "double": "f8"}[real]
    for step, count in ((0, 37), (7, 37), (2**40, 21)):
        x, dy = (rng.normal(size=(count, *shape)).astype(kind) for _ in range(2))
        layer.begin_step(step)
        found = trial.run(x, dy=dy, step=step, threads=2)
        np.testing.assert_array_equal(found.y, layer.forward(x))
        np.testing.assert_array_equal(found.dx[0], layer.backward(dy))


@pytest.mark.parametrize("p", [0.0, 0.5, 0.1, 1 - 2**-24, 2**-24, 3e-8, 0.999999999])
def test_any_probability(p: float, rng: np.random.Generator) -> None:
    layer = nn.Dropout(p, rng=rng)
    trial = Trial(make(layer), [(5, 20, 20)], (5, 20, 20), batch=16)
    x = rng.normal(size=(16, 5, 20, 20))
    layer.begin_step(3)
    np.testing.assert_array_equal(trial.run(x, dy=x, step=3).y, layer.forward(x))


@pytest.mark.parametrize("borders", [(0, 0, 0, 0), (1, 0, 2, 0)], ids=str)
@pytest.mark.parametrize("shape", [(2, 5, 4), (21,)], ids=str)
def test_errors_add_up_and_take_the_slope_of_the_source(
    shape: tuple[int, ...], borders: Any, rng: np.random.Generator
) -> None:
    layer = nn.Dropout(0.4, rng=rng)
    trial = Trial(
        make(layer), [shape], shape, batch=12,
        begins=LeakyReLU(0.3), two_readers=True, borders=borders,
    )  # fmt: skip
    x, dy, arrived = (rng.normal(size=(11, *shape)) for _ in range(3))
    layer.begin_step(5)
    found = trial.run(x, dy=dy, arrived=[arrived], step=5, threads=3)
    np.testing.assert_array_equal(found.y, layer.forward(x))
    dx = (layer.backward(dy) + arrived) * np.where(x > 0, 1, 0.3)
    np.testing.assert_allclose(found.dx[0], dx, rtol=1e-15)


def test_another_key_is_no_other_code() -> None:
    """Programs are kept on disk by their code: a network of another seed must find them there."""
    one, other = (
        Trial(make(nn.Dropout(0.4, rng=np.random.default_rng(seed))), [(9,)], (9,), batch=8)
        for seed in (1, 2)
    )
    assert one.code == other.code
