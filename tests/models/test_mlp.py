from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.random import Generator

from handloom import nn
from handloom.errors import ShapeError
from handloom.models import mlp


@pytest.mark.parametrize(
    ("hidden", "num_parameters"),
    [
        ((256, 128), 235_146),
        ((512, 128), 468_874),
        ((1000,), 795_010),
        ((), 7_850),
    ],
)
def test_parameters_are_as_many_as_published(
    hidden: tuple[int, ...], num_parameters: int, rng: Generator
) -> None:
    network = mlp((1, 28, 28), 10, hidden=hidden, rng=rng)
    assert network.num_parameters() == num_parameters
    assert network.output_shape((1, 28, 28)) == (10,)


@pytest.mark.parametrize(
    ("activation", "theirs"),
    [
        ("relu", torch.nn.ReLU()),
        ("leaky-relu", torch.nn.LeakyReLU(0.3)),
        ("elu", torch.nn.ELU()),
        ("gelu", torch.nn.GELU()),
        ("silu", torch.nn.SiLU()),
        ("sigmoid", torch.nn.Sigmoid()),
        ("tanh", torch.nn.Tanh()),
    ],
)
def test_outputs_are_those_of_the_same_network_in_torch(
    activation: str, theirs: torch.nn.Module, rng: Generator
) -> None:
    network = mlp(
        (3, 4, 4),
        5,
        hidden=(7, 6),
        activation=activation,
        negative_slope=0.3,
        norm="layer",
        dropout=0.5,
        rng=rng,
        dtype=np.float64,
    )
    blocks = [torch.nn.Flatten()]
    for features, width in ((48, 7), (7, 6)):
        linear = torch.nn.Linear(features, width, bias=False)
        blocks += [linear, torch.nn.LayerNorm(width), theirs, torch.nn.Dropout()]
    oracle = torch.nn.Sequential(*blocks, torch.nn.Linear(6, 5)).double().eval()
    # Names and shapes are PyTorch's too, which load_state_dict(strict) checks.
    state: dict[str, Any] = {k: torch.from_numpy(v) for k, v in network.state_dict().items()}
    oracle.load_state_dict(state)
    x = rng.standard_normal((4, 3, 4, 4))
    expected = oracle(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(network.eval().forward(x), expected, rtol=1e-12)


def test_layers_stand_in_the_order_that_the_docstring_tells(rng: Generator) -> None:
    network = mlp((1, 8, 8), 3, hidden=(5,), norm="batch", dropout=0.1, rng=rng)
    kinds = [nn.Flatten, nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Dropout, nn.Linear]
    assert [type(layer) for layer in network] == kinds
    assert "1.bias" not in network.named_parameters()


@pytest.mark.parametrize(
    ("activation", "variance"), [("relu", 2 / 500), ("tanh", 2 / 1000), ("sigmoid", 2 / 1000)]
)
def test_weights_suit_the_activation(activation: str, variance: float, rng: Generator) -> None:
    network = mlp((1, 20, 25), 10, hidden=(500,), activation=activation, rng=rng)
    parameters = network.named_parameters()
    assert parameters["1.weight"].value.var() == pytest.approx(variance, rel=0.02)
    assert parameters["3.weight"].value.var() == pytest.approx(1 / 500, rel=0.1)
    zero = mlp((1, 20, 25), 10, hidden=(500,), init="zeros", rng=rng)
    assert not any(parameter.value.any() for parameter in zero.named_parameters().values())


def test_what_cannot_be_is_refused(rng: Generator) -> None:
    with pytest.raises(ShapeError, match=r"layer 1: .* GiB; at most"):
        mlp((1, 28, 28), 10, hidden=(10**9,), rng=rng)
    with pytest.raises(ShapeError, match="layer 2: 'step' is not a kind of layer"):
        mlp((1, 28, 28), 10, hidden=(4,), activation="step", rng=rng)
