"""The norms against torch in float64: outputs, gradients, running statistics, evaluation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.random import Generator

from handloom import nn
from handloom.errors import ConfigError, ShapeError

Array = np.ndarray
BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d


def assert_close(actual: Array, expected: Array, tolerance: float = 1e-10) -> None:
    assert actual.shape == expected.shape
    assert np.abs(actual - expected).max() <= tolerance * np.abs(expected).max()


def twins(ours: nn.Layer, theirs: torch.nn.Module, rng: Generator) -> None:
    """Give both the same random parameters and buffers, in float64."""
    ours.astype(np.float64)
    for parameter in ours.named_parameters().values():
        parameter.value += 0.5 * rng.standard_normal(parameter.shape)
    for buffer in ours.named_buffers().values():
        buffer += rng.random(buffer.shape)
    state = {name: torch.from_numpy(array) for name, array in ours.state_dict().items()}
    theirs.double().load_state_dict(state, strict=False)


def assert_one_step_agrees(
    ours: nn.Layer, theirs: torch.nn.Module, x: Array, rng: Generator
) -> None:
    """y, dx, the parameters' gradients and the running statistics of one training step."""
    torch_x = torch.from_numpy(x).requires_grad_()
    torch_y = theirs(torch_x)
    y = ours.forward(x)
    assert_close(y, torch_y.detach().numpy())

    dy = rng.standard_normal(y.shape)
    parameters = dict(theirs.named_parameters())
    torch_dx, *torch_grads = torch.autograd.grad(
        torch_y, [torch_x, *parameters.values()], torch.from_numpy(dy)
    )
    ours.zero_grad()
    assert_close(ours.backward(dy), torch_dx.numpy())
    for name, expected in zip(parameters, torch_grads, strict=True):
        assert_close(ours.named_parameters()[name].grad, expected.numpy())
    for name, buffer in ours.named_buffers().items():
        assert_close(buffer, theirs.state_dict()[name].numpy())


@pytest.mark.parametrize("eps", [1e-5, 1e-2])
@pytest.mark.parametrize("momentum", [0.0, 0.1, 1.0])
@pytest.mark.parametrize(
    "shape", [(2, 1), (7, 5), (2, 3, 1, 1), (1, 3, 4, 5), (3, 2, 7, 6)], ids=str
)
def test_batch_norm_agrees_with_torch(
    shape: tuple[int, ...], momentum: float, eps: float, rng: Generator
) -> None:
    ours, theirs = (
        (nn.BatchNorm1d, torch.nn.BatchNorm1d)
        if len(shape) == 2
        else (nn.BatchNorm2d, torch.nn.BatchNorm2d)
    )
    layer = ours(shape[1], eps=eps, momentum=momentum)
    twin = theirs(shape[1], eps=eps, momentum=momentum)
    twins(layer, twin, rng)
    for step in range(3):
        assert_one_step_agrees(layer, twin, step + 2 * rng.standard_normal(shape), rng)

    x = rng.standard_normal(shape)
    before = layer.state_dict()
    assert_close(layer.eval().forward(x), twin.eval()(torch.from_numpy(x)).detach().numpy())
    for name, array in layer.state_dict().items():
        assert np.array_equal(array, before[name]), f"evaluation changed {name}"


@pytest.mark.parametrize("eps", [1e-5, 1e-2])
@pytest.mark.parametrize(
    ("shape", "normalized_shape"),
    [
        ((1, 6), 6),
        ((4, 5), (5,)),
        ((3, 2, 7), 7),
        ((2, 3, 4, 5), (3, 4, 5)),
        ((2, 3, 4, 5), (4, 5)),
    ],
)
def test_layer_norm_agrees_with_torch(shape, normalized_shape, eps: float, rng: Generator) -> None:
    layer = nn.LayerNorm(normalized_shape, eps=eps)
    twin = torch.nn.LayerNorm(normalized_shape, eps=eps)
    twins(layer, twin, rng)
    x = 1 + 2 * rng.standard_normal(shape)
    assert_one_step_agrees(layer, twin, x, rng)
    assert_close(layer.eval().forward(x), twin.eval()(torch.from_numpy(x)).detach().numpy())


def test_running_statistics_by_hand() -> None:
    layer = nn.BatchNorm1d(1, momentum=0.25, dtype=np.float64)
    layer.forward(np.array([[1.0], [3.0], [8.0]]))  # mean 4, unbiased variance 13
    assert layer.running_mean.tolist() == [0.25 * 4]
    assert layer.running_var.tolist() == [0.75 + 0.25 * 13]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.BatchNorm1d(4), (64, 4)),
        (nn.BatchNorm2d(4), (8, 4, 5, 5)),
        (nn.LayerNorm(64), (8, 64)),
    ],
    ids=["BatchNorm1d", "BatchNorm2d", "LayerNorm"],
)
def test_float32_is_exact_far_from_zero(layer: nn.Layer, shape, rng: Generator) -> None:
    x = (1000 + rng.standard_normal(shape)).astype(np.float32)
    expected = type(layer)(layer.named_parameters()["weight"].shape[0], dtype=np.float64)
    assert_close(layer.forward(x), expected.forward(x.astype(np.float64)), 1e-3)


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.BatchNorm1d(3), (4, 3)),
        (nn.BatchNorm2d(3), (2, 3, 4, 4)),
        (nn.LayerNorm((3, 4, 4)), (2, 3, 4, 4)),
    ],
    ids=["BatchNorm1d", "BatchNorm2d", "LayerNorm"],
)
def test_float32_stays_float32(layer: nn.Layer, shape, rng: Generator) -> None:
    x = rng.standard_normal(shape, np.float32)
    y = layer.forward(x)
    dx = layer.backward(np.ones_like(y))
    grads = [parameter.grad for parameter in layer.named_parameters().values()]
    arrays = [y, dx, *grads, *layer.state_dict().values(), layer.eval().forward(x)]
    assert {array.dtype for array in arrays} == {np.dtype(np.float32)}


@pytest.mark.parametrize(
    ("kind", "size", "shape"),
    [
        (nn.BatchNorm1d, 3, (4, 3)),
        (nn.BatchNorm2d, 3, (2, 3, 4, 4)),
        (nn.LayerNorm, (3, 2), (2, 3, 2)),
    ],
)
def test_without_input_gradient_the_others_are_unchanged(
    kind, size, shape: tuple[int, ...], rng: Generator
) -> None:
    x, dy = rng.standard_normal(shape), rng.standard_normal(shape)
    layer, skipping = kind(size, dtype=np.float64), kind(size, dtype=np.float64)
    skipping.skip_input_gradient()
    for each in (layer, skipping):
        each.forward(x)
    assert layer.backward(dy).shape == shape
    assert skipping.backward(dy) is nn.NO_GRADIENT
    for name, parameter in layer.named_parameters().items():
        assert np.array_equal(skipping.named_parameters()[name].grad, parameter.grad)


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(3), nn.BatchNorm2d(3), nn.LayerNorm(3)])
def test_no_parameter_of_a_norm_decays(layer: nn.Layer) -> None:
    assert [parameter.decay for parameter in layer.named_parameters().values()] == [False, False]


@pytest.mark.parametrize(
    ("layer", "shape", "message"),
    [
        (nn.BatchNorm1d(3), (4, 2), r"BatchNorm1d expects \(3,\), got \(2,\)"),
        (nn.BatchNorm1d(3), (4, 3, 2, 2), r"BatchNorm1d expects \(3,\), got \(3, 2, 2\)"),
        (nn.BatchNorm2d(3), (4, 2, 5, 5), r"BatchNorm2d expects \(3, H, W\), got \(2, 5, 5\)"),
        (nn.BatchNorm2d(3), (4, 3), r"BatchNorm2d expects \(3, H, W\), got \(3,\)"),
        (nn.LayerNorm((3, 4)), (2, 3, 5), r"LayerNorm expects .* \(3, 4\), got \(3, 5\)"),
        (nn.LayerNorm((3, 4)), (3, 4), r"LayerNorm expects .* \(3, 4\), got \(4,\)"),
        (nn.BatchNorm1d(3), (1, 3), "at least two values per channel in training, got one"),
        (nn.BatchNorm2d(3), (1, 3, 1, 1), "at least two values per channel in training, got one"),
    ],
)
def test_refuses_an_input_that_does_not_fit(layer: nn.Layer, shape, message: str) -> None:
    before = layer.state_dict()
    with pytest.raises(ShapeError, match=message):
        layer.forward(np.ones(shape, np.float32))
    for name, array in layer.state_dict().items():
        assert np.array_equal(array, before[name])


@pytest.mark.parametrize("eps", [0.0, -1.0, float("nan")])
def test_refuses_an_eps_that_is_not_positive(eps: float) -> None:
    with pytest.raises(ConfigError, match="eps of a norm has to be above 0"):
        nn.LayerNorm(3, eps=eps)


@pytest.mark.parametrize("momentum", [-0.1, 1.1])
def test_refuses_a_momentum_outside_its_range(momentum: float) -> None:
    with pytest.raises(ConfigError, match=r"BatchNorm2d momentum has to be in \[0, 1\]"):
        nn.BatchNorm2d(3, momentum=momentum)


def test_describes_itself() -> None:
    assert repr(nn.BatchNorm2d(64)) == "BatchNorm2d(64)"
    assert nn.BatchNorm1d(8, eps=1e-3, momentum=0.2).describe() == "8, eps=0.001, momentum=0.2"
    assert nn.LayerNorm((3, 4), eps=1e-3).describe() == "(3, 4), eps=0.001"
