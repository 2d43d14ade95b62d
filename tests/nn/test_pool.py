"""The poolings against torch in float64, over a grid of their settings."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from numpy.random import Generator

from handloom import nn
from handloom.errors import ConfigError, ShapeError

Array = np.ndarray
F = torch.nn.functional


def assert_agrees_with_torch(layer: nn.Layer, function, x: Array, rng: Generator) -> None:
    """y and dx for a random dy, to 1e-10 of the largest number."""
    torch_x = torch.from_numpy(x).requires_grad_()
    torch_y = function(torch_x)
    y = layer.forward(x)
    assert y.shape == torch_y.shape == (len(x), *layer.output_shape(x.shape[1:]))
    dy = rng.standard_normal(y.shape)
    (torch_dx,) = torch.autograd.grad(torch_y, torch_x, torch.from_numpy(dy))
    for actual, expected in ((y, torch_y.detach()), (layer.backward(dy), torch_dx)):
        assert actual.shape == expected.shape
        assert np.abs(actual - expected.numpy()).max() <= 1e-10 * np.abs(expected.numpy()).max()


KERNELS = [1, 2, 3, (3, 2), (2, 5)]
STRIDES = [None, 1, 2, (3, 1)]
SIZES = [(6, 6), (7, 8), (9, 5)]


def paddings(kernel_size: int | tuple[int, int]) -> list[int | tuple[int, int]]:
    height, width = np.broadcast_to(kernel_size, 2).tolist()
    return [0, (height // 2, 0), (height // 2, width // 2)]


@pytest.mark.parametrize("kernel_size", KERNELS)
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("num_pictures", [1, 3])
def test_max_agrees_with_torch(kernel_size, stride, num_pictures: int, rng: Generator) -> None:
    for size, padding, dilation, ceil_mode in itertools.product(
        SIZES, paddings(kernel_size), (1, 2, (1, 2)), (False, True)
    ):
        settings = (kernel_size, stride, padding, dilation, ceil_mode)
        layer = nn.MaxPool2d(*settings)
        x = rng.standard_normal((num_pictures, 2, *size))

        def function(x, settings=settings):
            return F.max_pool2d(x, *settings)

        try:
            layer.output_shape((2, *size))
        except ShapeError:
            with pytest.raises(RuntimeError, match="Output size is too small"):
                function(torch.from_numpy(x))
        else:
            assert_agrees_with_torch(layer, function, x, rng)


@pytest.mark.parametrize("kernel_size", KERNELS)
@pytest.mark.parametrize("stride", STRIDES)
@pytest.mark.parametrize("num_pictures", [1, 3])
def test_mean_agrees_with_torch(kernel_size, stride, num_pictures: int, rng: Generator) -> None:
    for size, padding, ceil_mode, count_include_pad in itertools.product(
        SIZES, paddings(kernel_size), (False, True), (False, True)
    ):
        settings = (kernel_size, stride, padding, ceil_mode, count_include_pad)
        x = rng.standard_normal((num_pictures, 2, *size))

        def function(x, settings=settings):
            return F.avg_pool2d(x, *settings)

        assert_agrees_with_torch(nn.AvgPool2d(*settings), function, x, rng)


@pytest.mark.parametrize("shape", [(1, 3, 4, 5), (4, 2, 1, 7), (3, 1, 1, 1)])
def test_global_mean_agrees_with_torch(shape: tuple[int, ...], rng: Generator) -> None:
    def function(x):
        return F.adaptive_avg_pool2d(x, 1).flatten(1)

    assert_agrees_with_torch(nn.GlobalAvgPool2d(), function, rng.standard_normal(shape), rng)


@pytest.mark.parametrize(("kernel_size", "stride", "padding"), [(2, 2, 0), (3, 1, 1), (3, 2, 1)])
def test_of_equal_numbers_the_first_takes_the_gradient(
    kernel_size: int, stride: int, padding: int, rng: Generator
) -> None:
    x = rng.integers(-1, 2, (3, 2, 8, 9)).astype(np.float64)
    layer = nn.MaxPool2d(kernel_size, stride, padding)

    def function(x):
        return F.max_pool2d(x, kernel_size, stride, padding)

    assert_agrees_with_torch(layer, function, x, rng)
    assert_agrees_with_torch(layer, function, np.zeros_like(x), rng)


def test_a_tie_by_hand() -> None:
    layer = nn.MaxPool2d(2)
    x = np.array([[[[1, 5, 3, 3], [5, 5, 3, 3]]]], np.float32)
    assert layer.forward(x).tolist() == [[[[5, 3]]]]
    dx = layer.backward(np.array([[[[7, 9]]]], np.float32))
    assert dx.tolist() == [[[[0, 7, 9, 0], [0, 0, 0, 0]]]]


@pytest.mark.parametrize(
    "layer",
    [
        nn.MaxPool2d(2),
        nn.MaxPool2d(3, 2, 1, ceil_mode=True),
        nn.AvgPool2d(2),
        nn.AvgPool2d(3, 2, 1, count_include_pad=False),
        nn.GlobalAvgPool2d(),
    ],
    ids=repr,
)
def test_float32_stays_float32(layer: nn.Layer, rng: Generator) -> None:
    y = layer.forward(rng.standard_normal((2, 3, 6, 6), np.float32))
    assert y.dtype == layer.backward(np.ones_like(y)).dtype == np.float32


def test_keeps_nothing_where_no_gradient_is_needed(rng: Generator) -> None:
    network = nn.Sequential(nn.MaxPool2d(2), nn.AvgPool2d(2), nn.GlobalAvgPool2d())
    network.skip_input_gradient()
    y = network.forward(rng.standard_normal((2, 3, 8, 8)))
    assert network.backward(np.ones_like(y)) is nn.NO_GRADIENT


@pytest.mark.parametrize("kind", [nn.MaxPool2d, nn.AvgPool2d])
def test_refuses_an_input_that_does_not_fit(kind: type[nn.MaxPool2d]) -> None:
    layer = kind(3)
    with pytest.raises(ShapeError, match=r"expects \(C, H, W\), got \(12,\)"):
        layer.forward(np.zeros((2, 12), np.float32))
    with pytest.raises(ShapeError, match=r"spans 3 × 3 pixels expects .* got 2 × 8"):
        layer.output_shape((1, 2, 8))


def test_global_mean_refuses_an_input_that_does_not_fit() -> None:
    with pytest.raises(ShapeError, match=r"expects \(C, H, W\), got \(12,\)"):
        nn.GlobalAvgPool2d().forward(np.zeros((2, 12), np.float32))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel_size": 0}, "kernel_size is one or two integers of at least 1, got 0"),
        ({"stride": (1, 0)}, r"stride is one or two integers of at least 1, got \(1, 0\)"),
        ({"padding": -1}, "padding is one or two integers of at least 0, got -1"),
        ({"padding": 2}, "got padding 2 for a window of 3"),
    ],
)
@pytest.mark.parametrize("kind", [nn.MaxPool2d, nn.AvgPool2d])
def test_refuses_settings_that_cannot_be(
    kind: type[nn.MaxPool2d], settings: dict, message: str
) -> None:
    with pytest.raises(ConfigError, match=f"{kind.__name__} {message}|{message}"):
        kind(**{"kernel_size": 3, **settings})


def test_describes_itself() -> None:
    assert repr(nn.MaxPool2d(2)) == "MaxPool2d(2)"
    assert nn.MaxPool2d((3, 2), 2, 1, 2, True).describe() == (
        "(3, 2), stride=2, padding=1, dilation=2, ceil_mode=True"
    )
    assert nn.AvgPool2d(3, count_include_pad=False).describe() == "3, count_include_pad=False"
