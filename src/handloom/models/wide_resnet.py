"""Wide ResNet: fewer and wider residual blocks, with dropout inside them."""

from __future__ import annotations

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike

from handloom import nn
from handloom._typing import Shape
from handloom.errors import ConfigError
from handloom.models.blocks import NORM, RELU, conv, head
from handloom.models.sequential import LayerSpec, from_layers

STEM_WIDTH = 16
"""Channels of the first convolution, and of a stage for each unit of `widen`."""


def wide_resnet(
    input_shape: Shape,
    num_classes: int,
    *,
    depth: int = 16,
    widen: int = 4,
    dropout: float = 0.0,
    rng: Generator,
    dtype: DTypeLike = np.float32,
) -> nn.Sequential:
    """(N, C, H, W) -> (N, num_classes): WRN-`depth`-`widen`, where the depth is 6n + 4,

        conv 3×3 → 3 stages of n blocks, 16k, 32k and 64k channels → norm → relu → mean → linear

    with k = `widen`; norm and activation stand before each convolution, dropout between the two of
    a block. The second and the third stage halve the image. Raises: ConfigError for a depth
    that is not 6n + 4, ShapeError as `from_layers` does.
    Source: Zagoruyko & Komodakis 2016, table 1; blocks as He et al. 2016b, fig. 4e.
    """
    num_blocks, rest = divmod(depth - 4, 6)
    if num_blocks < 1 or rest:
        raise ConfigError(
            f"the depth of a wide ResNet has to be 6n + 4 (10, 16, 28, …), got {depth}"
        )
    layers = [conv(STEM_WIDTH, 3)]
    arriving = STEM_WIDTH
    for stage in range(3):
        channels = STEM_WIDTH * widen * 2**stage
        for index in range(num_blocks):
            stride = 2 if stage > 0 and index == 0 else 1
            layers += _block(arriving, channels, stride, dropout)
            arriving = channels
    layers += [NORM, RELU, *head(num_classes)]
    return from_layers(layers, input_shape, num_classes, rng=rng, dtype=dtype)


def _block(arriving: int, channels: int, stride: int, dropout: float) -> list[LayerSpec]:
    """conv(relu(norm(conv(relu(norm(x)))))) + x; if the shape changes, relu(norm(x)) is projected.

    Then the first norm and activation serve both sides, and so stand before the block.
    """
    first = [NORM, RELU]
    between: list[LayerSpec] = [NORM, RELU]
    if dropout:
        between.append({"layer": "dropout", "p": dropout})
    body = [conv(channels, 3, stride), *between, conv(channels, 3)]
    if arriving == channels and stride == 1:
        return [{"layer": "residual", "body": [*first, *body]}]
    return [*first, {"layer": "residual", "body": body, "shortcut": [conv(channels, 1, stride)]}]
