"""Which layers become one piece: the network's tree, walked once, a few layers ahead."""

from __future__ import annotations

import math
from collections.abc import Iterator

from handloom import nn
from handloom._typing import Shape
from handloom.errors import HandloomError
from handloom.loom.activation import Activation, Identity, activation_of
from handloom.loom.arena import Arena
from handloom.loom.dense_piece import DensePiece
from handloom.loom.lit import Lit
from handloom.loom.piece import Piece
from handloom.loom.tensor import Sizes, Tensor

Named = tuple[str, nn.Layer]


class UncoveredError(HandloomError):
    """A layer that the loom cannot compile; `path` is its attribute path."""

    def __init__(self, path: str, layer: nn.Layer) -> None:
        super().__init__(f"{path} ({type(layer).__name__})")
        self.path = path


class Network:
    """Pieces and tensors of a model for pictures (C, H, W), in forward order."""

    def __init__(
        self,
        model: nn.Layer,
        input_shape: tuple[int, int, int],
        sizes: Sizes,
        arena: Arena,
        *,
        sparse: bool,
    ) -> None:
        self.sizes = sizes
        self.arena = arena
        self.pieces: list[Piece] = []
        self.tensors: list[Tensor] = []
        layers = list(in_a_row("", model))
        shape: Shape = input_shape
        while layers and type(layers[0][1]) is nn.Flatten:
            shape, layers = (math.prod(shape),), layers[1:]
        self.input = self._tensor(shape, needs_errors=False)
        if sparse and not self.input.is_maps:
            self.input.lit = Lit(self.input)
        self.output = self._walk(layers, self.input)

    def _walk(self, layers: list[Named], source: Tensor) -> Tensor:
        """Layers in a row, from the tensor that arrives to the one that leaves."""
        rest = list(layers)
        while rest:
            source = self._piece(rest, source)
        return source

    def _piece(self, rest: list[Named], source: Tensor) -> Tensor:
        """Make a piece of the first layers of `rest`, and take them away."""
        path, layer = rest.pop(0)
        if type(layer) is nn.Linear and not source.is_maps:
            paths, activation = self._activation(path, rest)
            output = self._tensor((layer.weight.shape[0],), needs_errors=True)
            output.activation = activation
            self.pieces.append(
                DensePiece(
                    layer,
                    paths=paths,
                    prefix=path,
                    activation=activation,
                    source=source,
                    output=output,
                    sizes=self.sizes,
                    arena=self.arena,
                )
            )
            return output
        raise UncoveredError(path, layer)

    def _activation(self, path: str, rest: list[Named]) -> tuple[tuple[str, ...], Activation]:
        """Take an activation from the front of `rest`, if it can be an epilogue."""
        if rest and (found := activation_of(rest[0][1])) is not None and found.from_output:
            return (path, rest.pop(0)[0]), found
        return (path,), Identity()

    def _tensor(self, shape: Shape, *, needs_errors: bool) -> Tensor:
        tensor = Tensor(shape, self.sizes, needs_errors=needs_errors and self.sizes.training)
        self.tensors.append(tensor)
        return tensor


def in_a_row(path: str, layer: nn.Layer) -> Iterator[Named]:
    """The layers of nested Sequentials, one after the other, with their paths."""
    if type(layer) is not nn.Sequential:
        yield path, layer
        return
    for name, child in layer.named_children():
        yield from in_a_row(f"{path}.{name}" if path else name, child)


def has_maps(model: nn.Layer) -> bool:
    """Whether the network looks at pictures as pictures before it flattens them."""
    first = next(in_a_row("", model))[1]
    return type(first) is not nn.Flatten


def widest(model: nn.Layer, input_shape: Shape) -> int:
    """The most features that any row of the network has."""
    most, shape = 1, input_shape
    for _, layer in in_a_row("", model):
        shape = layer.output_shape(shape)
        if len(shape) == 1:
            most = max(most, *shape)
    return most
