"""The direct convolution, with what is fused into it, against the textbook's layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
from harness import AVX2, HOST, Trial

from handloom import nn
from handloom.loom.language.machine import Machine
from handloom.loom.piece import Piece
from handloom.loom.pieces import conv
from handloom.loom.pieces.activation import Activation, Identity, LeakyReLU, ReLU, Sigmoid, Tanh


class Case(NamedTuple):
    """A convolution of maps of `shape`; `options` are Conv2d's."""

    shape: tuple[int, int, int]
    filters: int
    kernel: int | tuple[int, int]
    options: dict[str, Any] = {}  # noqa: RUF012  nobody writes to it
    pool: int | tuple[int, int] | None = None
    activation: Activation = Identity()
    batch: int = 9

    @property
    def name(self) -> str:
        pooled = f" pool {self.pool}" if self.pool else ""
        return f"{self.shape} -> {self.filters} {self.kernel} {self.options}{pooled}"


CASES = [
    Case((1, 1, 1), 1, 1, batch=1),
    Case((1, 5, 4), 1, 1, batch=1, activation=ReLU()),
    Case((3, 6, 7), 5, 1, {"stride": 2, "bias": False}),
    Case((17, 4, 3), 33, 1),
    Case((2, 5, 6), 3, 2, {"padding": "same"}, activation=Tanh()),
    Case((3, 7, 7), 13, 3, {"padding": 1, "bias": False}),
    Case((4, 8, 6), 6, 3, {"padding": 1, "stride": 2}),
    Case((2, 9, 8), 4, 3, {"stride": 3}, activation=Sigmoid()),
    Case((2, 9, 8), 3, 2, {"stride": 3, "padding": 2}),
    Case((1, 3, 17), 2, (1, 3), {"padding": (0, 2), "stride": (2, 1)}),
    Case((2, 17, 3), 2, (4, 2), {"padding": (3, 1), "stride": (1, 3)}),
    Case((1, 12, 12), 6, 5, pool=2, activation=LeakyReLU(0.1), batch=17),
    Case((6, 12, 12), 16, 5, pool=2, activation=LeakyReLU(0.1), batch=8),
    Case((2, 8, 9), 3, 4, {"padding": "same"}, pool=2, activation=ReLU()),
    Case((3, 7, 8), 5, 3, {"padding": 1, "bias": False}, pool=2, activation=Tanh()),
    Case((2, 11, 10), 4, 3, {"stride": 2, "padding": 2}, pool=(1, 3), batch=1),
    Case((1, 9, 9), 1, 2, pool=3, activation=LeakyReLU(0.3)),
    Case((1, 7, 6), 2, 1, pool=(3, 2), activation=ReLU()),
]


def layers_of(case: Case, rng: np.random.Generator) -> tuple[nn.Conv2d, nn.MaxPool2d | None]:
    layer = nn.Conv2d(
        case.shape[0], case.filters, case.kernel, rng=rng, dtype=np.float64, **case.options
    )
    if layer.bias is not None:
        layer.bias.value[:] = rng.normal(size=case.filters)
    return layer, nn.MaxPool2d(case.pool) if case.pool else None


def make(case: Case, layer: nn.Conv2d, pool: nn.MaxPool2d | None) -> Callable[..., Piece]:
    def piece(sizes: Any, arena: Any, output: Any, source: Any) -> Piece:
        return conv.ConvPiece(
            layer, paths=("0",), prefix="0", activation=case.activation, pool=pool,
            source=source, output=output, sizes=sizes, arena=arena,
        )  # fmt: skip

    return piece


def textbook(
    case: Case, layer: nn.Conv2d, pool: nn.MaxPool2d | None, x: np.ndarray
) -> tuple[np.ndarray, Callable[[np.ndarray], np.ndarray]]:
    """y, and dx of dy; the gradients are left in the layer's parameters."""
    slopes = {
        Identity: lambda y: 1.0,
        ReLU: lambda y: y > 0,
        Tanh: lambda y: 1 - y * y,
        Sigmoid: lambda y: y * (1 - y),
        LeakyReLU: lambda y: np.where(y > 0, 1.0, case.activation.slope),  # type: ignore[attr-defined]
    }
    functions = {
        Identity: lambda z: z,
        ReLU: lambda z: np.maximum(z, 0),
        Tanh: np.tanh,
        Sigmoid: lambda z: 1 / (1 + np.exp(-z)),
        LeakyReLU: lambda z: np.where(z > 0, z, case.activation.slope * z),  # type: ignore[attr-defined]
    }
    z = layer.forward(x)
    y = functions[type(case.activation)](pool.forward(z) if pool else z)

    def backward(dy: np.ndarray) -> np.ndarray:
        dz = dy * slopes[type(case.activation)](y)
        return layer.backward(pool.backward(dz) if pool else dz)

    return y, backward


def trial_of(case: Case, layer: nn.Conv2d, pool: nn.MaxPool2d | None, **options: Any) -> Trial:
    assert conv.covers(layer)
    output_shape = layer.output_shape(case.shape)
    if pool:
        assert conv.fuses(pool, output_shape)
        output_shape = pool.output_shape(output_shape)
    return Trial(
        make(case, layer, pool), [case.shape], output_shape,
        batch=case.batch, ends=case.activation, **options,
    )  # fmt: skip


def parameters_of(layer: nn.Conv2d) -> dict[str, Any]:
    return {f"0.{name}": p.value for name, p in layer.named_parameters().items()}


def assert_close(found: Any, wanted: Any, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("machine", [HOST, AVX2], ids=["host", "avx2"])
def test_a_step_against_the_textbook(
    case: Case, machine: Machine, rng: np.random.Generator
) -> None:
    layer, pool = layers_of(case, rng)
    trial = trial_of(case, layer, pool, machine=machine, begins=LeakyReLU(0.3), two_readers=True)
    for count in {case.batch, (case.batch + 1) // 2}:
        x = rng.integers(-2, 3, (count, *case.shape)) * 0.37  # some windows have two largest
        y, backward = textbook(case, layer, pool, x)
        dy, arrived = rng.normal(size=y.shape), rng.normal(size=x.shape)
        found = trial.run(x, dy=dy, parameters=parameters_of(layer), arrived=[arrived], threads=2)
        layer.zero_grad()
        dx = (backward(dy) + arrived) * np.where(x > 0, 1, 0.3)
        assert_close(found.y, y)
        assert_close(found.dx[0], dx)
        gradients = {name: p.grad for name, p in layer.named_parameters().items()}
        assert found.gradients.keys() == {f"0.{name}" for name in gradients}
        for name, gradient in gradients.items():
            assert_close(found.gradients[f"0.{name}"], gradient)
        assert_close(found.squares, sum((g**2).sum() for g in gradients.values()))


@pytest.mark.parametrize("case", [c for c in CASES if c.pool], ids=lambda case: case.name)
def test_a_first_layer_unpools_on_its_way(case: Case, rng: np.random.Generator) -> None:
    layer, pool = layers_of(case, rng)
    x = rng.normal(size=(case.batch, *case.shape))
    y, backward = textbook(case, layer, pool, x)
    dy = rng.normal(size=y.shape)
    backward(dy)
    trial = trial_of(case, layer, pool, needs_errors=False)
    found = trial.run(x, dy=dy, parameters=parameters_of(layer))
    assert not found.dx
    for name, p in layer.named_parameters().items():
        assert_close(found.gradients[f"0.{name}"], p.grad)


@pytest.mark.parametrize("case", CASES[::4], ids=lambda case: case.name)
def test_prediction_computes_the_same(case: Case, rng: np.random.Generator) -> None:
    layer, pool = layers_of(case, rng)
    trial = trial_of(case, layer, pool, training=False)
    x = rng.normal(size=(case.batch, *case.shape))
    found = trial.run(x, parameters=parameters_of(layer))
    assert_close(found.y, textbook(case, layer, pool, x)[0])


def test_any_number_of_threads_gives_the_same_bits(rng: np.random.Generator) -> None:
    case = Case((2, 9, 8), 5, 3, {"padding": 1}, pool=2, activation=ReLU(), batch=61)
    layer, pool = layers_of(case, rng)
    trial = trial_of(case, layer, pool, real="float")
    x = rng.normal(size=(61, *case.shape))
    y, backward = textbook(case, layer, pool, x)
    dy = rng.normal(size=y.shape)
    dx = backward(dy)
    runs = [
        trial.run(x, dy=dy, parameters=parameters_of(layer), threads=threads)
        for threads in (1, 2, 3)
    ]
    for found in runs:
        assert_close(found.y, y, 1e-5)
        assert_close(found.dx[0], dx, 1e-5)
        for name, p in layer.named_parameters().items():
            gradient = found.gradients[f"0.{name}"]
            assert_close(gradient, p.grad, 1e-4)
            assert gradient.tobytes() == runs[0].gradients[f"0.{name}"].tobytes()
        assert found.squares == runs[0].squares


def test_what_is_covered(rng: np.random.Generator) -> None:
    assert not conv.covers(nn.Conv2d(2, 2, 3, rng=rng, groups=2))
    assert not conv.covers(nn.Conv2d(2, 2, 3, rng=rng, dilation=2))
    assert conv.fuses(nn.MaxPool2d((2, 3)), (4, 5, 7))
    assert conv.fuses(nn.MaxPool2d(2, ceil_mode=True), (4, 6, 4))
    for pool in (
        nn.MaxPool2d(3, stride=2),
        nn.MaxPool2d(2, padding=1),
        nn.MaxPool2d(2, dilation=2),
        nn.MaxPool2d(2, ceil_mode=True),
        nn.MaxPool2d(4),
    ):
        assert not conv.fuses(pool, (4, 5, 7))
