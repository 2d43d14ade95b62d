"""VGG: nothing but 3×3 convolutions, a few of them between one pooling and the next."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike

from handloom import nn
from handloom._typing import Shape
from handloom.errors import ConfigError
from handloom.models.activation import OUTPUT_INIT, activation_spec, suited_init
from handloom.models.blocks import NORM
from handloom.models.sequential import LayerSpec, from_layers


def vgg(
    input_shape: Shape,
    num_classes: int,
    *,
    channels: Sequence[int] = (64, 128, 256),
    convolutions: Sequence[int] = (2, 2, 2),
    hidden: Sequence[int] = (256,),
    activation: str = "relu",
    negative_slope: float = 0.01,
    batch_norm: bool = True,
    conv_dropout: float = 0.0,
    dropout: float = 0.0,
    init: str | None = None,
    rng: Generator,
    dtype: DTypeLike = np.float32,
) -> nn.Sequential:
    """(N, C, H, W) -> (N, num_classes): for each number in `channels`, `convolutions` times

        convolution 3×3 → batch norm → activation

    then max-pool 2 → dropout (`conv_dropout`); for each width in `hidden`

        linear → activation → dropout           and at last linear

    where dropout is left out unless asked for. VGG-16 has 64, 128, 256, 512 and 512
    channels, 2, 2, 3, 3 and 3 convolutions, and 4,096 hidden units twice; the defaults are for 28
    pixels, of which three poolings leave 3. `init` is as in `mlp`.
    Raises: ConfigError if `convolutions` are not as many as `channels`, ShapeError as `from_layers`
    does.  Source: Simonyan & Zisserman 2015, table 1; batch norm is later.
    """
    if len(convolutions) != len(channels):
        raise ConfigError(
            "a VGG needs a number of convolutions for each of its channels, "
            f"got {len(convolutions)} for {len(channels)}"
        )
    weights_init = init or suited_init(activation)
    layers: list[LayerSpec] = []
    for width, count in zip(channels, convolutions, strict=True):
        convolution = {
            "layer": "conv2d",
            "out_channels": width,
            "kernel_size": 3,
            "padding": 1,
            "bias": not batch_norm,
            "init": weights_init,
        }
        norms = [NORM] if batch_norm else []
        layers += [convolution, *norms, activation_spec(activation, negative_slope)] * count
        layers += [{"layer": "max-pool", "kernel_size": 2}, *_dropout(conv_dropout)]
    layers.append({"layer": "flatten"})
    for width in hidden:
        layers.append({"layer": "linear", "out_features": width, "init": weights_init})
        layers += [activation_spec(activation, negative_slope), *_dropout(dropout)]
    layers.append({"layer": "linear", "out_features": num_classes, "init": init or OUTPUT_INIT})
    return from_layers(layers, input_shape, num_classes, rng=rng, dtype=dtype)


def _dropout(p: float) -> list[LayerSpec]:
    return [{"layer": "dropout", "p": p}] if p else []
