"""A 3x3 convolution of many channels as a piece, by Winograd's minimal filtering.

A tile of 4x4 pixels of the result costs 36 multiplications for each pair of channels instead of
144, and the transforms before and after, which are paid once for each channel.

Rounding: the transforms take differences of numbers up to ten times as large as the result. With
float numbers the result is off by up to about 1e-5 of its largest number, a plain sum by 1e-6; with
double numbers by 2e-14.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from handloom import nn
from handloom._typing import AnyArray, FloatArray
from handloom.loom.arena import Arena, round_up
from handloom.loom.kernels.activation import Activation
from handloom.loom.kernels.convolution.dark_windows import DarkWindows
from handloom.loom.kernels.convolution.shape import Convolution
from handloom.loom.kernels.optimizer import Updating
from handloom.loom.kernels.winograd.product import turn
from handloom.loom.kernels.winograd.tiles import Picture, Spectrum, collect, deliver
from handloom.loom.kernels.winograd.transform import PRODUCTS, TILE
from handloom.loom.language.value import Pointer, Value
from handloom.loom.piece import Piece, Place, Stage, Step, Stored, flat
from handloom.loom.pieces.partials import Partials
from handloom.loom.pieces.winograd.gradient import WeightGradient
from handloom.loom.pieces.winograd.way import Way
from handloom.loom.tensor import Sizes

FEWEST_CHANNELS = 8
"""With fewer, or less than a vector of them, transforms cost more than the products save."""


def covers(layer: nn.Conv2d, sizes: Sizes) -> bool:
    """Whether this is the way to compute a layer: 3x3, the map's size kept, many channels."""
    windows = layer.windows
    plain = windows.stride == windows.dilation == (1, 1) and layer.groups == 1
    same_size = windows.kernel == (3, 3) and windows.before == windows.after == (1, 1)
    fewest = max(FEWEST_CHANNELS, sizes.lanes)
    return plain and same_size and min(layer.in_channels, layer.out_channels) >= fewest


class WinogradPiece(Piece):
    """y = f(x * w + b) for a Conv2d that `covers` tells of, and the activation behind it.

    Weights lie [tap][filter][channel], with zeros up to whole vectors of filters and of channels.
    """

    def __init__(
        self,
        layer: nn.Conv2d,
        place: Place,
        *,
        activation: Activation,
    ) -> None:
        self.filters, self.channels = layer.out_channels, layer.in_channels
        super().__init__(f"conv {self.channels} → {self.filters}, 3×3 Winograd", place)
        self.source = place.source.read(border=1)
        place.output.error_border = max(place.output.error_border, 1)
        self.activation = activation
        self.delivers = place.sizes.training and place.source.needs_errors
        self.itemsize = place.arena.dtype.itemsize
        self.shape = Convolution.of(layer, place.source.shape, None)
        self.padded_filters = round_up(self.filters, place.sizes.lanes)
        self.padded_channels = round_up(self.channels, place.sizes.lanes)
        self.tap = self.padded_filters * self.padded_channels
        self.weight_name, self.bias_name = place.name_of("weight"), place.name_of("bias")
        self.weights = place.arena.parameters.take(9 * self.tap)
        self.strides = self.padded_channels, 1, 3 * self.tap, self.tap
        self.parameters[self.weight_name] = Stored(
            self.weights, layer.weight.shape, self._pack, self._unpack
        )
        self.bias = place.arena.parameters.take(self.padded_filters)  # zeros if the layer has none
        self.has_bias = layer.bias is not None
        if self.has_bias:
            self.parameters[self.bias_name] = flat(self.bias, (self.filters,))

    def _pack(self, numbers: FloatArray, array: AnyArray) -> None:
        taps = np.moveaxis(array, (2, 3), (0, 1))
        numbers[:] = 0.0
        self._taps(numbers)[:, :, : self.filters, : self.channels] = taps

    def _unpack(self, numbers: FloatArray) -> AnyArray:
        taps = self._taps(numbers)[:, :, : self.filters, : self.channels]
        return np.ascontiguousarray(np.moveaxis(taps, (0, 1), (2, 3)))

    def _taps(self, numbers: FloatArray) -> FloatArray:
        return numbers.reshape(3, 3, self.padded_filters, self.padded_channels)

    def allocate(self, arena: Arena) -> None:
        """Transformed weights, the groups' gradients, and what is between two transforms."""
        covered = round_up(self.shape.rows, TILE), round_up(self.shape.columns, TILE)
        self.dark = DarkWindows(self.shape, covered, self.sizes.lanes)
        beside = self.dark.size * self.sizes.training
        self.onward = Way(arena, self.sizes, self.channels, self.filters, beside=beside)
        (self.square,) = arena.scratch.borrow(9 * self.sizes.lanes**2)
        if self.delivers:
            self.back = Way(arena, self.sizes, self.filters, self.channels)
        if self.sizes.training:
            self.gradient = WeightGradient(arena, self.sizes, self.channels, self.filters)
            groups = self.sizes.groups
            self.partials = {self.weight_name: Partials(arena, self.weights, groups)}
            if self.has_bias:
                self.partials[self.bias_name] = Partials(arena, self.bias, groups)
            self.squares = [partials.squares for partials in self.partials.values()]

    def prepare(self) -> list[Stage]:
        """G g Gᵀ of all kernels, for both directions."""
        size = (9 + PRODUCTS) * self.tap * (1 + self.delivers) * self.itemsize
        return [
            Stage(f"{self.title}: transform weights", self._prepare, by_group=False, bytes=size)
        ]

    def _prepare(self, step: Step) -> None:
        """Shared out by squares of filters and channels, one of each a lane."""
        e, lanes, tap = step.e, self.sizes.lanes, self.tap
        across = self.padded_channels // lanes
        for i in step.team.share(self.padded_filters // lanes * across):
            f, c = i // across * lanes, i % across * lanes
            weights = step.at(self.weights) + (f * self.padded_channels + c)
            square, size = step.at(self.square), lanes * lanes
            turn(e, weights, square, 9, tap, self.padded_channels, size, lanes)
            self.onward.transform(step, f, c, square, Picture(3, 3, 3 * size, size, lanes))
            if self.delivers:
                backwards = Picture(3, 3, -3 * tap, -tap, self.padded_channels)
                self.back.transform(step, c, f, weights + 8 * tap, backwards)

    # -- forward and backward ---------------------------------------------------------------------

    def _stage(self, title: str, emit: Callable[[Step, Value], None]) -> Stage:
        """Forward and its two derivatives: each takes the same number of products."""
        tiles = Picture.of(self.source.maps).tiles
        flops = 2 * self.sizes.batch * PRODUCTS * tiles * self.channels * self.filters
        numbers = sum(tensor.maps.size(self.sizes) for tensor in (self.source, self.output))
        return Stage(self.title + title, emit, flops=flops, bytes=numbers * self.itemsize)

    def forward(self) -> list[Stage]:
        """One stage, by groups."""
        return [self._stage("", self._forward)]

    def _forward(self, step: Step, group: Value) -> None:
        y, maps = step.values(self.output, group), Picture.of(self.output.maps)
        mask, of_x = step.at(self.onward.beside), self.source.maps
        training = self.sizes.training

        def finish(sums: Pointer, c: Value, *tiles: Value, spectrum: Spectrum) -> None:
            collect(
                step.e, sums, step.at(self.bias) + c, mask, y + c * maps.channel,
                *tiles, self.dark.row, *maps, *spectrum,
                activation=self.activation, training=training,
            )  # fmt: skip

        x = step.values(self.source, group)
        if training:
            self.dark.find(step.e, x + (-of_x.row - of_x.lanes), mask, of_x)
        self.onward.convolve(step, x, Picture.of(of_x), finish)

    def backward(self) -> list[Stage]:
        """By groups: the gradients of weights and bias, then the errors of the source."""
        stages = [self._stage(": gradient", self._gradients)]
        if self.delivers:
            self.arrival = self.source.arrival()
            stages.append(self._stage(": errors below", self._errors_below))
        return stages

    def _gradients(self, step: Step, group: Value) -> None:
        self.gradient.emit(
            step,
            step.values(self.source, group),
            Picture.of(self.source.maps),
            step.errors(self.output, group),
            Picture.of(self.output.error_maps),
            self.partials[self.weight_name].of(step, group),
            self.partials[self.bias_name].of(step, group) if self.has_bias else None,
        )

    def _errors_below(self, step: Step, group: Value) -> None:
        x, errors = step.values(self.source, group), step.errors(self.source, group)
        maps, error_maps = Picture.of(self.source.maps), Picture.of(self.source.error_maps)

        def finish(sums: Pointer, c: Value, *tiles: Value, spectrum: Spectrum) -> None:
            deliver(
                step.e, sums, x + c * maps.channel, errors + c * error_maps.channel,
                *tiles, *error_maps, *maps, *spectrum, arrival=self.arrival,
            )  # fmt: skip

        arrived = step.errors(self.output, group)
        self.back.convolve(step, arrived, Picture.of(self.output.error_maps), finish)

    def update(self, how: Mapping[str, Updating]) -> list[Stage]:
        """The groups' gradients added up, and new weights."""
        return [
            partials.stage(f"{self.title}: update {name}", how[name])
            for name, partials in self.partials.items()
        ]
