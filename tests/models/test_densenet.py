from __future__ import annotations

from typing import Any

import pytest
import torch
from numpy.random import Generator
from torch import nn as tnn

from handloom import nn
from handloom.models import densenet


class DenseLayer(tnn.Module):
    """What arrives, then what is found: the publication's order of the channels."""

    def __init__(self, arriving: int, growth: int) -> None:
        super().__init__()
        self.found = tnn.Sequential(
            tnn.BatchNorm2d(arriving),
            tnn.ReLU(),
            tnn.Conv2d(arriving, 4 * growth, 1, bias=False),
            tnn.BatchNorm2d(4 * growth),
            tnn.ReLU(),
            tnn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.found(x)], dim=1)


def torch_densenet(stem: list[tnn.Module], blocks: tuple[int, ...], growth: int) -> tnn.Module:
    layers, channels = list(stem), 2 * growth
    for index, count in enumerate(blocks):
        if index:
            halved = channels // 2
            layers += [tnn.BatchNorm2d(channels), tnn.ReLU()]
            layers += [tnn.Conv2d(channels, halved, 1, bias=False), tnn.AvgPool2d(2)]
            channels = halved
        for _ in range(count):
            layers.append(DenseLayer(channels, growth))
            channels += growth
    layers += [tnn.BatchNorm2d(channels), tnn.ReLU(), tnn.AdaptiveAvgPool2d(1), tnn.Flatten()]
    return tnn.Sequential(*layers, tnn.Linear(channels, 3))


@pytest.mark.parametrize(
    ("settings", "image", "classes", "published"),
    [
        # DenseNet-BC-100-12 for CIFAR, 0.8 million in the publication
        ({}, (3, 32, 32), 10, 769_162),
        # DenseNet-121, as torchvision counts it
        (
            {"blocks": (6, 12, 24, 16), "growth": 32, "form": "imagenet"},
            (3, 224, 224),
            1000,
            7_978_856,
        ),
    ],
)
def test_parameters_are_as_many_as_published(
    settings: dict[str, Any], image: tuple[int, ...], classes: int, published: int, blank: Any
) -> None:
    assert densenet(image, classes, **settings, rng=blank).num_parameters() == published


def test_it_is_the_same_network_in_torch(agree: Any, rng: Generator) -> None:
    network = densenet((2, 9, 8), 3, blocks=(2, 3, 1), growth=3, rng=rng)
    stem: list[tnn.Module] = [tnn.Conv2d(2, 6, 3, padding=1, bias=False)]
    agree(network, torch_densenet(stem, (2, 3, 1), 3), (3, 2, 9, 8))


def test_the_imagenet_form_is_the_same_network_in_torch(agree: Any, rng: Generator) -> None:
    network = densenet((1, 7, 6), 3, blocks=(1, 2), growth=2, form="imagenet", resize=24, rng=rng)
    stem: list[tnn.Module] = [
        tnn.Upsample((24, 24), mode="bilinear"),
        tnn.Conv2d(1, 4, 7, 2, 3, bias=False),
        tnn.BatchNorm2d(4),
        tnn.ReLU(),
        tnn.MaxPool2d(3, 2, 1),
    ]
    agree(network, torch_densenet(stem, (1, 2), 2), (3, 1, 7, 6))


def test_dropout_ends_each_layer_and_compression_sets_the_transitions(rng: Generator) -> None:
    network = densenet((1, 8, 8), 3, blocks=(2, 1), growth=4, compression=0.3, dropout=0.2, rng=rng)
    dense = [layer for layer in network if isinstance(layer, nn.Parallel)]
    assert [type(layer.branches[1][-1]) for layer in dense] == [nn.Dropout] * 3
    (transition,) = [layer for layer in network if isinstance(layer, nn.Conv2d)][1:]
    assert (transition.in_channels, transition.out_channels) == (16, 4)
