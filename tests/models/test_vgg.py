from __future__ import annotations

from typing import Any

import pytest
from numpy.random import Generator
from torch import nn as tnn

from handloom import nn
from handloom.errors import ConfigError, ShapeError
from handloom.models import vgg

VGG_16: dict[str, Any] = {
    "channels": (64, 128, 256, 512, 512),
    "convolutions": (2, 2, 3, 3, 3),
    "hidden": (4096, 4096),
}


def test_parameters_are_as_many_as_published(blank: Any) -> None:
    # 138 million in the publication, which has no batch norm; torchvision's count
    network = vgg((3, 224, 224), 1000, **VGG_16, batch_norm=False, init="zeros", rng=blank)
    assert network.num_parameters() == 138_357_544
    # a norm adds γ and β, and takes the convolution's bias
    small = {**VGG_16, "hidden": ()}
    plain = vgg((3, 32, 32), 10, **small, batch_norm=False, rng=blank)
    norms = 2 * 64 + 2 * 128 + 3 * 256 + 6 * 512
    assert (
        vgg((3, 32, 32), 10, **small, rng=blank).num_parameters() == plain.num_parameters() + norms
    )


@pytest.mark.parametrize("batch_norm", [True, False])
def test_it_is_the_same_network_in_torch(batch_norm: bool, agree: Any, rng: Generator) -> None:
    def block(arriving: int, width: int) -> list[tnn.Module]:
        norms = [tnn.BatchNorm2d(width)] if batch_norm else []
        return [tnn.Conv2d(arriving, width, 3, 1, 1, bias=not batch_norm), *norms, tnn.ReLU()]

    network = vgg(
        (2, 9, 8), 3, channels=(4, 5), convolutions=(2, 1), hidden=(7,), batch_norm=batch_norm,
        rng=rng,
    )  # fmt: skip
    twin = tnn.Sequential(
        *block(2, 4), *block(4, 4), tnn.MaxPool2d(2), *block(4, 5), tnn.MaxPool2d(2),
        tnn.Flatten(), tnn.Linear(5 * 2 * 2, 7), tnn.ReLU(), tnn.Linear(7, 3),
    )  # fmt: skip
    agree(network, twin, (3, 2, 9, 8))


def test_dropout_follows_poolings_and_hidden_layers(rng: Generator) -> None:
    network = vgg(
        (1, 8, 8), 3, channels=(2, 2), convolutions=(1, 1), hidden=(5, 5), conv_dropout=0.1,
        dropout=0.2, activation="silu", rng=rng,
    )  # fmt: skip
    layers = list(network)
    before = {
        layer.p: [
            type(layers[i - 1]) for i, other in enumerate(layers) if repr(other) == repr(layer)
        ]
        for layer in layers
        if isinstance(layer, nn.Dropout)
    }
    assert before == {0.1: [nn.MaxPool2d] * 2, 0.2: [nn.SiLU] * 2}


def test_what_cannot_be_is_refused(rng: Generator) -> None:
    with pytest.raises(ConfigError, match="for each of its channels, got 2 for 3"):
        vgg((1, 28, 28), 10, channels=(4, 4, 4), convolutions=(1, 1), rng=rng)
    with pytest.raises(ShapeError, match=r"layer 11: .* 2 × 2 .* got 1 × 1"):
        vgg((1, 8, 8), 10, channels=(2,) * 4, convolutions=(1,) * 4, rng=rng, batch_norm=False)
