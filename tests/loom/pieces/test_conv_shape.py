"""Which pixels, taps and errors meet, against a convolution written out."""

from __future__ import annotations

from itertools import product

import pytest

from handloom.loom.kernels.convolution.shape import Convolution, meetings, stretches
from handloom.loom.kernels.convolution.tile import forward_tile, input_tile, weight_tile
from handloom.loom.language.machine import avx2, host


def shape_of(width: int, kernel: int, stride: int, before: int, columns: int) -> Convolution:
    return Convolution(6, 5, (3, kernel), (1, stride), (0, before), 8, width, 6, columns, (2, 1))


SHAPES = [
    shape_of(width, kernel, stride, before, (width + 2 * before - kernel) // stride + 1)
    for width in (1, 5, 12)
    for kernel in (1, 3, 5)
    for stride in (1, 2, 3)
    for before in (0, 2)
    if width + 2 * before >= kernel
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("strides", [1, 2, 4])
def test_stretches_join_each_pixel_to_its_errors_once(shape: Convolution, strides: int) -> None:
    stride, kernel, before = shape.stride[1], shape.kernel[1], shape.before[1]
    found: list[tuple[int, int, int]] = []
    seen: list[int] = []
    pixels = strides * stride
    for stretch in stretches(shape, pixels):
        for start in range(stretch.start, stretch.start + stretch.count * pixels, pixels):
            seen += range(start, start + stretch.pixels)
            for j, uses in enumerate(stretch.uses):
                found += [(start + i, j, start // stride + q) for i, q in uses]
    assert seen == list(range(shape.width))
    wanted = [
        (q * stride + j - before, j, q)
        for q, j in product(range(shape.columns), range(kernel))
        if 0 <= q * stride + j - before < shape.width
    ]
    assert sorted(found) == sorted(wanted)


def test_border_is_as_far_as_windows_reach() -> None:
    for shape in SHAPES:
        last = (shape.columns - 1) * shape.stride[1] + shape.kernel[1] - 1 - shape.before[1]
        assert shape.border == max(0, shape.before[1], last - (shape.width - 1))


def test_meetings_pair_every_error_with_every_tap() -> None:
    met = meetings((2, 1), (3, 2), (2, 2))
    pairs = [(place, error, tap) for place, both in met for error, tap in both]
    assert len(pairs) == len(set(pairs)) == 4 * 6
    for (i, j), error, tap in pairs:
        assert (i, j) == (error // 2 * 2 + tap // 2, error % 2 + tap % 2)
    assert len({place for place, _ in met}) == len(met)


@pytest.mark.parametrize("machine", [host(), avx2()], ids=["host", "avx2"])
def test_tiles_fit_the_registers(machine) -> None:
    for shape in SHAPES:
        filters, across = forward_tile(machine, shape)
        assert filters <= shape.filters
        assert across <= shape.columns
        assert 2 * across * (filters + 1) < machine.registers
        channels, pixels = input_tile(machine, shape)
        assert shape.channels % channels == pixels % shape.stride[1] == 0
        assert pixels * (channels + 1) < machine.registers
        tile = weight_tile(machine, shape)
        assert tile.errors == shape.window
        sums = tile.filters * tile.channels * tile.rows * shape.kernel[1]
        assert sums + 2 * tile.filters < machine.registers
