from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.random import Generator

from handloom.errors import ShapeError
from handloom.models import lenet


def test_shapes_and_parameters_are_those_of_the_published_network(rng: Generator) -> None:
    network = lenet((1, 28, 28), 10, rng=rng)
    shape, shapes = (1, 28, 28), []
    for layer in network:
        shape = layer.output_shape(shape)
        shapes.append(shape)
    assert shapes[::3][:3] == [(6, 24, 24), (16, 8, 8), (256,)]
    assert shapes[2] == (6, 12, 12)
    assert shapes[5] == (16, 4, 4)
    assert shapes[7::2] == [(128,), (64,), (10,)]
    convolutions, linears = 156 + 2_416, 32_896 + 8_256 + 650
    assert network.num_parameters() == convolutions + linears


def test_outputs_are_those_of_the_same_network_in_torch(rng: Generator) -> None:
    network = lenet((3, 20, 18), 4, channels=(5, 7), kernel_size=3, hidden=(9,), rng=rng)
    blocks: list[torch.nn.Module] = []
    for before, after in ((3, 5), (5, 7)):
        blocks += [torch.nn.Conv2d(before, after, 3), torch.nn.LeakyReLU(), torch.nn.MaxPool2d(2)]
    blocks += [torch.nn.Flatten(), torch.nn.Linear(7 * 3 * 3, 9), torch.nn.LeakyReLU()]
    oracle = torch.nn.Sequential(*blocks, torch.nn.Linear(9, 4)).double()
    network.astype(np.float64)
    state: dict[str, Any] = {k: torch.from_numpy(v) for k, v in network.state_dict().items()}
    oracle.load_state_dict(state)
    x = rng.standard_normal((2, 3, 20, 18))
    expected = oracle(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(network.forward(x), expected, rtol=1e-12)


def test_a_picture_that_is_too_small_is_refused_with_the_layer(rng: Generator) -> None:
    with pytest.raises(ShapeError, match=r"layer 3: .* 5 × 5 .* 2 × 2"):
        lenet((1, 8, 8), 10, rng=rng)
