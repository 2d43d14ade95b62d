"""What a network is made of: of every layer its shape, its parameters, and what it computes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from handloom import nn
from handloom._typing import Shape


@dataclass(frozen=True)
class LayerLine:
    """One layer, and those inside it."""

    path: str
    """Its attribute path in the network."""
    kind: str
    """Its class."""
    settings: str
    """As they would be typed: '64, 128, 3, stride=2'."""
    title: str
    """Its class and what no shape tells: 'Conv2d 3×3/2'."""
    output: Shape
    """Of one example."""
    parameters: int
    """Numbers that are trained, inside it too."""
    multiply_adds: int
    """Of one example's forward pass, in the linear and convolution layers, by custom the only ones
    counted; biases are not. Backward takes twice as many."""
    values: int
    """Numbers that one example's forward pass makes, and backward needs: all outputs."""
    inside: tuple[LayerLine, ...]
    """In their order. Of a Sequential within another layer only its layers stand here; one that is
    empty stands for itself."""


def summarise(network: nn.Layer, input_shape: Shape) -> LayerLine:
    """The line of `network` for examples of `input_shape`; its layers are `inside` it.

    Works for any Layer: the shapes are those of a batch without examples, which costs nothing.
    """
    training = network.training
    network.eval()
    try:
        passages = nn.trace(network, np.empty((0, *input_shape), np.float32))
    finally:
        network.train(training)
    shapes = {path: passage.y.shape[1:] for path, passage in passages.items()}
    return _line("", network, shapes)


def shortened(number: int) -> str:
    """'451,584' as '452 k', with three digits."""
    for size, letter in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            value = number / size
            return f"{value:.{2 if value < 10 else 1 if value < 100 else 0}f} {letter}"
    return str(number)


def _line(path: str, layer: nn.Layer, shapes: Mapping[str, Shape]) -> LayerLine:
    output = shapes[path]
    inside = _inside(path, layer, shapes)
    return LayerLine(
        path=path,
        kind=type(layer).__name__,
        settings=layer.describe(),
        title=_title(layer),
        output=output,
        parameters=layer.num_parameters(),
        multiply_adds=_multiply_adds(layer, output) + sum(each.multiply_adds for each in inside),
        values=_values(layer, output) + sum(each.values for each in inside),
        inside=inside,
    )


def _inside(path: str, layer: nn.Layer, shapes: Mapping[str, Shape]) -> tuple[LayerLine, ...]:
    """Those that the forward pass went through."""
    lines: list[LayerLine] = []
    for name, child in layer.named_children():
        at = f"{path}.{name}" if path else name
        if isinstance(child, nn.Sequential) and len(child):
            lines += _inside(at, child, shapes)
        elif at in shapes:
            lines.append(_line(at, child, shapes))
    return tuple(lines)


def _multiply_adds(layer: nn.Layer, output: Shape) -> int:
    """Every weight is used once at each place of the output."""
    if not isinstance(layer, nn.Linear | nn.Conv2d):
        return 0
    return layer.weight.value.size * math.prod(output[1:])


def _values(layer: nn.Layer, output: Shape) -> int:
    """A Flatten gives the numbers it was given, a Sequential those of its last layer."""
    return 0 if isinstance(layer, nn.Flatten | nn.Sequential) else math.prod(output)


def _title(layer: nn.Layer) -> str:
    kind = type(layer).__name__
    match layer:
        case nn.Conv2d() | nn.MaxPool2d() | nn.AvgPool2d():
            usual = (1, 1) if isinstance(layer, nn.Conv2d) else layer.windows.kernel
            stride = layer.windows.stride
            down, across = stride
            told = f"/{down}" if down == across else f"/{down}×{across}"
            height, width = layer.windows.kernel
            return f"{kind} {height}×{width}{'' if stride == usual else told}"
        case nn.Sequential() if not len(layer):
            return "what arrives"
        case nn.Dropout():
            return f"{kind} {layer.describe()}"
        case _:
            return kind
