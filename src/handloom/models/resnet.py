"""ResNet: blocks that learn what to add to their input, so that a hundred layers still train."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike

from handloom import nn
from handloom._typing import Shape
from handloom.errors import ConfigError
from handloom.models.blocks import NORM, RELU, Form, conv, head, stem, stem_pool
from handloom.models.sequential import LayerSpec, from_layers

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3)}
"""Blocks in each stage by depth.  Source: He et al. 2016, table 1."""


def resnet(
    input_shape: Shape,
    num_classes: int,
    *,
    depth: int = 18,
    form: Form = "small",
    resize: int | None = None,
    width: int = 64,
    zero_init_residual: bool = False,
    rng: Generator,
    dtype: DTypeLike = np.float32,
) -> nn.Sequential:
    """(N, C, H, W) -> (N, num_classes): ResNet-18 or ResNet-34, whichever `depth` says,

        stem → 4 stages of `width`, 2, 4 and 8 times `width` channels → mean → linear

    where each stage but the first halves the image. The form "imagenet" is the published
    network, whose stem (7×7, stride 2, max-pooling) divides the sides by four; "small" is for
    images of 28 or 32 pixels, with a 3×3 stem that keeps them. With `resize` images are first
    brought to that many pixels a side (see nn.Resize). With `zero_init_residual` every block starts
    as its shortcut alone (Goyal et al. 2017, sec. 5.1).
    Raises: ConfigError for another depth or form, ShapeError as `from_layers` does.
    Source: He et al. 2016, table 1; shortcuts are of option B, a projection where the shape
    changes.
    """
    if depth not in BLOCKS:
        known = ", ".join(map(str, BLOCKS))
        raise ConfigError(f"the depth of a ResNet has to be one of {known}, got {depth}")
    layers = [*stem(form, width, resize), NORM, RELU, *stem_pool(form)]
    layers += _stages(width, BLOCKS[depth], zero_init_residual)
    layers += head(num_classes)
    return from_layers(layers, input_shape, num_classes, rng=rng, dtype=dtype)


def resnet_cifar(
    input_shape: Shape,
    num_classes: int,
    *,
    depth: int = 20,
    width: int = 16,
    zero_init_residual: bool = False,
    rng: Generator,
    dtype: DTypeLike = np.float32,
) -> nn.Sequential:
    """(N, C, H, W) -> (N, num_classes): the narrow ResNet for CIFAR, of depth 6n + 2,

        conv 3×3 → 3 stages of n blocks, `width`, 2 and 4 times `width` channels → mean → linear

    so that ResNet-20, -32 and -56 have 3, 5 and 9 blocks a stage. Raises: ConfigError for a depth
    that is not 6n + 2, ShapeError as `from_layers` does.
    Source: He et al. 2016, sec. 4.2, with shortcuts of option B (projections); the publication's
    own, of option A, pad with zeros instead and save 2,752 of ResNet-20's 272,474 parameters.
    """
    num_blocks, rest = divmod(depth - 2, 6)
    if num_blocks < 1 or rest:
        raise ConfigError(
            f"the depth of a ResNet for CIFAR has to be 6n + 2 (20, 32, 56, …), got {depth}"
        )
    layers = [conv(width, 3), NORM, RELU, *_stages(width, [num_blocks] * 3, zero_init_residual)]
    layers += head(num_classes)
    return from_layers(layers, input_shape, num_classes, rng=rng, dtype=dtype)


def _stages(width: int, num_blocks: Sequence[int], zero_init: bool) -> list[LayerSpec]:
    """Stages of blocks; each but the first doubles the channels and halves the image."""
    layers: list[LayerSpec] = []
    for stage, count in enumerate(num_blocks):
        channels = width * 2**stage
        for index in range(count):
            changes = stage > 0 and index == 0
            layers += _block(channels, changes=changes, zero_init=zero_init)
    return layers


def _block(channels: int, *, changes: bool, zero_init: bool) -> list[LayerSpec]:
    """relu(norm(conv(relu(norm(conv(x))))) + x), where x is projected if its shape changes."""
    stride = 2 if changes else 1
    last_norm = {**NORM, "init": "zeros"} if zero_init else NORM
    body = [conv(channels, 3, stride), NORM, RELU, conv(channels, 3), last_norm]
    shortcut = [conv(channels, 1, stride), NORM] if changes else None
    return [{"layer": "residual", "body": body, "shortcut": shortcut}, RELU]
