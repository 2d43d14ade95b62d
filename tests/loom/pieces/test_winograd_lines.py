"""Winograd's convolution by lines, against the textbook's layers."""

from __future__ import annotations

import numpy as np
import pytest
from convolutions import (
    Case,
    a_first_layer,
    a_step_against_the_textbook,
    any_number_of_threads,
    float_rounds_within,
    prediction_computes_the_same,
)
from covering import covering
from harness import AVX2, HOST

from handloom.loom.kernels.activation import LeakyReLU, ReLU, Sigmoid, Tanh
from handloom.loom.kernels.convolution.shape import Convolution
from handloom.loom.kernels.winograd.lines_shape import POINTS, Lines
from handloom.loom.language.machine import Machine, sse2
from handloom.loom.pieces.winograd import lines as winograd_lines
from handloom.loom.pieces.winograd.lines import WinogradLinesPiece

CASES = [
    Case((1, 12, 12), 6, 5, pool=2, activation=LeakyReLU(0.1), batch=17),
    Case((1, 9, 7), 7, 5, {"padding": 2}, activation=ReLU()),
    Case((3, 8, 11), 5, 3, {"padding": 1, "bias": False}, pool=2, activation=Tanh(), batch=8),
    Case((2, 10, 13), 4, (5, 4), {"padding": (2, 1)}, pool=2, activation=Sigmoid()),
    Case((2, 6, 9), 3, (1, 3), activation=ReLU()),
    Case((3, 7, 6), 1, (4, 2), {"padding": (0, 3)}, activation=LeakyReLU(0.3)),
    Case((1, 11, 9), 9, 3, {"padding": 2, "bias": False}, pool=(3, 1), batch=1),
    Case((2, 6, 12), 10, 3, pool=(1, 2), activation=Tanh()),
    Case((1, 5, 5), 1, 5, batch=1),
]
"""Rows that are whole lines and not; kernels that are square and not; filters that are whole turns
and not; poolings of one row and of several; one channel and more."""
NAMED = {case.name: case for case in CASES}
MANY = {f"{points} points": points for points in POINTS}
MACHINES = {"host": HOST, "avx2": AVX2, "sse2": sse2()}


def are_lines(case: Case, points: int, *_: Machine) -> bool:
    """Whether the windows of its pooling are part of lines with so many points."""
    kernel, window = (np.broadcast_to(side or 1, 2) for side in (case.kernel, case.pool))
    return (points - kernel[1] + 1) % window[1] == 0


@pytest.fixture
def points(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """So many, whatever costs least."""

    def chosen(shape: Convolution, registers: int) -> Lines:
        lines = Lines(shape, request.param, registers)
        assert lines.size % shape.window[1] == 0
        return lines

    monkeypatch.setattr(winograd_lines, "best_lines", chosen)
    return request.param


@covering(case=NAMED, points=MANY, machine=MACHINES, fits=are_lines, indirect=["points"])
def test_a_step_against_the_textbook(
    case: Case, points: int, machine: Machine, rng: np.random.Generator
) -> None:
    a_step_against_the_textbook(WinogradLinesPiece, case, machine, rng)


@covering(
    case={case.name: case for case in CASES[::2]},
    points=MANY, fits=are_lines, indirect=["points"],
)  # fmt: skip
def test_a_first_layer_has_no_errors_below(
    case: Case, points: int, rng: np.random.Generator
) -> None:
    a_first_layer(WinogradLinesPiece, case, rng)


@covering(case=NAMED, points=MANY, fits=are_lines, indirect=["points"])
def test_prediction_computes_the_same(case: Case, points: int, rng: np.random.Generator) -> None:
    prediction_computes_the_same(WinogradLinesPiece, case, rng)


def test_any_number_of_threads_gives_the_same_bits(rng: np.random.Generator) -> None:
    case = Case((1, 9, 10), 5, 5, {"padding": 1}, pool=2, activation=ReLU(), batch=61)
    any_number_of_threads(WinogradLinesPiece, case, rng)


@covering(
    kernel={str(kernel): kernel for kernel in (2, 3, 4, 5)},
    points=MANY, machine={"host": HOST, "avx2": AVX2}, indirect=["points"],
)  # fmt: skip
def test_float_rounds_within_the_bound(
    kernel: int, points: int, machine: Machine, rng: np.random.Generator
) -> None:
    """Every number within 5e-6 of the largest of its array, whatever lay in the scratch before."""
    case = Case((3, 14, 14), 8, kernel, {"padding": 1}, batch=32)
    float_rounds_within(5e-6, WinogradLinesPiece, case, machine, rng)


@pytest.mark.parametrize("registers", [16, 32])
@pytest.mark.parametrize("points", POINTS)
@pytest.mark.parametrize("kernel", [(5, 5), (3, 3), (1, 4), (9, 2)])
@pytest.mark.parametrize("window", [(1, 1), (2, 2)])
def test_every_point_is_in_one_part(
    registers: int, points: int, kernel: tuple[int, int], window: tuple[int, int]
) -> None:
    shape = Convolution(1, 6, kernel, (1, 1), (0, 0), 28, 28, 20, 20, window)
    parts = Lines(shape, points, registers).parts
    assert sorted(sum(parts, ())) == list(range(points))
    sums = max(len(part) for part in parts) * kernel[0]
    assert sums < registers or max(map(len, parts)) == 2
