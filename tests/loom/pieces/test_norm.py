"""Batch norm with what is fused behind it, against the textbook's layers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from covering import covering
from harness import AVX2, HOST, Trial

from handloom import nn
from handloom.loom.kernels.activation import Identity, LeakyReLU, activation_of
from handloom.loom.language.machine import Machine
from handloom.loom.piece import Piece, Place
from handloom.loom.pieces import norm

NOTHING = nn.Sequential()
CASES = [  # shape, activation, pooling, batch, examples in a short one
    ((3, 4, 5), NOTHING, NOTHING, 19, 3),
    ((1, 1, 1), nn.ReLU(), NOTHING, 3, 2),
    ((2, 7, 5), nn.ReLU(), nn.MaxPool2d(2), 21, 8),
    ((17, 6, 6), nn.Tanh(), nn.MaxPool2d((2, 3)), 8, 1),
    ((2, 9, 4), nn.LeakyReLU(0.2), nn.MaxPool2d((3, 2)), 30, 25),
    ((5,), NOTHING, NOTHING, 19, 17),
    ((1,), nn.Sigmoid(), NOTHING, 19, 2),
    ((37,), nn.Sigmoid(), NOTHING, 40, 33),
]


class Case:
    """The textbook's BatchNorm, activation, pooling, and the piece compiled from them."""

    def __init__(
        self, shape: tuple[int, ...], activation: nn.Layer, pooling: nn.Layer, **how: Any
    ) -> None:
        kind = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
        self.layer = kind(shape[0], momentum=0.3, dtype=np.float64)
        assert norm.covers(self.layer, shape)
        self.network = nn.Sequential(self.layer, activation, pooling)
        function = activation_of(activation) or Identity()
        pool = pooling if isinstance(pooling, nn.MaxPool2d) else None

        def make(sizes: Any, arena: Any, output: Any, source: Any) -> Piece:
            return norm.BatchNormPiece(
                self.layer,
                Place(("0",), (source,), output, sizes, arena),
                activation=function,
                pool=pool,
            )

        self.trial = Trial(make, [shape], self.network.output_shape(shape), ends=function, **how)
        self.shape = shape

    def draw(self, count: int, rng: np.random.Generator) -> tuple[Any, Any]:
        """x with equal numbers, far from 0, and dy; new parameters, of both signs, and moments."""
        layer, channels = self.layer, self.shape[0]
        layer.weight.value = rng.normal(size=channels)
        layer.bias.value = rng.normal(size=channels)
        layer.running_mean = rng.normal(3, 1, channels)
        layer.running_var = rng.uniform(0.5, 2, channels)
        layer.weight.zero_grad()
        layer.bias.zero_grad()
        x = rng.integers(-3, 4, (count, *self.shape)) * 0.37 + 3
        return x, rng.normal(size=(count, *self.network.output_shape(self.shape)))

    @property
    def state(self) -> dict[str, Any]:
        """What the piece is given, by public name."""
        layer = self.layer
        moments = {f"0.{name}": getattr(layer, name).copy() for name in layer.buffer_names}
        return {"0.weight": layer.weight.value, "0.bias": layer.bias.value, **moments}


def close(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-12)


@covering(
    subject={f"{number}-{case[0]}": case for number, case in enumerate(CASES)},
    machine={"host": HOST, "avx2": AVX2},
)
def test_a_step_against_the_textbook(
    subject: tuple[Any, ...], machine: Machine, rng: np.random.Generator
) -> None:
    shape, activation, pooling, batch, short = subject
    case = Case(shape, activation, pooling, batch=batch, machine=machine)
    for count in (batch, short):
        x, dy = case.draw(count, rng)
        found = case.trial.run(x, dy=dy, parameters=case.state, threads=2)
        close(found.y, case.network.forward(x))
        close(found.dx[0], case.network.backward(dy))
        gradients = [case.layer.weight.grad, case.layer.bias.grad]
        close(found.gradients["0.weight"], gradients[0])
        close(found.gradients["0.bias"], gradients[1])
        close(found.squares, sum((g**2).sum() for g in gradients))
        close(found.buffers["0.running_mean"], case.layer.running_mean)
        close(found.buffers["0.running_var"], case.layer.running_var)


@pytest.mark.parametrize("borders", [(0, 0, 0, 0), (0, 1, 0, 0), (2, 0, 1, 1)], ids=str)
@pytest.mark.parametrize("pooling", [NOTHING, nn.MaxPool2d(2)], ids=["alone", "pooled"])
def test_errors_add_up_and_take_the_slope_of_the_source(
    borders: Any, pooling: Any, rng: np.random.Generator
) -> None:
    case = Case(
        (3, 5, 6), nn.ReLU(), pooling, batch=20,
        begins=LeakyReLU(0.3), two_readers=True, borders=borders,
    )  # fmt: skip
    x, dy = case.draw(18, rng)
    x -= 3.2
    arrived = rng.normal(size=x.shape)
    found = case.trial.run(x, dy=dy, arrived=[arrived], parameters=case.state)
    close(found.y, case.network.forward(x))
    close(found.dx[0], (case.network.backward(dy) + arrived) * np.where(x > 0, 1, 0.3))


@pytest.mark.parametrize("shape", [(3, 5, 6), (21,)], ids=str)
def test_running_moments_predict(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    case = Case(shape, nn.Sigmoid(), NOTHING, batch=20, training=False)
    case.network.eval()
    x, _ = case.draw(17, rng)
    close(case.trial.run(x, parameters=case.state).y, case.network.forward(x))


def test_the_first_layer_has_no_errors_below(rng: np.random.Generator) -> None:
    case = Case((2, 4, 4), nn.ReLU(), NOTHING, batch=9, needs_errors=False)
    x, dy = case.draw(9, rng)
    found = case.trial.run(x, dy=dy, parameters=case.state)
    case.network.forward(x)
    case.network.backward(dy)
    assert found.dx == []
    close(found.gradients["0.weight"], case.layer.weight.grad)


def test_where_all_numbers_of_a_window_become_equal_the_first_one_wins(
    rng: np.random.Generator,
) -> None:
    case = Case((2, 4, 4), NOTHING, nn.MaxPool2d(2), batch=9)
    x, dy = case.draw(9, rng)
    case.layer.weight.value[:] = 0
    found = case.trial.run(x, dy=dy, parameters=case.state)
    case.network.forward(x)
    case.network.backward(dy)
    close(found.gradients["0.weight"], case.layer.weight.grad)
    close(found.dx[0], np.zeros_like(x))


@pytest.mark.parametrize("shape", [(5, 4, 3), (21,)], ids=str)
def test_threads_change_nothing(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    case = Case(shape, nn.ReLU(), NOTHING, batch=90, real="float")
    x, dy = case.draw(77, rng)
    one, *others = (
        case.trial.run(x, dy=dy, parameters=case.state, threads=threads) for threads in (1, 2, 3)
    )
    for found in others:
        np.testing.assert_array_equal(found.y, one.y)
        np.testing.assert_array_equal(found.dx[0], one.dx[0])
        for name, gradient in one.gradients.items():
            np.testing.assert_array_equal(found.gradients[name], gradient)
        for name, moment in one.buffers.items():
            np.testing.assert_array_equal(found.buffers[name], moment)


@pytest.mark.parametrize("shape", [(2, 28, 28), (3,)], ids=str)
def test_single_precision_far_from_zero(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    """Squares of numbers near 1000 would leave no digit of a variance of 1."""
    case = Case(shape, NOTHING, NOTHING, batch=40, real="float")
    x, dy = case.draw(40, rng)
    x = (rng.normal(1000, 1, x.shape)).astype("f4")
    found = case.trial.run(x, dy=dy, parameters=case.state)
    y = case.network.forward(x.astype("f8"))
    np.testing.assert_allclose(found.y, y, rtol=0, atol=5e-4)
