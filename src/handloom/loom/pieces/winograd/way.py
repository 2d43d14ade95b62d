"""One direction of a Winograd convolution: its transformed weights, and the way from map to map.

Forward leads from channels to filters. The errors of the input are a convolution too: from filters
to channels, with every kernel turned by 180 degrees.
"""

from __future__ import annotations

from collections.abc import Callable

from handloom.loom.arena import Arena, round_up
from handloom.loom.kernels.winograd.product import TILES, multiply, tile_rows
from handloom.loom.kernels.winograd.tiles import Picture, Spectrum, spread
from handloom.loom.kernels.winograd.transform import PRODUCTS
from handloom.loom.language.value import Pointer, Value
from handloom.loom.piece import Step
from handloom.loom.tensor import Sizes

OUTPUTS = 32
"""Channels whose sums are kept until they are transformed back."""

Finish = Callable[..., None]
"""finish(sums, channel, first tile, tiles, channels, spectrum=): transform sums back."""


class Way:
    """Memory and code of a convolution from `inputs` to `outputs` channels.

    Transformed weights lie [product][block of `lanes` outputs][input][output]. `beside` numbers of
    scratch are the caller's own while a convolution lasts.
    """

    def __init__(
        self, arena: Arena, sizes: Sizes, inputs: int, outputs: int, *, beside: int = 0
    ) -> None:
        self.inputs = inputs
        self.outputs = outputs
        self.lanes = lanes = sizes.lanes
        self.rows = tile_rows(sizes.machine, lanes)
        self.block = round_up(inputs, lanes) * lanes
        self.next_product = -(-outputs // lanes) * self.block + lanes
        self.weights = arena.work.take(PRODUCTS * self.next_product)
        self.of_pixels, self.of_sums = self._spectrum(inputs), self._spectrum(OUTPUTS)
        self.pixels, self.sums, self.beside = arena.scratch.borrow(
            PRODUCTS * self.of_pixels.product, PRODUCTS * self.of_sums.product, beside
        )

    def _spectrum(self, channels: int) -> Spectrum:
        """How the transforms of a few tiles lie: [product][channel][tile]."""
        channel = TILES * self.lanes
        return Spectrum(channels * channel + self.lanes, channel, self.lanes)

    def transform(
        self, step: Step, output: Value, inputs: Value, taps: Pointer, kernels: Picture
    ) -> None:
        """G g Gᵀ of `lanes` outputs, one a lane, by `lanes` inputs, from those two on.

        `kernels` tells how they lie, from the first tap on: as pictures, one for each input.
        """
        place = output // self.lanes * self.block + inputs * self.lanes
        spectrum = Spectrum(self.next_product, self.lanes)
        target = step.at(self.weights) + place
        spread(step.e, taps, target, 0, 1, self.lanes, *kernels, *spectrum, of="weights")

    def convolve(self, step: Step, source: Pointer, picture: Picture, finish: Finish) -> None:
        """One group's maps, which lie at `source` as `picture` tells; `finish` stores the results.

        A few tiles at a time go through the transforms and the products between them.
        """
        e = step.e
        pixels, sums = step.at(self.pixels), step.at(self.sums)
        for first in e.range(0, picture.tiles, TILES):
            tiles = e.min(TILES, picture.tiles - first)
            spread(
                e, source, pixels, first, tiles, self.inputs, *picture, *self.of_pixels,
                of="pixels",
            )  # fmt: skip
            for output in e.range(0, self.outputs, OUTPUTS):
                outputs = e.min(OUTPUTS, self.outputs - output)
                weights = step.at(self.weights) + output // self.lanes * self.block
                multiply(
                    e, weights, pixels, sums, self.inputs, outputs,
                    self.block, self.next_product, self.of_pixels.product, self.of_sums.product,
                    rows=self.rows,
                )  # fmt: skip
                finish(sums, output, first, tiles, outputs, spectrum=self.of_sums)
