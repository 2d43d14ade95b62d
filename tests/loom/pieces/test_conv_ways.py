"""Which way a convolution goes: by what it costs, and as a network has it."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from harness import AVX2
from networks import NETWORKS, network

from handloom import nn
from handloom.loom.language.machine import Machine, avx512
from handloom.loom.network import chain
from handloom.loom.network.plan import Plan, Request
from handloom.loom.pieces.convolution.direct import ConvPiece
from handloom.loom.pieces.gather import Pictures
from handloom.loom.pieces.winograd.fused import WinogradFusedPiece
from handloom.loom.pieces.winograd.lines import WinogradLinesPiece

DIRECT, LINES, TILES = ConvPiece, WinogradLinesPiece, WinogradFusedPiece


@pytest.mark.parametrize(
    ("machine", "shape", "filters", "kernel", "options", "pool", "first", "inner"),
    [
        (avx512(), (1, 28, 28), 6, 5, {}, 2, LINES, LINES),
        (avx512(), (1, 28, 28), 32, 5, {"padding": 2}, 2, LINES, LINES),
        (avx512(), (1, 28, 28), 32, 3, {}, 2, LINES, LINES),
        (avx512(), (3, 32, 32), 64, 3, {"padding": 1}, 2, LINES, TILES),
        (avx512(), (6, 12, 12), 16, (3, 5), {}, None, LINES, LINES),
        (avx512(), (3, 32, 32), 16, 5, {"padding": 2}, 2, TILES, TILES),
        (avx512(), (6, 12, 12), 16, 5, {}, 2, TILES, TILES),
        (avx512(), (6, 12, 12), 16, 5, {}, None, TILES, TILES),
        (avx512(), (6, 14, 14), 16, 4, {}, None, LINES, TILES),
        (avx512(), (32, 14, 14), 64, 5, {"padding": 2}, 2, TILES, TILES),
        (avx512(), (6, 12, 12), 16, 5, {"stride": 2}, None, DIRECT, DIRECT),
        (avx512(), (6, 12, 12), 16, 8, {}, None, DIRECT, DIRECT),
        (avx512(), (6, 12, 12), 16, 1, {}, None, DIRECT, DIRECT),
        (avx512(), (6, 5, 5), 16, 5, {}, None, DIRECT, DIRECT),
        (avx512(), (1, 28, 28), 6, 5, {}, 3, DIRECT, DIRECT),
        (AVX2, (1, 28, 28), 6, 5, {}, 2, LINES, TILES),
        (AVX2, (1, 28, 28), 32, 3, {}, 2, DIRECT, DIRECT),
        (AVX2, (6, 12, 12), 16, 5, {}, 2, TILES, TILES),
        (AVX2, (3, 32, 32), 16, 3, {"padding": 1}, None, TILES, TILES),
    ],
)
def test_the_way_that_costs_least(
    machine: Machine, shape: tuple[int, int, int], filters: int, kernel: Any,
    options: dict[str, Any], pool: int | None, first: type[ConvPiece], inner: type[ConvPiece],
    rng: np.random.Generator,
) -> None:  # fmt: skip
    """As measured: lines for the few channels of a first layer, tiles where there are more, neither
    for strides and single pixels, nor for windows that are no part of them."""
    layers: list[nn.Layer] = [nn.Conv2d(shape[0], filters, kernel, rng=rng, **options)]
    layers += [nn.MaxPool2d(pool)] if pool else []
    named = list(chain.in_a_row("", nn.Sequential(*layers, nn.GlobalAvgPool2d())))
    for training, input_errors in product((True, False), repeat=2):
        request = Request(shape, 32, Pictures(), training=training, input_errors=input_errors)
        assert type(Plan(named, machine, request).pieces[0]) is (inner if input_errors else first)


def test_whole_networks_have_each() -> None:
    """So that all that is said about NETWORKS is said about them."""
    kinds = set()
    for name, (shape, *_) in NETWORKS.items():
        layers = list(chain.in_a_row("", network(name)))
        plan = Plan(layers, avx512(), Request(shape, 16, Pictures()))
        kinds |= {type(piece) for piece in plan.pieces}
    assert {DIRECT, LINES, TILES} <= kinds
