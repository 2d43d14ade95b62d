"""Which layers become one piece: the network's tree, walked once, a few layers ahead."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from handloom import nn
from handloom._registry import Registry
from handloom._typing import Shape
from handloom.errors import HandloomError
from handloom.loom.arena import Arena
from handloom.loom.kernels.activation import EPILOGUES, Activation, Identity, activation_of
from handloom.loom.kernels.convolution.shape import Convolution
from handloom.loom.network.chain import Named, in_a_row
from handloom.loom.piece import Piece, Place
from handloom.loom.pieces import elementwise, flatten, global_pool, norm, pool
from handloom.loom.pieces.convolution import direct as conv
from handloom.loom.pieces.convolution import rows as conv_rows
from handloom.loom.pieces.convolution import ways as conv_ways
from handloom.loom.pieces.dense import DensePiece
from handloom.loom.pieces.dropout import DropoutPiece
from handloom.loom.pieces.winograd import tiled as winograd
from handloom.loom.tensor import Sizes, Tensor


class UncoveredError(HandloomError):
    """Something that the loom cannot compile: a layer by path and class, a loss, an optimizer."""


class Network:
    """Pieces and tensors of layers in a row, in forward order, for examples of `input_shape`.

    What comes out is rows of features. Where most pixels are zero (`sparse`), a dense first layer
    looks for those that are not; `needs_errors` says that somebody asks for ∂loss/∂input.
    """

    def __init__(
        self,
        layers: list[Named],
        input_shape: Shape,
        sizes: Sizes,
        arena: Arena,
        *,
        sparse: bool = False,
        needs_errors: bool = False,
    ) -> None:
        self.sizes = sizes
        self.arena = arena
        self.pieces: list[Piece] = []
        self.tensors: list[Tensor] = []
        shape, rest = input_shape, list(layers)
        while rest and type(rest[0][1]) is nn.Flatten:
            shape, rest = (math.prod(shape),), rest[1:]
        self.input = self._tensor(shape, needs_errors=needs_errors)
        self.sparse = sparse and not self.input.is_maps
        self.output = self._walk(rest, self.input)
        if self.output.is_maps:
            flat = nn.Flatten()
            self.output = self.alone(flatten.FlattenPiece, "output", flat, [], self.output)

    def _walk(self, layers: list[Named], source: Tensor) -> Tensor:
        """Layers in a row, from the tensor that arrives to the one that leaves."""
        rest = list(layers)
        while rest:
            path, layer = rest.pop(0)
            make = PIECES.form_of(type(layer))
            output = None if make is None else make(self, path, layer, rest, source)
            if output is None:
                raise UncoveredError(f"{path} ({type(layer).__name__})")
            source = output
        return source

    # -- one kind of piece each -------------------------------------------------------------------

    def _dense(
        self, path: str, layer: nn.Linear, rest: list[Named], source: Tensor
    ) -> Tensor | None:
        if source.is_maps:
            return None
        paths, activation, _ = self._following(path, rest, None)
        output = self._tensor((layer.weight.shape[0],))
        sparse = self.sparse and source is self.input
        return self._add(
            DensePiece, layer, paths, source, output, activation=activation, sparse=sparse
        )

    def _conv(
        self, path: str, layer: nn.Conv2d, rest: list[Named], source: Tensor
    ) -> Tensor | None:
        if not conv.covers(layer):
            return None
        shape = layer.output_shape(source.shape)
        if winograd.covers(layer, self.sizes):
            paths, activation, pooling = *self._following(path, rest, None)[:2], None
            piece: Callable[..., Any] = winograd.WinogradPiece
        else:
            paths, activation, pooling = self._following(path, rest, shape)
            way = conv_ways.cheapest(
                Convolution.of(layer, source.shape, pooling), self.sizes.machine,
                errors_below=source.needs_errors_in_training,
            )  # fmt: skip
            piece = partial(way, pool=pooling)
        if self.sizes.single:
            piece = partial(conv_rows.by_rows, piece)
        output = self._tensor(shape if pooling is None else pooling.output_shape(shape))
        return self._add(piece, layer, paths, source, output, activation=activation)

    def _norm(self, path: str, layer: Any, rest: list[Named], source: Tensor) -> Tensor | None:
        shape = source.shape
        if not norm.covers(layer, shape):
            return None
        paths, activation, pooling = self._following(path, rest, shape if source.is_maps else None)
        output = self._tensor(shape if pooling is None else pooling.output_shape(shape))
        return self._add(
            norm.BatchNormPiece, layer, paths, source, output, activation=activation, pool=pooling
        )

    def _dropout(self, path: str, layer: nn.Dropout, rest: list[Named], source: Tensor) -> Tensor:
        if not self.sizes.training or layer.p == 0:
            return source
        output = self._tensor(source.shape, needs_errors=source.needs_errors_in_training)
        return self._add(DropoutPiece, layer, (path,), source, output)

    def _flatten(
        self, path: str, layer: nn.Flatten, rest: list[Named], source: Tensor
    ) -> Tensor | None:
        if not source.is_maps:
            return source
        return self.alone(flatten.FlattenPiece, path, layer, rest, source)

    def _residual(self, path: str, layer: nn.Residual, rest: list[Named], source: Tensor) -> Tensor:
        body = self._walk(list(in_a_row(f"{path}.body", layer.body)), source)
        shortcut = source
        if layer.shortcut is not None:
            shortcut = self._walk(list(in_a_row(f"{path}.shortcut", layer.shortcut)), source)
        paths, activation, _ = self._following(path, rest, None)
        output = self._tensor(body.shape)
        output.activation = activation
        place = self._place(paths, (body, shortcut), output)
        self.pieces.append(elementwise.AddPiece(layer, place, activation=activation))
        return output

    def _parallel(
        self, path: str, layer: nn.Parallel, rest: list[Named], source: Tensor
    ) -> Tensor | None:
        if not elementwise.covers(layer, source.shape):
            return None
        ends = [
            self._walk(list(in_a_row(f"{path}.{name}", branch)), source)
            for name, branch in layer.named_children()
        ]
        output = self._tensor(layer.output_shape(source.shape))
        place = self._place((path,), tuple(ends), output)
        self.pieces.append(elementwise.ConcatPiece(layer, place))
        return output

    def alone(
        self, piece: Callable[..., Piece], path: str, layer: Any, rest: list[Named], source: Tensor
    ) -> Tensor:
        """A layer that is a piece by itself."""
        shape = layer.output_shape(source.shape)
        output = self._tensor(shape, needs_errors=source.needs_errors_in_training)
        self._add(piece, layer, (path,), source, output)
        activation = activation_of(layer)
        if activation is not None and activation.from_output:
            output.activation = activation
        return output

    # -- what they share --------------------------------------------------------------------------

    def _following(
        self, path: str, rest: list[Named], shape: Shape | None
    ) -> tuple[tuple[str, ...], Activation, nn.MaxPool2d | None]:
        """Take activation and pooling from the front of `rest`, as far as they can be fused.

        An activation and a pooling are taken together if the activation is increasing: then either
        may come first. `shape` is that of the maps to pool, None where no pooling can be fused.
        """
        paths, activation, pooling = [path], None, None
        while rest:
            layer: Any = rest[0][1]
            found = activation_of(layer)
            if (
                found is not None
                and found.from_output
                and activation is None
                and (pooling is None or found.increasing)
            ):
                activation = found
            elif (
                type(layer) is nn.MaxPool2d
                and pooling is None
                and shape is not None
                and conv.fuses(layer, shape)
                and (activation is None or activation.increasing)
            ):
                pooling = layer
            else:
                break
            paths.append(rest.pop(0)[0])
        return tuple(paths), activation or Identity(), pooling

    def _add(
        self,
        piece: Callable[..., Piece],
        layer: nn.Layer,
        paths: tuple[str, ...],
        source: Tensor,
        output: Tensor,
        **settings: Any,
    ) -> Tensor:
        """Make a piece, and the tensor that it puts out."""
        output.activation = settings.get("activation", Identity())
        self.pieces.append(piece(layer, self._place(paths, (source,), output), **settings))
        return output

    def _place(self, paths: tuple[str, ...], sources: tuple[Tensor, ...], output: Tensor) -> Place:
        return Place(paths, sources, output, self.sizes, self.arena)

    def _tensor(self, shape: Shape, *, needs_errors: bool = True) -> Tensor:
        tensor = Tensor(shape, self.sizes, needs_errors=needs_errors)
        self.tensors.append(tensor)
        return tensor


Making = Callable[[Network, str, Any, list[Named], Tensor], Tensor | None]
"""(network, path, layer, the layers behind it, source) -> the tensor that comes out of the layer
and of those behind it that were fused with it; None if these settings or shapes have no piece."""


def by_itself(
    piece: Callable[..., Piece], covers: Callable[[nn.Layer, Shape], bool] | None = None
) -> Making:
    """A layer that is a piece alone, on the shapes of examples where `covers` says so."""

    def make(
        network: Network, path: str, layer: Any, rest: list[Named], source: Tensor
    ) -> Tensor | None:
        if covers is not None and not covers(layer, source.shape):
            return None
        return network.alone(piece, path, layer, rest, source)

    return make


def _activation(kind: type[nn.Layer]) -> Making | None:
    """Every layer that has an epilogue is a piece, where nothing stands before it."""
    return by_itself(elementwise.ActivationPiece, elementwise.covers) if kind in EPILOGUES else None


PIECES: Registry[Making] = Registry("the loom", "PIECES.register", _activation)
"""What makes a piece of a layer, by the layer's exact class."""
PIECES.register(nn.Linear)(Network._dense)
PIECES.register(nn.Conv2d)(Network._conv)
PIECES.register(nn.BatchNorm1d, nn.BatchNorm2d)(Network._norm)
PIECES.register(nn.Dropout)(Network._dropout)
PIECES.register(nn.Flatten)(Network._flatten)
PIECES.register(nn.Residual)(Network._residual)
PIECES.register(nn.Parallel)(Network._parallel)
PIECES.register(nn.MaxPool2d, nn.AvgPool2d)(by_itself(pool.PoolPiece, pool.covers))
PIECES.register(nn.GlobalAvgPool2d)(by_itself(global_pool.GlobalAvgPoolPiece, global_pool.covers))
