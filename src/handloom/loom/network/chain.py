"""A network's layers in a row, with their paths, and what can be told of them by their shapes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

from handloom import nn
from handloom._typing import Shape

Named = tuple[str, nn.Layer]
"""A layer and its attribute path."""


def in_a_row(path: str, layer: nn.Layer) -> Iterator[Named]:
    """The layers of nested Sequentials, one after the other, with their paths."""
    if type(layer) is not nn.Sequential:
        yield path, layer
        return
    for name, child in layer.named_children():
        yield from in_a_row(f"{path}.{name}" if path else name, child)


def has_maps(layers: list[Named], input_shape: Shape) -> bool:
    """Whether layers look at pictures as pictures before they flatten them."""
    return len(input_shape) == 3 and type(layers[0][1]) is not nn.Flatten


def widest(layers: list[Named], input_shape: Shape) -> int:
    """The most features that any row of the network has; what comes out is one, too."""
    *inside, last = _shapes(layers, input_shape)
    rows = [shape for shape in inside if len(shape) == 1]
    return max(math.prod(shape) for shape in (*rows, last))


def _shapes(layers: Iterable[Named], shape: Shape) -> Iterator[Shape]:
    """The shapes of all that flows between layers, within branches too; the output's is last."""
    yield shape
    for path, layer in layers:
        if type(layer) in (nn.Residual, nn.Parallel):
            for _, branch in layer.named_children():
                yield from _shapes(in_a_row(path, branch), shape)
        shape = layer.output_shape(shape)
        yield shape
