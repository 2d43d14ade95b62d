from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from handloom.errors import ConfigError
from handloom.nn.layer import Parameter
from handloom.optim import clip_by_norm, clip_by_value, global_norm

SHAPES = {"weight": (6, 4), "bias": (6,), "scale": ()}


def with_gradients(rng: np.random.Generator, dtype: type = np.float64) -> dict[str, Parameter]:
    params = {name: Parameter(np.zeros(shape, dtype)) for name, shape in SHAPES.items()}
    for param in params.values():
        param.grad = np.array(rng.standard_normal(param.shape), dtype)
    return params


def torch_tensors(params: dict[str, Parameter]) -> list[torch.Tensor]:
    tensors = [torch.tensor(param.value, requires_grad=True) for param in params.values()]
    for tensor, param in zip(tensors, params.values(), strict=True):
        tensor.grad = torch.tensor(param.grad)
    return tensors


@pytest.mark.parametrize("max_norm", [0.5, 3.0, 10.0, 1e3])
def test_clip_by_norm_equals_torch(max_norm: float, rng: np.random.Generator) -> None:
    params = with_gradients(rng)
    arrays = [param.grad for param in params.values()]
    tensors = torch_tensors(params)
    norm = clip_by_norm(params, max_norm)
    assert norm == pytest.approx(
        torch.nn.utils.clip_grad_norm_(tensors, max_norm).item(), rel=1e-12
    )
    for param, array, tensor in zip(params.values(), arrays, tensors, strict=True):
        assert param.grad is array
        assert tensor.grad is not None
        np.testing.assert_allclose(param.grad, tensor.grad.numpy(), rtol=1e-12)
    assert 3.0 < norm < 10.0  # so that the limits lie on both sides
    assert global_norm(params) == pytest.approx(min(norm, max_norm), rel=1e-5)


def test_clip_by_value_equals_torch(rng: np.random.Generator) -> None:
    params = with_gradients(rng, np.float32)
    tensors = torch_tensors(params)
    clip_by_value(params, 0.3)
    torch.nn.utils.clip_grad_value_(tensors, 0.3)
    for param, tensor in zip(params.values(), tensors, strict=True):
        assert tensor.grad is not None
        assert param.grad.dtype == np.float32
        np.testing.assert_array_equal(param.grad, tensor.grad.numpy())


def test_a_norm_of_float32_gradients_is_good_to_float32(rng: np.random.Generator) -> None:
    param = Parameter(np.zeros((1000, 784), np.float32))
    param.grad = rng.standard_normal(param.shape).astype(np.float32)
    exact = np.linalg.norm(param.grad.astype(np.float64))
    assert global_norm({"w": param}) == pytest.approx(exact, rel=1e-6)


def test_finite_gradients_whose_squares_overflow_are_clipped() -> None:
    param = Parameter(np.zeros(4, np.float32))
    param.grad = np.full(4, 1e30, np.float32)
    assert clip_by_norm({"w": param}, 1.0) == pytest.approx(2e30, rel=1e-6)
    np.testing.assert_allclose(param.grad, 0.5, rtol=1e-6)


@pytest.mark.parametrize("bad", [math.inf, math.nan])
def test_a_norm_that_is_not_finite_is_returned_and_nothing_scaled(bad: float) -> None:
    param = Parameter(np.zeros(3))
    param.grad = np.array([1.0, bad, 2.0])
    np.testing.assert_equal(clip_by_norm({"w": param}, 1.0), bad)
    np.testing.assert_array_equal(param.grad, [1.0, bad, 2.0])


@pytest.mark.parametrize("limit", [0.0, -1.0, math.inf, math.nan])
def test_a_limit_that_cannot_be_is_told(limit: float, rng: np.random.Generator) -> None:
    params = with_gradients(rng)
    with pytest.raises(ConfigError, match=r"max_norm has to be a number in \(0, ∞\)"):
        clip_by_norm(params, limit)
    with pytest.raises(ConfigError, match=r"max_value has to be a number in \(0, ∞\)"):
        clip_by_value(params, limit)
