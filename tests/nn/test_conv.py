"""Conv2d against torch in float64, over a grid of its settings."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from numpy.random import Generator

from handloom import nn
from handloom.errors import ConfigError, ShapeError
from handloom.nn import conv as conv_module

Array = np.ndarray


def build(rng: Generator, *args, **settings) -> nn.Conv2d:
    layer = nn.Conv2d(*args, rng=rng, dtype=np.float64, **settings)
    if layer.bias is not None:
        layer.bias.value += rng.standard_normal(layer.bias.shape)
    return layer


def assert_agrees_with_torch(layer: nn.Conv2d, x: Array, rng: Generator, **settings) -> None:
    """y, dx and the parameters' gradients for a random dy, to 1e-10 of the largest number."""
    parameters = [parameter.value for parameter in layer.named_parameters().values()]
    inputs = [torch.from_numpy(array).requires_grad_() for array in (x, *parameters)]
    torch_y = torch.nn.functional.conv2d(*inputs, **settings)

    y = layer.forward(x)
    dy = rng.standard_normal(y.shape)
    dx = layer.backward(dy)
    ours = [y, dx, *(parameter.grad for parameter in layer.named_parameters().values())]
    theirs = [torch_y.detach(), *torch.autograd.grad(torch_y, inputs, torch.from_numpy(dy))]
    for actual, expected in zip(ours, theirs, strict=True):
        assert actual.shape == expected.shape
        assert np.abs(actual - expected.numpy()).max() <= 1e-10 * np.abs(expected.numpy()).max()


@pytest.mark.parametrize("kernel_size", [1, 2, 3, (3, 2), (1, 5), 5])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("num_pictures", [1, 3])
def test_agrees_with_torch(
    kernel_size: int | tuple[int, int], groups: int, num_pictures: int, rng: Generator
) -> None:
    x = rng.standard_normal((num_pictures, 4, 9, 10))
    for stride, padding, dilation in itertools.product(
        (1, 2, (3, 1)), (0, 1, (2, 3)), (1, 2, (1, 2))
    ):
        settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups}
        layer = build(rng, 4, 8, kernel_size, **settings)
        assert_agrees_with_torch(layer, x, rng, **settings)


@pytest.mark.parametrize("size", [(5, 5), (6, 5), (5, 8), (12, 7)])
@pytest.mark.parametrize("stride", [1, 2, 3, 7])
def test_agrees_with_torch_where_the_windows_leave_pixels_over(
    size: tuple[int, int], stride: int, rng: Generator
) -> None:
    layer = build(rng, 3, 2, 3, stride=stride)
    assert_agrees_with_torch(layer, rng.standard_normal((2, 3, *size)), rng, stride=stride)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize("kernel_size", [1, 2, 3, (4, 3), 5])
@pytest.mark.parametrize("dilation", [1, 2, 3])
def test_same_padding_agrees_with_torch(
    kernel_size: int | tuple[int, int], dilation: int, rng: Generator
) -> None:
    layer = build(rng, 2, 3, kernel_size, padding="same", dilation=dilation)
    x = rng.standard_normal((2, 2, 6, 7))
    assert layer.output_shape((2, 6, 7)) == (3, 6, 7)
    assert_agrees_with_torch(layer, x, rng, padding="same", dilation=dilation)


def test_agrees_with_torch_without_bias(rng: Generator) -> None:
    layer = build(rng, 2, 3, 3, bias=False)
    assert list(layer.named_parameters()) == ["weight"]
    assert_agrees_with_torch(layer, rng.standard_normal((2, 2, 5, 5)), rng)


@pytest.mark.parametrize("strip_bytes", [1, 10_000])
def test_strips_change_nothing(
    strip_bytes: int, rng: Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(conv_module, "_STRIP_BYTES", strip_bytes)
    x = rng.standard_normal((2, 4, 11, 9))
    for stride, padding, dilation in itertools.product((1, 2, 3), (0, 2), (1, 2)):
        settings = {"stride": stride, "padding": padding, "dilation": dilation, "groups": 2}
        layer = build(rng, 4, 6, (3, 2), **settings)
        assert_agrees_with_torch(layer, x, rng, **settings)


def test_one_picture_by_hand(rng: Generator) -> None:
    layer = nn.Conv2d(1, 1, 2, rng=rng, stride=1)
    layer.weight.value[...] = [[[[1, 2], [3, 4]]]]
    assert layer.bias is not None
    layer.bias.value[...] = 10
    x = np.array([[[[1, 0, 2], [0, 1, 0]]]], np.float32)
    assert layer.forward(x).tolist() == [[[[10 + 1 + 4, 10 + 4 + 3]]]]
    assert layer.backward(np.array([[[[1, 100]]]], np.float32)).tolist() == [
        [[[1, 2 + 100, 200], [3, 4 + 300, 400]]]
    ]
    assert layer.weight.grad.tolist() == [[[[1, 200], [100, 1]]]]
    assert layer.bias.grad.tolist() == [101]


@pytest.mark.parametrize("padding", [0, 1, "same"])
def test_without_input_gradient_the_others_are_unchanged(padding, rng: Generator) -> None:
    layer = build(rng, 2, 4, 3, padding=padding, groups=2)
    x = rng.standard_normal((3, 2, 6, 6))
    dy = rng.standard_normal(layer.forward(x).shape)
    layer.backward(dy)
    expected = {name: parameter.grad for name, parameter in layer.named_parameters().items()}

    layer.zero_grad()
    layer.skip_input_gradient()
    layer.forward(x)
    assert layer.backward(dy) is nn.NO_GRADIENT
    for name, parameter in layer.named_parameters().items():
        assert np.array_equal(parameter.grad, expected[name])


@pytest.mark.parametrize(
    "settings", [{}, {"stride": 2, "padding": 1}, {"padding": "same", "dilation": 2}, {"groups": 2}]
)
def test_float32_stays_float32(settings: dict, rng: Generator) -> None:
    layer = nn.Conv2d(4, 4, 3, rng=rng, **settings)
    y = layer.forward(rng.standard_normal((2, 4, 8, 8), np.float32))
    dx = layer.backward(np.ones_like(y))
    parameters = layer.named_parameters().values()
    arrays = [y, dx, *(p.value for p in parameters), *(p.grad for p in parameters)]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


def test_weights_decay_and_biases_do_not(rng: Generator) -> None:
    decays = {name: p.decay for name, p in build(rng, 1, 2, 3).named_parameters().items()}
    assert decays == {"weight": True, "bias": False}


@pytest.mark.parametrize(
    ("x_shape", "message"),
    [
        ((2, 1, 8, 8), r"expects \(3, H, W\), got \(1, 8, 8\)"),
        ((2, 3, 8), r"expects \(3, H, W\), got \(3, 8\)"),
        ((2, 3, 4, 8), r"spans 5 × 5 pixels expects .* got 4 × 8"),
        ((2, 3, 8, 4), r"spans 5 × 5 pixels expects .* got 8 × 4"),
    ],
)
def test_refuses_an_input_that_does_not_fit(
    x_shape: tuple[int, ...], message: str, rng: Generator
) -> None:
    layer = nn.Conv2d(3, 2, 3, rng=rng, dilation=2)
    with pytest.raises(ShapeError, match=message):
        layer.forward(np.zeros(x_shape, np.float32))
    with pytest.raises(ShapeError, match=message):
        layer.output_shape(x_shape[1:])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel_size": 0}, "kernel_size is one or two integers of at least 1, got 0"),
        ({"kernel_size": 2.5}, "kernel_size is one or two integers of at least 1, got 2.5"),
        ({"kernel_size": (3, 3, 3)}, r"kernel_size is one or two integers .* got \(3, 3, 3\)"),
        ({"stride": 0}, "stride is one or two integers of at least 1, got 0"),
        ({"padding": -1}, "padding is one or two integers of at least 0, got -1"),
        ({"dilation": 0}, "dilation is one or two integers of at least 1, got 0"),
        ({"groups": 3}, "groups=3 for 4 -> 6"),
        ({"groups": 0}, "groups=0 for 4 -> 6"),
        ({"in_channels": 0}, "groups=1 for 0 -> 6"),
        ({"padding": "valid"}, "got 'valid' with stride 1"),
        ({"padding": "same", "stride": 2}, "got 'same' with stride 2"),
    ],
)
def test_refuses_settings_that_cannot_be(settings: dict, message: str, rng: Generator) -> None:
    with pytest.raises(ConfigError, match=message):
        nn.Conv2d(rng=rng, **{"in_channels": 4, "out_channels": 6, "kernel_size": 3, **settings})


def test_describes_itself(rng: Generator) -> None:
    assert repr(nn.Conv2d(1, 6, 5, rng=rng)) == "Conv2d(1, 6, 5)"
    layer = nn.Conv2d(
        4, 6, (3, 5), rng=rng, stride=2, padding=(1, 2), dilation=3, groups=2, bias=False
    )
    assert layer.describe() == (
        "4, 6, (3, 5), stride=2, padding=(1, 2), dilation=3, groups=2, bias=False"
    )
