"""Some layers, compiled for who calls forward and backward by himself: against the layers."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from covering import covering
from numpy.random import Generator

from handloom import nn
from handloom._typing import Shape
from handloom.engines.loom.compile import compile_run, coverage
from handloom.errors import ShapeError
from handloom.loom.language.machine import host
from handloom.loom.language.program import Program
from handloom.loom.network.compiled import Compiled
from handloom.loom.network.segment import segment_program

Layers = Callable[[Generator], list[nn.Layer]]
D = np.float64


def _dense(rng: Generator) -> list[nn.Layer]:
    linear = partial(nn.Linear, rng=rng, dtype=D)
    return [linear(11, 23), nn.Tanh(), nn.BatchNorm1d(23, dtype=D), linear(23, 6), nn.ReLU()]


def _maps(rng: Generator) -> list[nn.Layer]:
    """Pictures go in, pictures come out."""
    conv = partial(nn.Conv2d, rng=rng, dtype=D)
    body = nn.Sequential(conv(3, 3, 3, padding=1), nn.BatchNorm2d(3, dtype=D))
    first = [conv(2, 3, 3, padding=1), nn.LeakyReLU(0.1)]
    return [*first, nn.Residual(body), nn.SiLU(), nn.MaxPool2d(2)]


def _mixed(rng: Generator) -> list[nn.Layer]:
    """The layers of a nested row, with chance in them."""
    inner = nn.Sequential(nn.Dropout(0.3, rng=rng), nn.Linear(24, 4, rng=rng, dtype=D))
    return [nn.Conv2d(2, 4, 2, rng=rng, stride=2, dtype=D), nn.Sigmoid(), nn.Flatten(), inner]


def _flat(rng: Generator) -> list[nn.Layer]:
    return [nn.Flatten(), nn.Linear(60, 5, rng=rng, dtype=D)]


RUNS: dict[str, tuple[Shape, Layers]] = {
    "dense": ((11,), _dense),
    "maps": ((2, 5, 6), _maps),
    "mixed": ((2, 5, 6), _mixed),
    "flat": ((2, 5, 6), _flat),
}


class Run:
    """The layers, under the paths that they would have in the middle of a network, and compiled."""

    def __init__(self, name: str, *, threads: int = 2, input_errors: bool = True) -> None:
        self.shape, make = RUNS[name]
        self.layers = make(np.random.default_rng(5))
        self.row = nn.Sequential(*self.layers)
        named = [(f"{i + 3}", layer) for i, layer in enumerate(self.layers)]
        assert coverage(named, self.shape) == len(named)
        self.compiled = compile_run(named, self.shape, 12, threads, input_errors=input_errors)
        self.push(self.compiled)

    def push(self, compiled: Compiled) -> None:
        for i, layer in enumerate(self.layers):
            arrays = {n: p.value for n, p in layer.named_parameters().items()}
            arrays |= layer.named_buffers()
            compiled.write({f"{i + 3}.{name}": array for name, array in arrays.items()})

    def draw(self, rng: Generator, count: int) -> tuple[Any, Any]:
        x = rng.normal(size=(count, *self.shape))
        return x, rng.normal(size=(count, *self.row.output_shape(self.shape)))


every_run = pytest.mark.parametrize("name", RUNS)


@covering(name={name: name for name in RUNS}, input_errors={"True": True, "False": False})
def test_forward_and_backward_are_the_layers(name: str, input_errors: bool, rng: Generator) -> None:
    """Batches of the size it was made for, short ones, longer ones; the gradients of each."""
    run = Run(name, input_errors=input_errors)
    for step, count in enumerate((12, 5, 1 + (name in ("dense", "maps")), 20)):
        x, dy = run.draw(rng, count)
        run.row.train()
        run.row.begin_step(step)
        y = run.row.forward(x)
        found = run.compiled.forward(x, step, training=True)
        np.testing.assert_allclose(found, y.reshape(count, -1), rtol=1e-11, atol=1e-12)
        run.row.zero_grad()
        dx = run.row.backward(dy)
        given = run.compiled.backward(dy.reshape(count, -1))
        assert given.size == (dx.size if input_errors else 0)
        if input_errors:
            np.testing.assert_allclose(given, dx, rtol=1e-11, atol=1e-12)
        for i, layer in enumerate(run.layers):
            for title, p in layer.named_parameters().items():
                gradient = run.compiled.read(f"{i + 3}.{title}", 0)
                np.testing.assert_allclose(gradient, p.grad, rtol=1e-11, atol=1e-12)
                np.testing.assert_array_equal(run.compiled.read(f"{i + 3}.{title}"), p.value)
            for title, buffer in layer.named_buffers().items():
                moved = run.compiled.read(f"{i + 3}.{title}")
                np.testing.assert_allclose(moved, buffer, rtol=1e-12)


@every_run
def test_in_evaluation_mode(name: str, rng: Generator) -> None:
    run = Run(name)
    run.row.eval()
    for count in (12, 3, 30):
        x, _ = run.draw(rng, count)
        found = run.compiled.forward(x, 0, training=False)
        right = run.row.forward(x).reshape(count, -1)
        np.testing.assert_allclose(found, right, rtol=1e-11, atol=1e-12)


@every_run
def test_threads_change_nothing(name: str, rng: Generator) -> None:
    runs = [Run(name, threads=threads) for threads in (1, 2, 3)]
    x, dy = runs[0].draw(rng, 11)
    (y, dx), *others = [
        (run.compiled.forward(x, 3, training=True), run.compiled.backward(dy.reshape(11, -1)))
        for run in runs
    ]
    for other, errors in others:
        np.testing.assert_array_equal(other, y)
        np.testing.assert_array_equal(errors, dx)
    for run in runs[1:]:
        for parameter in run.compiled.plan.parameters:
            found, right = (r.compiled.read(parameter, 0) for r in (run, runs[0]))
            np.testing.assert_array_equal(found, right)


def test_other_shapes_are_refused(rng: Generator) -> None:
    run = Run("dense")
    for training in (True, False):
        with pytest.raises(ShapeError, match=r"should have the shape \(N, 11\), got \(4, 12\)"):
            run.compiled.forward(rng.normal(size=(4, 12)), 0, training=training)


def test_coverage_ends_before_what_cannot_be_compiled(rng: Generator) -> None:
    linear = partial(nn.Linear, rng=rng)
    layers = [linear(4, 4), nn.ReLU(), nn.Softmax(), linear(4, 4)]
    named = [(str(i), layer) for i, layer in enumerate(layers)]
    assert coverage(named, (4,)) == 2
    assert coverage(named[1:], (4,)) == 1
    assert coverage(named[2:], (4,)) == 0
    assert coverage(named[3:], (4,)) == 1
    assert coverage([], (4,)) == 0


@pytest.mark.parametrize("rows", [False, True], ids=["maps", "rows"])
def test_more_channels_are_no_more_code(rows: bool) -> None:
    """Compiling a run behind a layer that is not compiled would otherwise take seconds."""
    sizes = []
    for channels in (4, 64):
        rng = np.random.default_rng(0)
        last = [nn.Flatten()] if rows else [nn.BatchNorm2d(channels), nn.GlobalAvgPool2d()]
        features = channels * 49 if rows else channels
        layers = [*last, nn.Linear(features, 3, rng=rng)]
        named = list(nn.Sequential(*layers).named_children())
        compiled = compile_run(named, (channels, 7, 7), 8, 1, input_errors=True)
        program = Program(host(), compiled.request.real)
        segment_program(compiled.plan, program)
        sizes.append(len(str(program.module)))
    assert sizes[1] < 1.1 * sizes[0]
