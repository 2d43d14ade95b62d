from __future__ import annotations

from typing import Any

import pytest
import torch
from numpy.random import Generator
from torch import nn as tnn

from handloom import nn
from handloom.errors import ConfigError
from handloom.models import wide_resnet


class WideBlock(tnn.Module):
    """The authors' block: where the shape changes, the shortcut begins after norm and relu."""

    def __init__(self, arriving: int, channels: int, stride: int) -> None:
        super().__init__()
        self.bn1 = tnn.BatchNorm2d(arriving)
        self.conv1 = tnn.Conv2d(arriving, channels, 3, stride, 1, bias=False)
        self.bn2 = tnn.BatchNorm2d(channels)
        self.conv2 = tnn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.project = None
        if arriving != channels:
            self.project = tnn.Conv2d(arriving, channels, 1, stride, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        active = torch.relu(self.bn1(x))
        out = self.conv2(torch.relu(self.bn2(self.conv1(active))))
        return out + (x if self.project is None else self.project(active))


def torch_wide_resnet(channels: int, widen: int, blocks: int, classes: int) -> tnn.Module:
    layers: list[tnn.Module] = [tnn.Conv2d(channels, 16, 3, 1, 1, bias=False)]
    arriving = 16
    for width, first in ((16 * widen, 1), (32 * widen, 2), (64 * widen, 2)):
        for index in range(blocks):
            layers.append(WideBlock(arriving, width, 1 if index else first))
            arriving = width
    layers += [tnn.BatchNorm2d(arriving), tnn.ReLU(), tnn.AdaptiveAvgPool2d(1), tnn.Flatten()]
    return tnn.Sequential(*layers, tnn.Linear(arriving, classes))


@pytest.mark.parametrize(
    ("depth", "widen", "published"),
    [(28, 10, 36_479_194), (16, 8, 10_961_370), (40, 4, 8_949_210)],  # 36.5, 11.0, 8.9 million
)
def test_parameters_are_as_many_as_published(
    depth: int, widen: int, published: int, blank: Any
) -> None:
    network = wide_resnet((3, 32, 32), 10, depth=depth, widen=widen, rng=blank)
    assert network.num_parameters() == published


def test_it_is_the_same_network_in_torch(agree: Any, rng: Generator) -> None:
    network = wide_resnet((2, 9, 8), 4, depth=16, widen=2, rng=rng)
    agree(network, torch_wide_resnet(2, 2, 2, 4), (2, 2, 9, 8))


def test_the_narrowest_projects_in_two_stages_only(agree: Any, rng: Generator) -> None:
    network = wide_resnet((1, 8, 8), 3, depth=10, widen=1, rng=rng)
    agree(network, torch_wide_resnet(1, 1, 1, 3), (2, 1, 8, 8))


def test_dropout_stands_between_the_two_convolutions_of_a_block(rng: Generator) -> None:
    network = wide_resnet((1, 8, 8), 3, depth=10, widen=1, dropout=0.3, rng=rng)
    bodies = [layer.body for layer in network if isinstance(layer, nn.Residual)]
    tail = [nn.Conv2d, nn.BatchNorm2d, nn.ReLU, nn.Dropout, nn.Conv2d]
    assert [[type(layer) for layer in body][-5:] for body in bodies] == [tail] * 3
    plain = wide_resnet((1, 8, 8), 3, depth=10, widen=1, rng=rng)
    assert not any(isinstance(layer, nn.Dropout) for _, layer in plain.named_layers())


@pytest.mark.parametrize("depth", [4, 20])
def test_another_depth_is_refused(depth: int, rng: Generator) -> None:
    with pytest.raises(ConfigError, match=rf"6n \+ 4 \(10, 16, 28, …\), got {depth}"):
        wide_resnet((1, 28, 28), 10, depth=depth, rng=rng)
