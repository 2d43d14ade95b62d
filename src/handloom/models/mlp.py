"""The multi-layer perceptron: every image a row of pixels, every layer fully connected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import DTypeLike

from handloom import nn
from handloom._typing import Shape
from handloom.models.activation import OUTPUT_INIT, activation_spec, suited_init
from handloom.models.sequential import LayerSpec, from_layers


def mlp(
    input_shape: Shape,
    num_classes: int,
    *,
    hidden: Sequence[int],
    activation: str = "relu",
    negative_slope: float = 0.01,
    dropout: float = 0.0,
    norm: Literal["batch", "layer"] | None = None,
    init: str | None = None,
    rng: Generator,
    dtype: DTypeLike = np.float32,
) -> nn.Sequential:
    """(N, C, H, W) -> (N, num_classes): flatten, then for each width in `hidden`

        linear → norm → activation → dropout        and at last linear

    where norm and dropout are left out unless asked for; a norm has a bias of its own, so the
    linear layer before it has none. `init` names the initialiser of all weights; None takes the
    one that suits the activation. Raises: ShapeError, as `from_layers` does.
    """
    layers: list[LayerSpec] = [{"layer": "flatten"}]
    for width in hidden:
        layers.append(
            {
                "layer": "linear",
                "out_features": width,
                "bias": norm is None,
                "init": init or suited_init(activation),
            }
        )
        if norm is not None:
            layers.append({"layer": f"{norm}-norm"})
        layers.append(activation_spec(activation, negative_slope))
        if dropout:
            layers.append({"layer": "dropout", "p": dropout})
    layers.append({"layer": "linear", "out_features": num_classes, "init": init or OUTPUT_INIT})
    return from_layers(layers, input_shape, num_classes, rng=rng, dtype=dtype)
