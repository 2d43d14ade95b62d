"""LeNet: convolutions that find small patterns anywhere, then a perceptron that weighs them up."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike

from handloom import nn
from handloom._typing import Shape
from handloom.models.activation import OUTPUT_INIT, activation_spec, suited_init
from handloom.models.sequential import LayerSpec, from_layers


def lenet(
    input_shape: Shape,
    num_classes: int,
    *,
    channels: Sequence[int] = (6, 16),
    kernel_size: int = 5,
    hidden: Sequence[int] = (128, 64),
    activation: str = "leaky-relu",
    negative_slope: float = 0.01,
    dropout: float = 0.0,
    init: str | None = None,
    rng: Generator,
    dtype: DTypeLike = np.float32,
) -> nn.Sequential:
    """(N, C, H, W) -> (N, num_classes): for each number in `channels` and each width in `hidden`

        convolution → activation → max-pool 2        linear → activation → dropout

    and at last linear. On 28 × 28 the sides are 28 → 24 → 12 → 8 → 4, so that 16 · 4 · 4 = 256
    features arrive at the linear layers. `init` is as in `mlp`. Raises: ShapeError, as
    `from_layers` does.  Source: LeCun et al. 1998, sec. II.B, with max-pooling in place of trained
    subsampling.
    """
    weights_init = init or suited_init(activation)
    layers: list[LayerSpec] = []
    for width in channels:
        layers += [
            {
                "layer": "conv2d",
                "out_channels": width,
                "kernel_size": kernel_size,
                "init": weights_init,
            },
            activation_spec(activation, negative_slope),
            {"layer": "max-pool", "kernel_size": 2},
        ]
    layers.append({"layer": "flatten"})
    for width in hidden:
        layers.append({"layer": "linear", "out_features": width, "init": weights_init})
        layers.append(activation_spec(activation, negative_slope))
        if dropout:
            layers.append({"layer": "dropout", "p": dropout})
    layers.append({"layer": "linear", "out_features": num_classes, "init": init or OUTPUT_INIT})
    return from_layers(layers, input_shape, num_classes, rng=rng, dtype=dtype)
