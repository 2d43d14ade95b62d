"""Convolutions for the trials of the pieces that compute them, and the textbook's answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from harness import MOST_THREADS, Trial

from handloom import nn
from handloom.loom.kernels.activation import (
    ELU,
    Activation,
    Identity,
    LeakyReLU,
    ReLU,
    Sigmoid,
    Tanh,
)
from handloom.loom.language.machine import Machine
from handloom.loom.piece import Piece, Place
from handloom.loom.pieces.convolution import direct as conv


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


def layers_of(case: Case, rng: np.random.Generator) -> tuple[nn.Conv2d, nn.MaxPool2d | None]:
    layer = nn.Conv2d(
        case.shape[0], case.filters, case.kernel, rng=rng, dtype=np.float64, **case.options
    )
    if layer.bias is not None:
        layer.bias.value[:] = rng.normal(size=case.filters)
    return layer, nn.MaxPool2d(case.pool) if case.pool else None


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
        ELU: lambda y: np.where(y > 0, 1.0, y + case.activation.alpha),  # type: ignore[attr-defined]
    }
    functions = {
        Identity: lambda z: z,
        ReLU: lambda z: np.maximum(z, 0),
        Tanh: np.tanh,
        Sigmoid: lambda z: 1 / (1 + np.exp(-z)),
        LeakyReLU: lambda z: np.where(z > 0, z, case.activation.slope * z),  # type: ignore[attr-defined]
        ELU: lambda z: np.where(z > 0, z, case.activation.alpha * np.expm1(np.minimum(z, 0))),  # type: ignore[attr-defined]
    }
    z = layer.forward(x)
    y = functions[type(case.activation)](pool.forward(z) if pool else z)

    def backward(dy: np.ndarray) -> np.ndarray:
        dz = dy * slopes[type(case.activation)](y)
        return layer.backward(pool.backward(dz) if pool else dz)

    return y, backward


def trial_of(
    piece: type[conv.ConvPiece], case: Case, layer: nn.Conv2d, pool: nn.MaxPool2d | None,
    **options: Any,
) -> Trial:  # fmt: skip
    assert conv.covers(layer)
    output_shape = layer.output_shape(case.shape)
    if pool:
        assert conv.fuses(pool, output_shape)
        output_shape = pool.output_shape(output_shape)

    def make(sizes: Any, arena: Any, output: Any, source: Any) -> Piece:
        return piece(
            layer,
            Place(("0",), (source,), output, sizes, arena),
            activation=case.activation,
            pool=pool,
        )

    return Trial(
        make, [case.shape], output_shape, batch=case.batch, ends=case.activation, **options
    )


def parameters_of(layer: nn.Conv2d) -> dict[str, Any]:
    return {f"0.{name}": p.value for name, p in layer.named_parameters().items()}


def assert_close(found: Any, wanted: Any, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(found, wanted, rtol=tolerance, atol=tolerance)


def spoilt(trial: Trial) -> Trial:
    """What other stages have left in the scratch memory must not matter."""
    scratch = trial.arena.scratch
    assert scratch.start is not None
    trial.work[scratch.start : scratch.start + MOST_THREADS * scratch.size] = np.nan
    return trial


def prediction_computes_the_same(
    piece: type[conv.ConvPiece], case: Case, rng: np.random.Generator
) -> None:
    """As a training's forward, with nothing kept for backward."""
    layer, pool = layers_of(case, rng)
    trial = spoilt(trial_of(piece, case, layer, pool, training=False))
    x = rng.normal(size=(case.batch, *case.shape))
    found = trial.run(x, parameters=parameters_of(layer))
    assert_close(found.y, textbook(case, layer, pool, x)[0])


def float_rounds_within(
    bound: float, piece: type[conv.ConvPiece], case: Case, machine: Machine,
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """Every number of a step in float32 is so near, relative to the largest of its array."""
    layer, pool = layers_of(case, rng)
    trial = spoilt(trial_of(piece, case, layer, pool, machine=machine, real="float"))
    x = rng.normal(size=(case.batch - 2, *case.shape))
    y, backward = textbook(case, layer, pool, x)
    dy = rng.normal(size=y.shape)
    dx = backward(dy)
    found = trial.run(x, dy=dy, parameters=parameters_of(layer))
    wanted = {f"0.{name}": p.grad for name, p in layer.named_parameters().items()}
    for got, want in [
        (found.y, y), (found.dx[0], dx), *((found.gradients[n], g) for n, g in wanted.items())
    ]:  # fmt: skip
        assert np.abs(got - want).max() < bound * np.abs(want).max()


def a_step_against_the_textbook(
    piece: type[conv.ConvPiece], case: Case, machine: Machine, rng: np.random.Generator
) -> None:
    """Whole batches and short ones, of a source that another piece reads too."""
    layer, pool = layers_of(case, rng)
    trial = trial_of(
        piece, case, layer, pool, machine=machine, begins=LeakyReLU(0.3), two_readers=True
    )
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


def a_first_layer(piece: type[conv.ConvPiece], case: Case, rng: np.random.Generator) -> None:
    """Gradients alone: nobody asks for the errors of the source."""
    layer, pool = layers_of(case, rng)
    x = rng.normal(size=(case.batch, *case.shape))
    y, backward = textbook(case, layer, pool, x)
    dy = rng.normal(size=y.shape)
    backward(dy)
    trial = trial_of(piece, case, layer, pool, needs_errors=False)
    found = trial.run(x, dy=dy, parameters=parameters_of(layer))
    assert not found.dx
    for name, p in layer.named_parameters().items():
        assert_close(found.gradients[f"0.{name}"], p.grad)


def any_number_of_threads(
    piece: type[conv.ConvPiece], case: Case, rng: np.random.Generator
) -> None:
    """The same bits, and about the textbook's."""
    layer, pool = layers_of(case, rng)
    trial = trial_of(piece, case, layer, pool, real="float")
    x = rng.normal(size=(case.batch, *case.shape))
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
            assert np.abs(gradient - p.grad).max() < 1e-5 * np.abs(p.grad).max()
            assert gradient.tobytes() == runs[0].gradients[f"0.{name}"].tobytes()
        assert found.squares == runs[0].squares
