"""Windows that hold nothing but zeros: their sums are zero exactly, whichever way they go.

Before the first step biases are zero, and such windows lie at a rectifier's kink. Pictures here
have a dark frame, dark holes and dark neighbours; biases are drawn untouched and stirred.
"""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from convolutions import Case, layers_of, parameters_of, spoilt, textbook, trial_of
from harness import AVX2, HOST, Trial

from handloom import nn
from handloom._typing import FloatArray
from handloom.loom.kernels.activation import ELU, Identity, LeakyReLU, ReLU
from handloom.loom.kernels.convolution.shape import Convolution
from handloom.loom.kernels.winograd.fused_tiles import PIXELS, Tiling
from handloom.loom.kernels.winograd.lines_shape import POINTS, Lines
from handloom.loom.language.machine import Machine, sse2
from handloom.loom.language.program import Real
from handloom.loom.piece import Piece, Place
from handloom.loom.pieces.convolution.direct import ConvPiece
from handloom.loom.pieces.winograd import fused as winograd_fused
from handloom.loom.pieces.winograd import lines as winograd_lines
from handloom.loom.pieces.winograd import tiled as winograd
from handloom.loom.pieces.winograd.fused import WinogradFusedPiece
from handloom.loom.pieces.winograd.lines import WinogradLinesPiece

CASES = [
    Case((8, 14, 14), 8, 3, {"padding": 1}, activation=ReLU()),
    Case((9, 12, 11), 10, 3, {"padding": 1}, pool=2, activation=ReLU(), batch=17),
    Case((8, 13, 12), 9, 3, {"padding": "same"}, activation=LeakyReLU(0.1)),
    Case((2, 12, 15), 3, 5, {"padding": 2}, pool=2, activation=LeakyReLU(0.3)),
    Case((1, 14, 14), 5, 5, pool=2, activation=ELU(0.5)),
    Case((3, 12, 10), 4, (3, 2), activation=ELU(2.0)),
    Case((3, 13, 12), 2, 4, {"padding": 3}, pool=3, activation=ReLU()),
    Case((4, 11, 9), 2, 3, {"padding": 1, "bias": False}, pool=2, activation=Identity()),
]
"""Pooled and not, all sizes of kernels, maps that are whole tiles and not, all kinds of kinks."""
WAYS = [
    ("written out", 0), *(("tiles", points) for points in PIXELS),
    *(("lines", points) for points in POINTS), ("blocks", 0),
]  # fmt: skip


def examples(case: Case, rng: np.random.Generator) -> FloatArray:
    """Noise within a dark frame and with dark holes; one picture is dark, and zeros have signs."""
    x = rng.normal(size=(case.batch, *case.shape))
    _, height, width = case.shape
    x[:, :, : height // 3] = 0.0
    x[:, :, :, -(width // 4) :] = 0.0
    holes = rng.random((case.batch, 1, height, width)) < 0.6
    x *= np.where(rng.random((case.batch, 1, 1, 1)) < 0.5, holes, 1.0)
    x[0] = 0.0
    return np.where(rng.random(x.shape) < 0.3, -x, x)


def trial(
    way: str, points: int, case: Case, monkeypatch: pytest.MonkeyPatch, layer: nn.Conv2d,
    pool: nn.MaxPool2d | None, **options: Any,
) -> Trial:  # fmt: skip
    """The convolution by this way, whatever costs least; skips where it does not go so."""
    if way == "blocks":
        if case.kernel != 3 or case.pool or min(case.shape[0], case.filters) < 8:
            pytest.skip("no convolution for blocks")

        def make(sizes: Any, arena: Any, output: Any, source: Any) -> Piece:
            return winograd.WinogradPiece(
                layer, Place(("0",), (source,), output, sizes, arena), activation=case.activation
            )

        shape = layer.output_shape(case.shape)
        return Trial(make, [case.shape], shape, batch=case.batch, ends=case.activation, **options)

    def tiling(shape: Convolution) -> Tiling:
        chosen = Tiling(shape, points)
        if shape.kernel[0] != shape.kernel[1] or any(chosen.size % n for n in shape.window):
            pytest.skip("no convolution for such tiles")
        return chosen

    def lines(shape: Convolution, registers: int) -> Lines:
        chosen = Lines(shape, points, registers)
        if chosen.size % shape.window[1]:
            pytest.skip("windows that are no part of such lines")
        return chosen

    monkeypatch.setattr(winograd_fused, "best_tiling", tiling)
    monkeypatch.setattr(winograd_lines, "best_lines", lines)
    pieces = {"written out": ConvPiece, "tiles": WinogradFusedPiece, "lines": WinogradLinesPiece}
    return trial_of(pieces[way], case, layer, pool, **options)


def trials() -> list[Any]:
    """Each way with some cases and one of the machines each; all others are slow."""
    machines: list[tuple[Machine, Real]] = [
        (HOST, "double"), (AVX2, "float"), (sse2(), "double"), (HOST, "float"), (AVX2, "double"),
    ]  # fmt: skip
    found = []
    for (w, way), (n, case) in product(enumerate(WAYS), enumerate(CASES)):
        for m, (machine, real) in enumerate(machines):
            for stirred in (False, True):
                turn = m == (w + n) % len(machines) and stirred == ((w + n) % 2 == 0)
                quick = turn and n % 3 == (w + 1) % 3
                name = f"{way}-{case.name}-{machine.cpu}-{real}-{'stirred' if stirred else 'zero'}"
                marks = [] if quick else [pytest.mark.slow]
                found.append(pytest.param(*way, case, machine, real, stirred, id=name, marks=marks))
    return found


@pytest.mark.parametrize(("way", "points", "case", "machine", "real", "stirred"), trials())
def test_the_slope_at_a_kink_is_the_textbooks(
    way: str, points: int, case: Case, machine: Machine, real: Real, stirred: bool,
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    layer, pool = layers_of(case, rng)
    if layer.bias is not None and not stirred:
        layer.bias.value[:] = 0.0
    x = examples(case, rng)
    y, backward = textbook(case, layer, pool, x)
    dy = rng.normal(size=y.shape)
    dx = backward(dy)
    subject = spoilt(trial(way, points, case, monkeypatch, layer, pool, machine=machine, real=real))
    found = subject.run(x, dy=dy, parameters=parameters_of(layer), threads=2)
    bound = 1e-12 if real == "double" else 3e-5
    gradients = {f"0.{name}": p.grad for name, p in layer.named_parameters().items()}
    for name, got, want in [
        ("y", found.y, y), ("dx", found.dx[0], dx),
        *((name, found.gradients[name], gradient) for name, gradient in gradients.items()),
    ]:  # fmt: skip
        assert np.abs(got - want).max() < bound * np.abs(want).max(), name
    of_dark = y[0, :, :1, :1]
    same = np.broadcast_to(found.y[0, :, :1, :1], y.shape)  # what the dark picture gives
    np.testing.assert_array_equal(found.y[y == of_dark], same[y == of_dark])
