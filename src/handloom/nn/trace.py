"""Trace: what goes into and comes out of every layer of a network."""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

from handloom._typing import FloatArray
from handloom.nn.layer import Layer


class Passage(NamedTuple):
    """One layer, the x (N, ...) it was given, and the y (N, ...) it made of it."""

    layer: Layer
    x: FloatArray
    y: FloatArray


def trace(network: Layer, x: FloatArray) -> dict[str, Passage]:
    """Run `network.forward(x)` and return the passage of every layer by its path, in order of use.

    The network itself comes last and is named ''. A layer that runs twice tells its last passage.
    Works for any Layer: for the time of the call, each layer's forward is covered by one that
    takes notes. The mode is left as it is, so call `network.eval()` to see what a prediction sees.
    """
    passages: dict[str, Passage] = {}
    layers = list(network.named_layers())
    try:
        for path, layer in layers:
            vars(layer)["forward"] = partial(_noted_forward, passages, path, layer)
        network.forward(x)
    finally:
        for _, layer in layers:
            vars(layer).pop("forward", None)
    return passages


def _noted_forward(
    passages: dict[str, Passage], path: str, layer: Layer, x: FloatArray
) -> FloatArray:
    y = type(layer).forward(layer, x)
    passages.pop(path, None)  # so that a second passage goes to the end of the order
    passages[path] = Passage(layer, x, y)
    return y
