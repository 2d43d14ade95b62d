"""The table of layers for the contract suite: what to build, an input, and the torch twin."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.random import Generator
from torch import nn as tnn

from handloom import nn


class TorchResidual(tnn.Module):
    def __init__(self, body: tnn.Module, shortcut: tnn.Module) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x) + self.shortcut(x)


class TorchParallel(tnn.ModuleList):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(x) for branch in self], dim=1)


class TorchDropout(tnn.Module):
    """The textbook's formula with the mask of our layer, which another generator cannot draw."""

    def __init__(self, layer: nn.Dropout) -> None:
        super().__init__()
        self.layer = layer

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training:
            return x
        return x * torch.from_numpy(self.layer.keep_mask(tuple(x.shape))) / (1 - self.layer.p)


class Case(NamedTuple):
    """A layer to build from a generator, an input for it, and the torch module that is its twin."""

    build: Callable[[Generator], nn.Layer]
    input_shape: tuple[int, ...]  # with N in front
    twin: Callable[[nn.Layer], tnn.Module]  # its parameters are overwritten with the layer's


def same(ours: type[nn.Layer], theirs: type[tnn.Module], shape: tuple[int, ...], *settings) -> Case:
    return Case(lambda _: ours(*settings), shape, lambda _: theirs(*settings))


def linear(rng: Generator, bias: bool = True) -> nn.Linear:
    return nn.Linear(5, 4, rng=rng, bias=bias)


def conv(rng: Generator, **settings) -> nn.Conv2d:
    return nn.Conv2d(4, 6, rng=rng, **settings)


CASES: dict[type[nn.Layer], list[Case]] = {
    nn.Linear: [
        Case(linear, (3, 5), lambda _: tnn.Linear(5, 4)),
        Case(lambda rng: linear(rng, False), (3, 5), lambda _: tnn.Linear(5, 4, bias=False)),
    ],
    nn.Conv2d: [
        Case(
            lambda rng: conv(rng, kernel_size=3),
            (2, 4, 6, 5),
            lambda _: tnn.Conv2d(4, 6, 3),
        ),
        Case(
            lambda rng: conv(
                rng, kernel_size=(3, 2), stride=(2, 1), padding=(1, 2), dilation=2, groups=2
            ),
            (2, 4, 9, 8),
            lambda _: tnn.Conv2d(4, 6, (3, 2), (2, 1), (1, 2), 2, groups=2),
        ),
        Case(
            lambda rng: conv(rng, kernel_size=3, padding="same", bias=False),
            (2, 4, 5, 6),
            lambda _: tnn.Conv2d(4, 6, 3, padding="same", bias=False),
        ),
    ],
    nn.MaxPool2d: [
        same(nn.MaxPool2d, tnn.MaxPool2d, (2, 3, 6, 6), 2),
        Case(
            lambda _: nn.MaxPool2d(3, 2, 1, dilation=2, ceil_mode=True),
            (2, 3, 8, 9),
            lambda _: tnn.MaxPool2d(3, 2, 1, dilation=2, ceil_mode=True),
        ),
    ],
    nn.AvgPool2d: [
        same(nn.AvgPool2d, tnn.AvgPool2d, (2, 3, 6, 6), 2),
        same(nn.AvgPool2d, tnn.AvgPool2d, (2, 3, 7, 8), 3, 2, 1, True, False),
    ],
    nn.GlobalAvgPool2d: [
        Case(
            lambda _: nn.GlobalAvgPool2d(),
            (2, 3, 4, 5),
            lambda _: tnn.Sequential(tnn.AdaptiveAvgPool2d(1), tnn.Flatten()),
        )
    ],
    nn.Resize: [
        Case(
            lambda _, size=size: nn.Resize(size),
            (2, 3, 5, 4),
            lambda layer: tnn.Upsample(layer.size, mode="bilinear"),
        )
        for size in (11, (3, 9), (1, 2))
    ],
    nn.BatchNorm1d: [
        same(nn.BatchNorm1d, tnn.BatchNorm1d, (6, 4), 4),
        Case(
            lambda _: nn.BatchNorm1d(4, eps=1e-2, momentum=0.5),
            (6, 4),
            lambda _: tnn.BatchNorm1d(4, eps=1e-2, momentum=0.5),
        ),
    ],
    nn.BatchNorm2d: [same(nn.BatchNorm2d, tnn.BatchNorm2d, (3, 4, 3, 2), 4)],
    nn.LayerNorm: [
        same(nn.LayerNorm, tnn.LayerNorm, (3, 6), 6),
        same(nn.LayerNorm, tnn.LayerNorm, (2, 3, 4, 2), (3, 4, 2)),
    ],
    nn.Dropout: [
        Case(lambda rng: nn.Dropout(0.3, rng=rng), (4, 50), TorchDropout),
        Case(lambda rng: nn.Dropout(0.0, rng=rng), (2, 3, 4, 4), lambda _: tnn.Identity()),
    ],
    nn.Flatten: [same(nn.Flatten, tnn.Flatten, (2, 3, 4, 5))],
    nn.ReLU: [same(nn.ReLU, tnn.ReLU, (3, 7))],
    nn.LeakyReLU: [
        same(nn.LeakyReLU, tnn.LeakyReLU, (3, 7)),
        same(nn.LeakyReLU, tnn.LeakyReLU, (2, 3, 4, 4), 0.2),
    ],
    nn.ELU: [same(nn.ELU, tnn.ELU, (3, 7)), same(nn.ELU, tnn.ELU, (3, 7), 1.5)],
    nn.GELU: [
        same(nn.GELU, tnn.GELU, (3, 7)),
        Case(lambda _: nn.GELU("tanh"), (3, 7), lambda _: tnn.GELU(approximate="tanh")),
    ],
    nn.SiLU: [same(nn.SiLU, tnn.SiLU, (3, 7))],
    nn.Sigmoid: [same(nn.Sigmoid, tnn.Sigmoid, (3, 7))],
    nn.Tanh: [same(nn.Tanh, tnn.Tanh, (3, 7))],
    nn.Softmax: [Case(lambda _: nn.Softmax(), (3, 4, 2, 2), lambda _: tnn.Softmax(dim=1))],
    nn.LogSoftmax: [Case(lambda _: nn.LogSoftmax(), (3, 5), lambda _: tnn.LogSoftmax(dim=1))],
    nn.Sequential: [
        Case(
            lambda rng: nn.Sequential(nn.Flatten(), linear(rng), nn.Tanh(), nn.BatchNorm1d(4)),
            (4, 1, 5),
            lambda _: tnn.Sequential(
                tnn.Flatten(), tnn.Linear(5, 4), tnn.Tanh(), tnn.BatchNorm1d(4)
            ),
        ),
        Case(lambda _: nn.Sequential(), (2, 3), lambda _: tnn.Sequential()),
    ],
    nn.Residual: [
        Case(
            lambda rng: nn.Residual(nn.Sequential(nn.Tanh(), linear(rng)), linear(rng, False)),
            (3, 5),
            lambda _: TorchResidual(
                tnn.Sequential(tnn.Tanh(), tnn.Linear(5, 4)), tnn.Linear(5, 4, bias=False)
            ),
        ),
        Case(
            lambda _: nn.Residual(nn.SiLU()),
            (3, 5),
            lambda _: TorchResidual(tnn.SiLU(), tnn.Identity()),
        ),
    ],
    nn.Parallel: [
        Case(
            lambda rng: nn.Parallel(linear(rng), nn.Tanh(), linear(rng, False)),
            (3, 5),
            lambda _: TorchParallel([tnn.Linear(5, 4), tnn.Tanh(), tnn.Linear(5, 4, bias=False)]),
        )
    ],
}


@pytest.fixture
def cases() -> dict[type[nn.Layer], list[Case]]:
    """The whole table, by layer."""
    return CASES


@pytest.fixture(
    params=[
        pytest.param(case, id=f"{layer.__name__}-{index}")
        for layer, cases in CASES.items()
        for index, case in enumerate(cases)
    ]
)
def case(request: pytest.FixtureRequest) -> Case:
    """Each case in its turn."""
    return request.param


@pytest.fixture
def layer(case: Case, rng: Generator) -> nn.Layer:
    """The case's layer in float64 at step 0; no parameter or buffer is all 0 or 1."""
    layer = case.build(rng).astype(np.float64)
    for parameter in layer.named_parameters().values():
        parameter.value += 0.1 * rng.standard_normal(parameter.shape)
    for buffer in layer.named_buffers().values():
        buffer += 0.1 * rng.random(buffer.shape)
    layer.begin_step(0)
    return layer


@pytest.fixture
def x(case: Case, rng: Generator) -> np.ndarray:
    """An input for the case's layer, float64."""
    return rng.standard_normal(case.input_shape)
