"""The direct convolution, with what is fused into it, against the textbook's layers."""

from __future__ import annotations

import numpy as np
import pytest
from convolutions import (
    Case,
    a_first_layer,
    a_step_against_the_textbook,
    any_number_of_threads,
    assert_close,
    layers_of,
    parameters_of,
    textbook,
    trial_of,
)
from covering import covering
from harness import AVX2, HOST

from handloom import nn
from handloom.loom.kernels.activation import LeakyReLU, ReLU, Sigmoid, Tanh
from handloom.loom.language.machine import Machine
from handloom.loom.pieces.convolution import direct as conv
from handloom.loom.pieces.convolution.direct import ConvPiece

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


@covering(case={case.name: case for case in CASES}, machine={"host": HOST, "avx2": AVX2})
def test_a_step_against_the_textbook(
    case: Case, machine: Machine, rng: np.random.Generator
) -> None:
    a_step_against_the_textbook(ConvPiece, case, machine, rng)


@pytest.mark.parametrize("case", [c for c in CASES if c.pool], ids=lambda case: case.name)
def test_a_first_layer_unpools_on_its_way(case: Case, rng: np.random.Generator) -> None:
    a_first_layer(ConvPiece, case, rng)


@pytest.mark.parametrize("case", CASES[::4], ids=lambda case: case.name)
def test_prediction_computes_the_same(case: Case, rng: np.random.Generator) -> None:
    layer, pool = layers_of(case, rng)
    trial = trial_of(ConvPiece, case, layer, pool, training=False)
    x = rng.normal(size=(case.batch, *case.shape))
    found = trial.run(x, parameters=parameters_of(layer))
    assert_close(found.y, textbook(case, layer, pool, x)[0])


def test_any_number_of_threads_gives_the_same_bits(rng: np.random.Generator) -> None:
    case = Case((2, 9, 8), 5, 3, {"padding": 1}, pool=2, activation=ReLU(), batch=61)
    any_number_of_threads(ConvPiece, case, rng)


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
