"""A convolution of few channels by Winograd's minimal filtering, with a pooling fused into it.

A tile of the result, for 5x5 kernels the very window of a 2x2 pooling, is transformed back, pooled,
and gets its bias and activation while it is in registers. Both derivatives go back from the same
spectra of errors, through the same transformed weights, by the same tiles: the errors of the input
by the transpose of the way forward, where tiles overlap and add up.

Rounding: as for the other Winograd convolution, with float numbers up to about 1e-5 of the largest
number of a result, 2e-5 where a tile has 8 x 8 points; with double numbers 1e-13.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from handloom import nn
from handloom._typing import AnyArray, FloatArray
from handloom.loom.arena import Arena, round_up
from handloom.loom.kernels.activation import Identity
from handloom.loom.kernels.convolution import gradient as conv_gradient
from handloom.loom.kernels.convolution.dark_windows import DarkWindows
from handloom.loom.kernels.convolution.tile import channels_across, product_tile
from handloom.loom.kernels.runs import deliver_run
from handloom.loom.kernels.winograd import fused as kernels
from handloom.loom.kernels.winograd.fused_tiles import best_tiling
from handloom.loom.kernels.winograd.tiles import Spectrum
from handloom.loom.language.value import Value
from handloom.loom.piece import Stage, Step, Stored
from handloom.loom.pieces.convolution.direct import ConvPiece
from handloom.loom.tensor import Maps

ONWARD = 4
"""Tiles that go forward at a time."""
BACKWARD = (16, 8, 4)
"""Tiles that go back at a time: the most of these whose spectra fit into ROOM."""
ROOM = 1 << 20  # bytes, about what a core's own cache holds


class WinogradFusedPiece(ConvPiece):
    """The same as ConvPiece, where tiles pay.

    Weights lie [tap][channel][filter], with zeros up to whole vectors of filters.
    """

    def _stored(self, layer: nn.Conv2d, arena: Arena) -> Stored:
        shape, lanes = self.shape, self.sizes.lanes
        self.title += " Winograd"
        tiling = best_tiling(shape)
        assert tiling is not None, "some tiles fit"
        self.tiling = tiling
        if not self.tiling.even:
            self.output.error_border = max(self.output.error_border, 1)
        self.row = round_up(shape.filters, lanes)
        self.tap = shape.channels * self.row
        self.of_weights = Spectrum(self.tap + lanes, self.row, 1)
        taps = (*shape.kernel, shape.channels, self.row)

        def pack(numbers: FloatArray, array: AnyArray) -> None:
            numbers[:] = 0.0
            numbers.reshape(taps)[..., : shape.filters] = array.transpose(2, 3, 1, 0)

        def unpack(numbers: FloatArray) -> AnyArray:
            known = numbers.reshape(taps)[..., : shape.filters]
            return np.ascontiguousarray(known.transpose(3, 2, 0, 1))

        self.strides = 1, self.row, shape.kernel[1] * self.tap, self.tap
        block = arena.parameters.take(shape.taps * self.tap)
        return Stored(block, layer.weight.shape, pack, unpack)

    @property
    def _unpools(self) -> bool:
        return False

    def allocate(self, arena: Arena) -> None:
        """Transformed weights, and what is between two transforms."""
        super().allocate(arena)
        shape, scratch, products = self.shape, arena.scratch, self.tiling.products
        self.spectra = arena.work.take(products * self.of_weights.product)
        self.of_x, self.of_y = (self._spectrum(n, ONWARD) for n in (shape.channels, shape.filters))
        self.dark = DarkWindows(shape, self.tiling.covered, self.sizes.lanes)
        self.pixels, self.sums, self.mask = scratch.borrow(
            products * self.of_x.product, products * self.of_y.product,
            self.dark.size * self.sizes.training,
        )  # fmt: skip
        if not self.sizes.training:
            return
        vectors = 2 * products * shape.channels + self.tiling.points * shape.filters
        size = vectors * self.sizes.lanes * self.itemsize
        self.back = next((n for n in BACKWARD if n * size <= ROOM), BACKWARD[-1])
        self.of_dx, self.of_dy = (
            self._spectrum(n, self.back) for n in (shape.channels, shape.filters)
        )
        (down, across), (top, left) = self.tiling.reach, shape.before
        self.reached = Maps(
            shape.channels, max(down, top + shape.height), max(across, left + shape.width), 0,
            self.sizes.lanes,
        )  # fmt: skip
        self.seen, self.wrong, self.below, self.gradient, self.arrived = scratch.borrow(
            products * self.of_dx.product, self.tiling.points * self.of_dy.product,
            products * self.of_dx.product, products * self.of_weights.product, self.reached.group,
        )  # fmt: skip

    def _spectrum(self, channels: int, tiles: int) -> Spectrum:
        """How spectra of some tiles lie: [product][channel][tile]."""
        channel = tiles * self.sizes.lanes
        return Spectrum(channels * channel + self.sizes.lanes, channel, self.sizes.lanes)

    def prepare(self) -> list[Stage]:
        """G g Gᵀ of all kernels."""
        size = (self.shape.taps + self.tiling.products) * self.tap * self.itemsize
        title = f"{self.title}: transform weights"
        return [Stage(title, self._prepare, by_group=False, bytes=size)]

    def _prepare(self, step: Step) -> None:
        """Shared out by channels."""
        for c in step.team.share(self.shape.channels):
            first = c * self.row
            kernels.transform_weights(
                step.e, step.at(self.weights) + first, step.at(self.spectra) + first,
                points=self.tiling.points, taps=self.shape.kernel[0], count=self.row, tap=self.tap,
                apart=self.of_weights.product,
            )  # fmt: skip

    def _stage(self, title: str, emit: Callable[[Step, Value], None], times: int) -> Stage:
        """A stage that takes all products so many times."""
        shape = self.shape
        products = self.tiling.products * self.tiling.tiles * shape.channels * shape.filters
        numbers = sum(each.size(self.sizes) for each in (self.source.maps, self.output.maps))
        flops = 2 * self.sizes.batch * products * times
        return Stage(title, emit, flops=flops, bytes=numbers * times * self.itemsize)

    # -- forward ----------------------------------------------------------------------------------

    def forward(self) -> list[Stage]:
        """One stage, by groups."""
        return [self._stage(self.title, self._forward, 1)]

    def _forward(self, step: Step, group: Value) -> None:
        e, shape, tiling = step.e, self.shape, self.tiling
        pixels, sums, training = step.at(self.pixels), step.at(self.sums), self.sizes.training
        if training:
            first_window = self._first_window(step, group)
            self.dark.find(e, first_window, step.at(self.mask), self.source.maps)
        for first in e.range(0, tiling.tiles, ONWARD):
            count = e.min(ONWARD, tiling.tiles - first)
            kernels.transform_pixels(
                e, self._first_window(step, group), pixels, first, count,
                tiling=tiling, source=self.source.maps, spectrum=self.of_x,
            )  # fmt: skip
            kernels.multiply(
                e, step.at(self.spectra), pixels, sums, count,
                products=self.tiling.products, depth=shape.channels, outputs=shape.filters,
                of_weights=self.of_weights, of_spectra=self.of_x, of_sums=self.of_y,
                shape=product_tile(self.sizes.machine, shape.filters, ONWARD),
            )  # fmt: skip
            kernels.transform_sums(
                e, sums, step.at(self.bias), step.at(self.mask), step.values(self.output, group),
                self._choice(step, group), first, count,
                tiling=tiling, target=self.output.maps, spectrum=self.of_y,
                activation=self.activation, mask_row=self.dark.row, training=training,
            )  # fmt: skip

    # -- backward ---------------------------------------------------------------------------------

    def backward(self) -> list[Stage]:
        """By groups: the gradients of weights and bias, and the errors of the source."""
        if not self.source.needs_errors:
            return [self._stage(f"{self.title}: gradient", self._backward, 1)]
        self.arrival = self.source.arrival()
        return [self._stage(f"{self.title}: gradient, errors below", self._backward, 2)]

    def _backward(self, step: Step, group: Value) -> None:
        e, tiling, arrived = step.e, self.tiling, step.at(self.arrived)
        kernels.clear(e, step.at(self.gradient), count=self.gradient.size)
        if self.source.needs_errors:
            kernels.clear(e, arrived, count=self.arrived.size)
        for first in e.range(0, tiling.tiles, self.back):
            count = e.min(self.back, tiling.tiles - first)
            kernels.transform_pixels(
                e, self._first_window(step, group), step.at(self.seen), first, count,
                tiling=tiling, source=self.source.maps, spectrum=self.of_dx,
            )  # fmt: skip
            for i in range(self.tiling.points):
                self._row(step, group, i, first, count)
            if self.source.needs_errors:
                kernels.add_pixels(
                    e, step.at(self.below), arrived, first, count,
                    tiling=tiling, target=self.reached, spectrum=self.of_dx,
                )  # fmt: skip
        kernels.transform_gradient(
            e, step.at(self.gradient), self.partials[self.weight_name].of(step, group),
            points=self.tiling.points, taps=self.shape.kernel[0], count=self.tap, tap=self.tap,
            apart=self.of_weights.product,
        )  # fmt: skip
        if self.bias_name:
            conv_gradient.bias_gradient(
                e, step.errors(self.output, group), self.partials[self.bias_name].of(step, group),
                target=self.output.error_maps,
            )  # fmt: skip
        if self.source.needs_errors:
            self._deliver(step, group)

    def _row(self, step: Step, group: Value, i: int, first: Value, count: Value) -> None:
        """The products of row i of some tiles' spectra, for both derivatives.

        A row at a time: the errors' spectra are then a sixth, and stay in the cache.
        """
        e, shape, lanes = step.e, self.shape, self.sizes.lanes
        seen, wrong = step.at(self.seen), step.at(self.wrong)
        start = i * self.tiling.points
        kernels.transform_errors(
            e, step.errors(self.output, group), self._choice(step, group), wrong, first, count,
            tiling=self.tiling, target=self.output.error_maps, spectrum=self.of_dy, row=i,
        )  # fmt: skip
        whole, rest = divmod(shape.filters, lanes)
        for blocks, filters, f in ((whole, lanes, 0), (1, rest, whole * lanes)):
            if blocks * filters:
                kernels.correlate(
                    e, wrong + f * self.of_dy.channel, seen + start * self.of_dx.product,
                    step.at(self.gradient) + (start * self.of_weights.product + f), count,
                    products=self.tiling.points, filters=filters, blocks=blocks,
                    channels=shape.channels,
                    across=channels_across(self.sizes.machine, filters, shape.channels),
                    of_errors=self.of_dy, of_pixels=self.of_dx, of_sums=self.of_weights,
                )  # fmt: skip
        if self.source.needs_errors:
            kernels.multiply(
                e, step.at(self.spectra) + start * self.of_weights.product, wrong,
                step.at(self.below) + start * self.of_dx.product, count,
                products=self.tiling.points, depth=shape.filters, outputs=shape.channels,
                of_weights=Spectrum(self.of_weights.product, 1, self.row),
                of_spectra=self.of_dy, of_sums=self.of_dx,
                shape=product_tile(self.sizes.machine, shape.channels, self.back),
            )  # fmt: skip

    def _deliver(self, step: Step, group: Value) -> None:
        """Every pixel's errors, which are complete, to the source."""
        e, (top, left), reached = step.e, self.shape.before, self.reached
        maps, error_maps = self.source.maps, self.source.error_maps
        start = step.at(self.arrived) + (top * reached.row + left * e.lanes)
        errors, values = step.errors(self.source, group), step.values(self.source, group)
        for c in e.range(maps.channels):
            for y in e.range(maps.height):
                places = [c * each.plane + y * each.row for each in (reached, error_maps, maps)]
                deliver_run(
                    e, start + places[0], errors + places[1], values + places[2],
                    maps.width * e.lanes, arrival=self.arrival, slope=Identity(),
                )  # fmt: skip
