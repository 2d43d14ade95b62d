from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch
from numpy.random import Generator
from torch import nn as tnn

from handloom import nn
from handloom.errors import ConfigError, ShapeError
from handloom.models import resnet, resnet_cifar


class Block(tnn.Module):
    """Two convolutions and a shortcut, as the publication draws them."""

    def __init__(self, arriving: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = tnn.Conv2d(arriving, channels, 3, stride, 1, bias=False)
        self.bn1 = tnn.BatchNorm2d(channels)
        self.conv2 = tnn.Conv2d(channels, channels, 3, 1, 1, bias=False)
        self.bn2 = tnn.BatchNorm2d(channels)
        self.downsample = None
        if stride != 1 or arriving != channels:
            self.downsample = tnn.Sequential(
                tnn.Conv2d(arriving, channels, 1, stride, bias=False), tnn.BatchNorm2d(channels)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
        return torch.relu(out + (x if self.downsample is None else self.downsample(x)))


class TorchResNet(tnn.Module):
    def __init__(self, stem: tnn.Module, width: int, blocks: list[int], classes: int) -> None:
        super().__init__()
        self.stem = stem
        stages, arriving = [], width
        for stage, count in enumerate(blocks):
            for index in range(count):
                stride = 2 if stage and not index else 1
                stages.append(Block(arriving, width << stage, stride))
                arriving = width << stage
        self.stages = tnn.Sequential(*stages)
        self.fc = tnn.Linear(arriving, classes)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc(self.stages(self.stem(x)).mean((2, 3)))


def small_stem(channels: int, width: int) -> tnn.Module:
    return tnn.Sequential(
        tnn.Conv2d(channels, width, 3, 1, 1, bias=False), tnn.BatchNorm2d(width), tnn.ReLU()
    )


def imagenet_stem(channels: int, width: int, size: int) -> tnn.Module:
    return tnn.Sequential(
        tnn.Upsample((size, size), mode="bilinear"),
        tnn.Conv2d(channels, width, 7, 2, 3, bias=False),
        tnn.BatchNorm2d(width),
        tnn.ReLU(),
        tnn.MaxPool2d(3, 2, 1),
    )


@pytest.mark.parametrize(
    ("network", "settings", "published"),
    [
        # torchvision's, with its 1,000 classes
        (resnet, {"depth": 18, "form": "imagenet"}, 11_689_512),
        (resnet, {"depth": 34, "form": "imagenet"}, 21_797_672),
        # 0.27, 0.46 and 0.85 million in the publication
        (resnet_cifar, {"depth": 20}, 272_474),
        (resnet_cifar, {"depth": 32}, 466_906),
        (resnet_cifar, {"depth": 56}, 855_770),
    ],
)
def test_parameters_are_as_many_as_published(
    network: Any, settings: dict[str, Any], published: int, blank: Any
) -> None:
    classes = 1000 if network is resnet else 10
    made = network((3, 64, 64), classes, **settings, rng=blank)
    assert made.num_parameters() == published


@pytest.mark.parametrize("depth", [18, 34])
def test_the_small_form_is_the_same_network_in_torch(
    depth: int, agree: Any, rng: Generator
) -> None:
    blocks = {18: [2, 2, 2, 2], 34: [3, 4, 6, 3]}[depth]
    network = resnet((1, 9, 8), 4, depth=depth, width=3, rng=rng)
    agree(network, TorchResNet(small_stem(1, 3), 3, blocks, 4), (3, 1, 9, 8))


def test_the_imagenet_form_is_the_same_network_in_torch(agree: Any, rng: Generator) -> None:
    network = resnet((2, 11, 9), 4, form="imagenet", resize=33, width=3, rng=rng)
    twin = TorchResNet(imagenet_stem(2, 3, 33), 3, [2, 2, 2, 2], 4)
    agree(network, twin, (3, 2, 11, 9))


def test_the_cifar_form_is_the_same_network_in_torch(agree: Any, rng: Generator) -> None:
    network = resnet_cifar((2, 8, 8), 3, depth=14, width=4, rng=rng)
    agree(network, TorchResNet(small_stem(2, 4), 4, [2, 2, 2], 3), (3, 2, 8, 8))


def test_pictures_shrink_as_published(blank: Any) -> None:
    def sizes(network: nn.Sequential, shape: tuple[int, ...]) -> list[int]:
        seen = []
        for layer in network:
            shape = layer.output_shape(shape)
            seen += [shape[1]] if isinstance(layer, nn.Residual) else []
        return seen

    small = resnet((1, 28, 28), 10, rng=blank)
    assert sizes(small, (1, 28, 28)) == [28, 28, 14, 14, 7, 7, 4, 4]
    large = resnet((1, 28, 28), 10, form="imagenet", resize=224, rng=blank)
    assert sizes(large, (1, 28, 28)) == [56, 56, 28, 28, 14, 14, 7, 7]


@pytest.mark.parametrize("network", [resnet, resnet_cifar])
def test_blocks_can_start_as_their_shortcuts(network: Any, rng: Generator) -> None:
    made = network((1, 8, 8), 3, width=4, zero_init_residual=True, rng=rng)
    x = rng.standard_normal((4, 4, 8, 8)).astype(np.float32)
    blocks = [layer for layer in made if isinstance(layer, nn.Residual)]
    unchanged = next(block for block in blocks if block.shortcut is None)
    assert np.array_equal(unchanged.forward(x), x)
    assert not any(block.body[-1].weight.value.any() for block in blocks)


def test_what_cannot_be_is_refused(rng: Generator) -> None:
    with pytest.raises(ConfigError, match="depth of a ResNet has to be one of 18, 34, got 50"):
        resnet((1, 28, 28), 10, depth=50, rng=rng)
    with pytest.raises(ConfigError, match="form has to be one of small, imagenet, got 'tiny'"):
        resnet((1, 28, 28), 10, form=cast(Any, "tiny"), rng=rng)
    for depth in (2, 21):
        with pytest.raises(ConfigError, match=rf"6n \+ 2 \(20, 32, 56, …\), got {depth}"):
            resnet_cifar((1, 28, 28), 10, depth=depth, rng=rng)
    with pytest.raises(ShapeError, match=r"conv2d expects an image \(C, H, W\), got \(784,\)"):
        resnet((784,), 10, rng=rng)
