"""DenseNet: every layer sees what all the layers before it in its block have found."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike

from handloom import nn
from handloom._typing import Shape
from handloom.models.blocks import NORM, RELU, Form, conv, head, stem, stem_pool
from handloom.models.sequential import LayerSpec, from_layers

BOTTLENECK = 4
"""Channels of a bottleneck, in units of the growth."""


def densenet(
    input_shape: Shape,
    num_classes: int,
    *,
    blocks: Sequence[int] = (16, 16, 16),
    growth: int = 12,
    compression: float = 0.5,
    dropout: float = 0.0,
    form: Form = "small",
    resize: int | None = None,
    rng: Generator,
    dtype: DTypeLike = np.float32,
) -> nn.Sequential:
    """(N, C, H, W) -> (N, num_classes): DenseNet-BC, for each number in `blocks` so many times

        x → [x, dropout(conv 3×3(relu(norm(conv 1×1(relu(norm(x)))))))]

    side by side, `growth` channels more each time, and between two blocks a transition: norm, relu,
    a 1×1 convolution to the share `compression` of the channels, and the mean of 2×2 pixels. At the
    end norm → relu → mean → linear. The bottleneck between the two convolutions has 4 `growth`
    channels, the stem 2 `growth`. The defaults are DenseNet-BC-100-12; the form "imagenet" with
    blocks (6, 12, 24, 16) and growth 32 is DenseNet-121. `form` and `resize` are as in `resnet`.
    Raises: ConfigError for another form, ShapeError as `from_layers` does.
    Source: Huang et al. 2017, sec. 3 and table 1.
    """
    channels = 2 * growth
    layers = stem(form, channels, resize)
    if form == "imagenet":
        layers += [NORM, RELU, *stem_pool(form)]
    for index, count in enumerate(blocks):
        if index > 0:
            channels = max(1, int(channels * compression))
            layers += _transition(channels)
        layers += [_dense_layer(growth, dropout)] * count
        channels += growth * count
    layers += [NORM, RELU, *head(num_classes)]
    return from_layers(layers, input_shape, num_classes, rng=rng, dtype=dtype)


def _dense_layer(growth: int, dropout: float) -> LayerSpec:
    """What arrives, and beside it what is found in it; an empty branch passes its input on."""
    found = [NORM, RELU, conv(BOTTLENECK * growth, 1), NORM, RELU, conv(growth, 3)]
    if dropout:
        found.append({"layer": "dropout", "p": dropout})
    return {"layer": "parallel", "branches": [[], found]}


def _transition(channels: int) -> list[LayerSpec]:
    """Fewer channels, and a quarter of the pixels."""
    return [NORM, RELU, conv(channels, 1), {"layer": "avg-pool", "kernel_size": 2}]
