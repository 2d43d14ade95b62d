"""Dense layers, their activations and their updates, against the textbook's layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from covering import covering
from harness import AVX2, HOST, Trial

from handloom import nn
from handloom.loom.kernels.activation import Identity, LeakyReLU, activation_of
from handloom.loom.language.machine import Machine
from handloom.loom.piece import Piece, Place
from handloom.loom.pieces.dense import SMALL, DensePiece


class Case(NamedTuple):
    """A layer of `units` on `inputs` features; a tile has `rows` examples."""

    inputs: int
    units: int
    activation: nn.Layer = nn.Sequential()
    batch: int = 9
    rows: int = 4
    bias: bool = True


CASES = [
    Case(1, 1, batch=1, rows=1),
    Case(1, 17, nn.Sigmoid(), rows=2),
    Case(13, 1, nn.ReLU(), batch=16),
    Case(16, 16, nn.LeakyReLU(0.1), bias=False),
    Case(15, 33, nn.Tanh(), batch=23),
    Case(30, 10, nn.ELU(0.7), rows=1),
    Case(200, 170, nn.ReLU(), batch=21),  # beyond SMALL from here on
    Case(515, 65, nn.Sigmoid(), batch=8, bias=False),
    Case(41, 801, nn.LeakyReLU(0.3), batch=3, rows=2),
]
MACHINES = {"host": HOST, "avx2": AVX2}


def same(found: Any, right: Any) -> None:
    np.testing.assert_allclose(found, right, rtol=1e-12, atol=1e-12)


def layer_of(case: Case, rng: np.random.Generator) -> nn.Linear:
    layer = nn.Linear(case.inputs, case.units, rng=rng, bias=case.bias, dtype=np.float64)
    if layer.bias is not None:
        layer.bias.value[:] = rng.normal(size=case.units)
    return layer


def make(layer: nn.Linear, activation: nn.Layer, *, dark: bool = False) -> Callable[..., Piece]:
    def piece(sizes: Any, arena: Any, output: Any, source: Any) -> Piece:
        return DensePiece(
            layer, Place(("0",), (source,), output, sizes, arena),
            activation=activation_of(activation) or Identity(), sparse=dark,
        )  # fmt: skip

    return piece


def trial_of(case: Case, layer: nn.Linear, *, dark: bool = False, **how: Any) -> Trial:
    return Trial(
        make(layer, case.activation, dark=dark), [(case.inputs,)], (case.units,), batch=case.batch,
        ends=activation_of(case.activation) or Identity(), tile_rows=case.rows, **how,
    )  # fmt: skip


def values(layer: nn.Linear) -> dict[str, Any]:
    return {f"0.{name}": p.value for name, p in layer.named_parameters().items()}


@covering(case={f"{case.inputs} to {case.units}": case for case in CASES}, machine=MACHINES)
def test_a_step_against_the_textbook(
    case: Case, machine: Machine, rng: np.random.Generator
) -> None:
    layer = layer_of(case, rng)
    network = nn.Sequential(layer, case.activation)
    trial = trial_of(case, layer, machine=machine, begins=LeakyReLU(0.3), two_readers=True)
    for count in {case.batch, (case.batch + 1) // 2}:
        x, arrived = rng.normal(size=(2, count, case.inputs))
        dy = rng.normal(size=(count, case.units))
        found = trial.run(x, dy=dy, parameters=values(layer), arrived=[arrived], threads=2)
        y = network.forward(x)
        network.zero_grad()
        dx = (network.backward(dy) + arrived) * np.where(x > 0, 1, 0.3)
        same(found.y, y)
        same(found.dx[0], dx)
        squares = 0.0
        for name, p in layer.named_parameters().items():
            same(found.gradients[f"0.{name}"], p.grad)
            squares += float((p.grad**2).sum())
        np.testing.assert_allclose(found.squares, squares, rtol=1e-12)


def test_both_ways_of_sharing_work_were_tried() -> None:
    weights = [case.inputs * case.units for case in CASES]
    assert min(weights) < SMALL < max(weights)


@covering(
    share={f"{share:.0%} dark": share for share in (0.8, 0.0, 1.0)},
    machine=MACHINES, real={"float": "float", "double": "double"},
)  # fmt: skip
def test_dark_pixels_are_left_out_and_not_a_bit_is_another(
    share: float, machine: Machine, real: Any, rng: np.random.Generator
) -> None:
    case = Case(203, 170, nn.Tanh(), batch=21)
    layer = layer_of(case, rng)
    how = {"machine": machine, "real": real, "needs_errors": False}
    whole, some = (trial_of(case, layer, dark=dark, **how) for dark in (False, True))
    for count in (21, 20, 4):
        x = np.where(rng.random((count, 203)) < share, 0.0, rng.normal(size=(count, 203)))
        x[:, 40:99] = 0
        dy = rng.normal(size=(count, 170))
        right, found = (t.run(x, dy=dy, parameters=values(layer), threads=2) for t in (whole, some))
        np.testing.assert_array_equal(found.y, right.y)
        for name, gradient in right.gradients.items():
            np.testing.assert_array_equal(found.gradients[name], gradient)


@pytest.mark.parametrize("case", [CASES[4], CASES[6]], ids=["small", "large"])
def test_threads_change_nothing(case: Case, rng: np.random.Generator) -> None:
    layer = layer_of(case, rng)
    trial = trial_of(case, layer, real="float")
    x, dy = rng.normal(size=(20, case.inputs)), rng.normal(size=(20, case.units))
    one, *others = (
        trial.run(x, dy=dy, parameters=values(layer), threads=threads) for threads in (1, 2, 3)
    )
    for found in others:
        np.testing.assert_array_equal(found.y, one.y)
        np.testing.assert_array_equal(found.dx[0], one.dx[0])
        assert found.squares == one.squares
        for name, gradient in one.gradients.items():
            np.testing.assert_array_equal(found.gradients[name], gradient)


@pytest.mark.parametrize("dark", [False, True])
def test_a_program_that_only_predicts(dark: bool, rng: np.random.Generator) -> None:
    case = Case(301, 120, nn.Sigmoid(), batch=20)
    layer = layer_of(case, rng)
    trial = trial_of(case, layer, dark=dark, training=False)
    x = rng.normal(size=(17, 301)) * (rng.random((17, 301)) < 0.2)
    found = trial.run(x, parameters=values(layer), threads=3)
    same(found.y, nn.Sigmoid().forward(layer.forward(x)))
    assert trial.piece.squares == []


@pytest.mark.parametrize("case", CASES[:6], ids=lambda case: f"{case.inputs} to {case.units}")
def test_weights_come_out_as_they_went_in(case: Case, rng: np.random.Generator) -> None:
    """And what fills up the panels is zero, so that it may be updated with the rest."""
    layer = layer_of(case, rng)
    trial = trial_of(case, layer)
    for name, stored in trial.piece.parameters.items():
        numbers, value = stored.block.of(trial.parameters), values(layer)[name]
        stored.pack(numbers, value)
        assert stored.shape == value.shape
        np.testing.assert_array_equal(stored.unpack(numbers), value)
        assert np.count_nonzero(numbers) == np.count_nonzero(value)
