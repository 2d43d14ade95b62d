"""Activations far out, against torch and against the standard library's erfc."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch.nn import functional

from handloom import nn
from handloom.errors import ConfigError
from handloom.nn._erfc import erfc
from handloom.nn.activation import sigmoid

ACTIVATIONS = [
    (nn.ReLU(), functional.relu),
    (nn.LeakyReLU(0.1), lambda x: functional.leaky_relu(x, 0.1)),
    (nn.ELU(), functional.elu),
    (nn.GELU(), functional.gelu),
    (nn.GELU("tanh"), lambda x: functional.gelu(x, approximate="tanh")),
    (nn.SiLU(), functional.silu),
    (nn.Sigmoid(), torch.sigmoid),
    (nn.Tanh(), torch.tanh),
]
NAMES = [str(layer) for layer, _ in ACTIVATIONS]
FAR = [0.0, 1e-8, 0.3, 1.0, 5.0, 20.0, 100.0, 1e4]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("layer", "torch_function"), ACTIVATIONS, ids=NAMES)
def test_is_safe_and_right_far_out(layer: nn.Layer, torch_function, dtype: type) -> None:
    x = np.array([[-value for value in FAR], FAR], dtype)
    torch_x = torch.from_numpy(x).requires_grad_()
    torch_y = torch_function(torch_x)
    torch_y.sum().backward()
    assert torch_x.grad is not None
    with np.errstate(over="raise", invalid="raise", divide="raise"):  # even if the result is right
        y = layer.forward(x)
        dx = layer.backward(np.ones_like(y))
    tolerance = 4e-6 if dtype is np.float32 else 1e-14
    np.testing.assert_allclose(y, torch_y.detach().numpy(), rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(dx, torch_x.grad.numpy(), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("layer", [layer for layer, _ in ACTIVATIONS], ids=NAMES)
def test_not_a_number_stays_one(layer: nn.Layer) -> None:
    assert np.isnan(layer.forward(np.array([[np.nan]]))).all()


def test_relu_has_slope_zero_at_zero() -> None:
    layer = nn.ReLU()
    layer.forward(np.zeros((1, 3)))
    assert not layer.backward(np.ones((1, 3))).any()


def test_erfc_is_right_to_rounding_on_every_interval() -> None:
    x = np.linspace(-7.0, 26.0, 20_001)
    expected = np.array([math.erfc(value) for value in x])
    np.testing.assert_allclose(erfc(x), expected, rtol=2e-15, atol=0)
    joints = np.array([0.46875, np.nextafter(0.46875, 1), 4.0, np.nextafter(4.0, 5)])
    np.testing.assert_allclose(erfc(joints), [math.erfc(x) for x in joints], rtol=1e-15)


def test_erfc_ends_at_zero_and_two() -> None:
    assert erfc(np.array([30.0, 1e300, np.inf, 0.0, -1e300, -np.inf])).tolist() == [
        0,
        0,
        0,
        1,
        2,
        2,
    ]


def test_sigmoid_keeps_the_digits_of_small_values() -> None:
    np.testing.assert_allclose(sigmoid(np.array([-700.0])), math.exp(-700), rtol=1e-14)


def test_gelu_refuses_an_unknown_approximation() -> None:
    with pytest.raises(ConfigError, match="'none' or 'tanh', got 'erf'"):
        nn.GELU("erf")  # type: ignore[arg-type]
