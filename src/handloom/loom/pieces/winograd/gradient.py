"""The gradient of a Winograd convolution's weights, for one group of examples.

    ∂loss/∂g = Gᵀ [Σ (A E Aᵀ) ∘ (Bᵀ d B)] G      the sum is over all tiles and examples

For each of the 36 products the sum is a matrix product, filters by channels. Its right side is read
by vectors of channels, so transformed pixels are turned: an example a row. Its sums stay in the
cache for a block of filters and channels while all tiles pass by.
"""

from __future__ import annotations

from handloom.loom.arena import Arena, round_up
from handloom.loom.kernels.winograd.product import TILES, bias_gradient, correlate, tile_rows, turn
from handloom.loom.kernels.winograd.tiles import Picture, Spectrum, collect_weights, spread
from handloom.loom.kernels.winograd.transform import PRODUCTS
from handloom.loom.language.value import Pointer, Value
from handloom.loom.piece import Step
from handloom.loom.tensor import Sizes

BLOCK = 64
"""Filters, and channels, whose sums are kept at a time."""


class WeightGradient:
    """Scratch memory for the gradient of `filters` kernels for `channels`, and its code."""

    def __init__(self, arena: Arena, sizes: Sizes, channels: int, filters: int) -> None:
        self.channels = channels
        self.filters = filters
        self.lanes = lanes = sizes.lanes
        self.padded_channels = round_up(channels, lanes)
        self.row = TILES * lanes  # examples of the tiles that are transformed at a time
        even = self.padded_channels % (2 * lanes) == 0
        self.width = (1 + even) * lanes  # channels of a panel
        self.rows = tile_rows(sizes.machine, lanes) * (2 - even)
        self.patch_next = lanes * lanes + lanes
        self.pixels_next = min(BLOCK, self.padded_channels) * self.row + lanes
        filters = min(BLOCK, round_up(filters, self.rows))
        self.errors_next = filters * self.row + lanes
        self.panel = filters * self.width
        self.sums_next = min(BLOCK, self.padded_channels) * filters + lanes
        nexts = self.patch_next, self.pixels_next, self.errors_next, self.sums_next
        self.patch, self.pixels, self.errors, self.sums = arena.scratch.borrow(
            *(PRODUCTS * size for size in nexts)
        )

    def emit(
        self,
        step: Step,
        x: Pointer,
        of_x: Picture,
        errors: Pointer,
        of_errors: Picture,
        gradient: Pointer,
        bias: Pointer | None,
    ) -> None:
        """Write the code: gradient [tap][filter][channel] and bias [filter] of one group."""
        e = step.e
        for f in e.range(0, self.filters, BLOCK):
            filters = e.min(BLOCK, self.filters - f)
            for c in e.range(0, self.padded_channels, BLOCK):
                vectors = e.min(BLOCK, self.padded_channels - c) // self.lanes
                for first in e.range(0, of_x.tiles, TILES):
                    tiles = e.min(TILES, of_x.tiles - first)
                    self._pixels(step, x, of_x, c, vectors, first, tiles)
                    spread(
                        e, errors + f * of_errors.channel, step.at(self.errors),
                        first, tiles, filters, *of_errors,
                        *Spectrum(self.errors_next, self.row, self.lanes),
                        of="errors",
                    )  # fmt: skip
                    correlate(
                        e, step.at(self.errors), step.at(self.pixels), step.at(self.sums),
                        tiles * self.lanes, filters, vectors * self.lanes // self.width,
                        first.equals(0),
                        self.errors_next, self.pixels_next, self.sums_next, self.panel,
                        row=self.row, rows=self.rows, width=self.width,
                    )  # fmt: skip
                    if bias is not None:
                        with e.when(c.equals(0)):
                            bias_gradient(
                                e, step.at(self.errors), bias + f, tiles, filters,
                                first.equals(0), self.errors_next, row=self.row,
                            )  # fmt: skip
                self._finish(step, gradient, f, c, vectors, filters)

    def _pixels(
        self,
        step: Step,
        x: Pointer,
        of_x: Picture,
        c: Value,
        vectors: Value,
        first: Value,
        tiles: Value,
    ) -> None:
        """Transform some tiles of `vectors` vectors of channels and turn them, [k][channel]."""
        e, lanes, patch = step.e, self.lanes, step.at(self.patch)
        for v in e.range(vectors):
            channel = c + v * lanes
            known = e.min(lanes, self.channels - channel)
            column = v * lanes
            panel = column // self.width * (self.row * self.width) + column % self.width
            for t in e.range(tiles):
                spread(
                    e, x + channel * of_x.channel, patch, first + t, 1, known,
                    *of_x, *Spectrum(self.patch_next, lanes), of="pixels",
                )  # fmt: skip
                if self.channels % lanes:
                    self._clear(step, patch, known)
                turn(
                    e, patch, step.at(self.pixels) + (panel + t * (lanes * self.width)),
                    PRODUCTS, self.patch_next, lanes, self.pixels_next, self.width,
                )  # fmt: skip

    def _clear(self, step: Step, patch: Pointer, known: Value) -> None:
        """Zeros for the channels of a vector that the layer does not have."""
        for p in step.e.range(PRODUCTS):
            for c in step.e.range(known, self.lanes):
                patch[p * self.patch_next + c * self.lanes] = step.e.zero

    def _finish(
        self,
        step: Step,
        gradient: Pointer,
        f: Value,
        c: Value,
        vectors: Value,
        filters: Value,
    ) -> None:
        """Bring the sums of a block back to kernels of 3x3."""
        e, tap = step.e, round_up(self.filters, self.lanes) * self.padded_channels
        for v in e.range(vectors):
            column = v * self.lanes
            place = column // self.width * self.panel + column % self.width
            collect_weights(
                e, step.at(self.sums) + place,
                gradient + (f * self.padded_channels + c + column), filters,
                *Picture(3, 3, 3 * tap, tap, self.padded_channels),
                *Spectrum(self.sums_next, self.width),
            )  # fmt: skip
