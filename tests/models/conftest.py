"""What the tests of networks share: a twin in torch to agree with, weights that cost nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.random import Generator

from handloom import nn

Compare = Callable[[nn.Sequential, torch.nn.Module, tuple[int, ...]], None]


def assert_close(ours: np.ndarray, theirs: torch.Tensor | None, what: str) -> None:
    assert theirs is not None, what
    expected = theirs.detach().numpy()
    assert ours.shape == expected.shape, what
    assert np.abs(ours - expected).max() <= 1e-10 * np.abs(expected).max(), what


@pytest.fixture
def agree(rng: Generator) -> Compare:
    """Outputs, all gradients, running statistics and predictions of a network and its twin.

    The twin is a module of another make whose parameters and buffers stand in the same order.
    """

    def compare(network: nn.Sequential, twin: torch.nn.Module, shape: tuple[int, ...]) -> None:
        network.astype(np.float64)
        twin.double()
        parameters = network.named_parameters()
        for parameter in parameters.values():  # so that no γ is 1 and no β 0
            parameter.value += 0.1 * rng.standard_normal(parameter.shape)
        pairs = list(zip(parameters.items(), twin.parameters(), strict=True))
        with torch.no_grad():
            for (_, ours), theirs in pairs:
                theirs.copy_(torch.from_numpy(ours.value))
        x = rng.standard_normal(shape)
        torch_x = torch.from_numpy(x).requires_grad_()
        y, torch_y = network.forward(x), twin(torch_x)
        assert_close(y, torch_y, "output")
        dy = rng.standard_normal(y.shape)
        torch_y.backward(torch.from_numpy(dy))
        assert_close(network.backward(dy), torch_x.grad, "input's gradient")
        for (name, ours), theirs in pairs:
            assert_close(ours.grad, theirs.grad, name)
        statistics = [each for each in twin.buffers() if each.ndim]  # not num_batches_tracked
        for (name, ours), theirs in zip(network.named_buffers().items(), statistics, strict=True):
            assert_close(ours, theirs, name)
        assert_close(network.eval().forward(x), twin.eval()(torch_x), "prediction")

    return compare


class Blank:
    """Stands for a generator where weights only have to be counted."""

    standard_normal = staticmethod(np.zeros)


@pytest.fixture
def blank() -> Any:
    return Blank()
