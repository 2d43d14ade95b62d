"""Winograd's convolution with a pooling fused into it, against the textbook's layers."""

from __future__ import annotations

import numpy as np
import pytest
from convolutions import (
    Case,
    a_first_layer,
    a_step_against_the_textbook,
    any_number_of_threads,
    float_rounds_within,
    layers_of,
    prediction_computes_the_same,
    trial_of,
)
from covering import covering
from harness import AVX2, HOST

from handloom import nn
from handloom.loom.kernels.activation import LeakyReLU, ReLU, Sigmoid, Tanh
from handloom.loom.kernels.convolution.shape import Convolution
from handloom.loom.kernels.winograd.fused_tiles import PIXELS, Tiling
from handloom.loom.language.machine import Machine, sse2
from handloom.loom.network import chain
from handloom.loom.network.plan import Plan, Request
from handloom.loom.pieces.gather import Pictures
from handloom.loom.pieces.winograd import fused as winograd_fused
from handloom.loom.pieces.winograd.fused import ROOM, WinogradFusedPiece

CASES = [
    Case((6, 12, 12), 16, 5, pool=2, activation=LeakyReLU(0.1), batch=17),
    Case((6, 12, 12), 16, 5, {"bias": False}, batch=8),
    Case((3, 9, 7), 21, 5, {"padding": 2}, activation=ReLU()),
    Case((5, 11, 10), 3, 5, {"padding": 1}, pool=(2, 1), activation=Tanh(), batch=1),
    Case((2, 20, 18), 9, 5, {"padding": "same"}, pool=2, activation=Sigmoid()),
    Case((4, 7, 8), 5, 3, {"padding": 1, "bias": False}, pool=2, activation=Tanh()),
    Case((7, 9, 11), 6, 3, pool=(2, 4), activation=ReLU()),
    Case((1, 10, 13), 17, 3, {"padding": 2}, activation=LeakyReLU(0.3)),
    Case((3, 11, 6), 10, 4, {"padding": 3}, activation=ReLU()),
    Case((3, 10, 10), 4, 4, {"padding": "same"}, pool=3),
    Case((2, 13, 9), 8, 2, activation=Tanh()),
    Case((1, 5, 5), 1, 5, batch=1),
]
"""All sizes of kernels; maps that are whole tiles and not, and of several turns of tiles; filters
that are whole vectors and not; poolings that leave something over."""
NAMED = {case.name: case for case in CASES}
POINTS = {f"{points} points": points for points in PIXELS}
MACHINES = {"host": HOST, "avx2": AVX2, "sse2": sse2()}


def are_tiles(case: Case, points: int, *_: Machine) -> bool:
    """Whether the windows of its pooling are part of tiles with so many points."""
    assert isinstance(case.kernel, int)
    window = np.atleast_1d(case.pool or 1)
    return not any((points - case.kernel + 1) % window)


@pytest.fixture
def points(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """So many, whatever costs least."""

    def chosen(shape: Convolution) -> Tiling:
        tiling = Tiling(shape, request.param)
        assert not any(tiling.size % side for side in shape.window)
        return tiling

    monkeypatch.setattr(winograd_fused, "best_tiling", chosen)
    return request.param


@covering(case=NAMED, points=POINTS, machine=MACHINES, fits=are_tiles, indirect=["points"])
def test_a_step_against_the_textbook(
    case: Case, points: int, machine: Machine, rng: np.random.Generator
) -> None:
    a_step_against_the_textbook(WinogradFusedPiece, case, machine, rng)


@covering(
    case={case.name: case for case in CASES[::2]},
    points=POINTS, fits=are_tiles, indirect=["points"],
)  # fmt: skip
def test_a_first_layer_has_no_errors_below(
    case: Case, points: int, rng: np.random.Generator
) -> None:
    a_first_layer(WinogradFusedPiece, case, rng)


@covering(
    case={case.name: case for case in CASES[:8]},
    points=POINTS, fits=are_tiles, indirect=["points"],
)  # fmt: skip
def test_prediction_computes_the_same(case: Case, points: int, rng: np.random.Generator) -> None:
    prediction_computes_the_same(WinogradFusedPiece, case, rng)


def test_any_number_of_threads_gives_the_same_bits(rng: np.random.Generator) -> None:
    case = Case((3, 9, 10), 5, 5, {"padding": 1}, pool=2, activation=ReLU(), batch=61)
    any_number_of_threads(WinogradFusedPiece, case, rng)


@covering(
    kernel={str(kernel): kernel for kernel in (2, 3, 4, 5)},
    points=POINTS, machine={"host": HOST, "avx2": AVX2}, indirect=["points"],
)  # fmt: skip
def test_float_rounds_within_the_bound(
    kernel: int, machine: Machine, points: int, rng: np.random.Generator
) -> None:
    """Every number so near to the largest of its array, whatever lay in the scratch before."""
    case = Case((16, 14, 14), 32, kernel, {"padding": 1}, batch=32)
    float_rounds_within({6: 2e-5, 8: 3e-5}[points], WinogradFusedPiece, case, machine, rng)


def test_weights_come_back_as_they_were(rng: np.random.Generator) -> None:
    case = Case((3, 8, 8), 19, 5)
    layer, _ = layers_of(case, rng)
    stored = trial_of(WinogradFusedPiece, case, layer, None).piece.parameters["0.weight"]
    numbers = np.full(stored.block.size, 7.0)
    stored.pack(numbers, layer.weight.value)
    np.testing.assert_array_equal(stored.unpack(numbers), layer.weight.value)
    assert np.count_nonzero(numbers) == layer.weight.value.size


def test_spectra_need_no_more_room_for_larger_maps(rng: np.random.Generator) -> None:
    layer = nn.Conv2d(8, 16, 5, rng=rng)
    small, large = (plan_of((8, size, size), layer).arena.scratch.size * 4 for size in (30, 200))
    # Of a group: the errors of the input, and the mask of dark windows.
    numbers = (8 + 1) * (200**2 - 30**2) * HOST.lanes("float")
    assert large - small == pytest.approx(4 * numbers, rel=1e-2)
    assert small < 4 * ROOM


def plan_of(shape: tuple[int, int, int], *layers: nn.Layer) -> Plan:
    """The plan of layers behind others that are trained too."""
    named = list(chain.in_a_row("", nn.Sequential(*layers, nn.GlobalAvgPool2d())))
    return Plan(named, HOST, Request(shape, 32, Pictures(), input_errors=True))
