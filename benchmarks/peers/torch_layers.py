"""A network in PyTorch from the layers of a recipe, with given weights."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from shared import Unable
from torch import nn

Weights = Mapping[str, np.ndarray]
Spec = Mapping[str, Any]


def network(layers: Sequence[Spec], weights: Weights) -> nn.Sequential:
    """The layers in a row; their names are their places, so that weights keep theirs.

    `weights` maps names as "1.weight" to arrays in PyTorch's own layout; they give the layers
    their sizes as well. Activations work in place. A flatten at the very start is left out: feed
    rows then. Raises Unable for a layer that is not known here.
    """
    modules: OrderedDict[str, nn.Module] = OrderedDict()
    for place, spec in enumerate(layers):
        if place == 0 and spec["layer"] == "flatten":
            continue
        prefix = f"{place}."
        own = {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}
        modules[str(place)] = _module(spec, own)
    made = nn.Sequential(modules)
    state = {name: torch.from_numpy(value.copy()) for name, value in weights.items()}
    left_out = made.load_state_dict(state, strict=False)
    if left_out.unexpected_keys:
        raise Unable(f"has no place for the weights {', '.join(left_out.unexpected_keys)}")
    return made.to(next(iter(state.values())).dtype)


def _module(spec: Spec, own: Weights) -> nn.Module:
    """The module of one layer, which takes its sizes from its `own` weights."""
    match spec["layer"]:
        case "linear":
            out_features, in_features = own["weight"].shape
            return nn.Linear(in_features, out_features, bias="bias" in own)
        case "conv2d":
            out_channels, in_channels, *window = own["weight"].shape
            stride, padding = spec.get("stride", 1), spec.get("padding", 0)
            return nn.Conv2d(
                in_channels, out_channels, tuple(window), stride, padding, bias="bias" in own
            )
        case "batch-norm":
            return nn.BatchNorm2d(len(own["weight"]))
        case "max-pool":
            return nn.MaxPool2d(spec["kernel_size"], spec.get("stride"), spec.get("padding", 0))
        case "global-avg-pool":
            return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten())
        case "flatten":
            return nn.Flatten()
        case "dropout":
            return nn.Dropout(spec["p"])
        case "relu":
            return nn.ReLU(inplace=True)
        case "leaky-relu":
            return nn.LeakyReLU(spec.get("negative_slope", 0.01), inplace=True)
        case unknown:
            raise Unable(f"knows no layer {unknown!r}")
