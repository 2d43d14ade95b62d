from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.random import Generator

from handloom import nn
from handloom._typing import FloatArray, Shape
from handloom.models import LayerLine, densenet, from_layers, resnet, summarise, vgg

CONV = {"layer": "conv2d", "out_channels": 4, "kernel_size": 3, "padding": 1}


def leaves(line: LayerLine) -> list[LayerLine]:
    return [leaf for each in line.inside for leaf in leaves(each)] if line.inside else [line]


@pytest.fixture
def small(rng: Generator) -> nn.Sequential:
    layers: list[dict[str, Any]] = [
        {**CONV, "stride": 2},
        {"layer": "residual", "body": [{**CONV, "groups": 2}, {"layer": "relu"}]},
        {
            "layer": "parallel",
            "branches": [[], [{**CONV, "kernel_size": (1, 3), "padding": (0, 1)}]],
        },
        {"layer": "max-pool", "kernel_size": 2},
        {"layer": "flatten"},
        {"layer": "dropout", "p": 0.25},
        {"layer": "linear", "out_features": 3},
    ]
    return from_layers(layers, (2, 8, 8), 3, rng=rng)


def test_a_small_network_is_as_counted_by_hand(small: nn.Sequential) -> None:
    whole = summarise(small, (2, 8, 8))
    found = {line.path: line for line in [*leaves(whole), *whole.inside]}
    multiply_adds = {
        "0": 4 * 2 * 9 * 16,
        "1.body.0": 4 * 2 * 9 * 16,  # two groups: each kernel sees two of the four channels
        "2.1.0": 4 * 4 * 3 * 16,
        "6": 3 * 32,
    }
    assert {path: line.multiply_adds for path, line in found.items() if not line.inside} == {
        path: multiply_adds.get(path, 0) for path, line in found.items() if not line.inside
    }
    assert whole.multiply_adds == sum(multiply_adds.values())
    assert [line.output for line in whole.inside] == [
        (4, 4, 4), (4, 4, 4), (8, 4, 4), (8, 2, 2), (32,), (32,), (3,)
    ]  # fmt: skip
    # the sum and the join are new arrays; what a Flatten and an empty branch give is not
    assert [line.values for line in whole.inside] == [64, 3 * 64, 64 + 128, 32, 0, 32, 3]
    assert whole.values == sum(line.values for line in whole.inside)
    assert [line.title for line in leaves(whole)] == [
        "Conv2d 3×3/2", "Conv2d 3×3", "ReLU", "what arrives", "Conv2d 1×3", "MaxPool2d 2×2",
        "Flatten", "Dropout 0.25", "Linear",
    ]  # fmt: skip


def test_parameters_of_all_layers_are_those_of_the_network(small: nn.Sequential) -> None:
    whole = summarise(small, (2, 8, 8))
    assert sum(line.parameters for line in leaves(whole)) == small.num_parameters()
    assert sum(line.parameters for line in whole.inside) == whole.parameters


@pytest.mark.parametrize(
    ("network", "settings", "published"),
    [  # multiply-adds as torchvision publishes them beside its weights
        (resnet, {"form": "imagenet"}, 1.814e9),
        (resnet, {"form": "imagenet", "depth": 34}, 3.664e9),
        (densenet, {"form": "imagenet", "blocks": (6, 12, 24, 16), "growth": 32}, 2.834e9),
        (
            vgg,
            {
                "channels": (64, 128, 256, 512, 512),
                "convolutions": (2, 2, 3, 3, 3),
                "hidden": (4096, 4096),
                "init": "zeros",
            },
            15.47e9,
        ),
    ],
)
def test_multiply_adds_are_as_many_as_published(
    network: Any, settings: dict[str, Any], published: float, blank: Any
) -> None:
    made = network((3, 224, 224), 1000, **settings, rng=blank)
    assert summarise(made, (3, 224, 224)).multiply_adds == pytest.approx(published, rel=5e-4)


class Twice(nn.Layer):
    """A layer of a user's own, with one inside it: what it does with that is its own affair."""

    def __init__(self, inner: nn.Layer) -> None:
        super().__init__()
        self.inner = inner
        self.idle = nn.ReLU()

    def forward(self, x: FloatArray) -> FloatArray:
        return self.inner.forward(np.repeat(x, 2, axis=1))

    def backward(self, dy: FloatArray) -> FloatArray:
        raise NotImplementedError

    def output_shape(self, input_shape: Shape) -> Shape:
        return self.inner.output_shape((2 * input_shape[0],))


def test_a_layer_of_ones_own_is_told_too(rng: Generator) -> None:
    whole = summarise(Twice(nn.Linear(6, 2, rng=rng)), (3,))
    (linear,) = whole.inside
    assert (linear.path, linear.output, linear.multiply_adds) == ("inner", (2,), 12)
    assert (whole.kind, whole.output, whole.parameters) == ("Twice", (2,), 14)


@pytest.mark.parametrize("training", [True, False])
def test_the_network_stays_as_it_was(training: bool, small: nn.Sequential) -> None:
    small.train(training)
    before = small.state_dict()
    summarise(small, (2, 8, 8))
    assert all(layer.training == training for _, layer in small.named_layers())
    assert all(np.array_equal(before[name], array) for name, array in small.state_dict().items())
