"""From pictures to Winograd's spectra and back, a few tiles at a time.

A spectrum is a tile transformed: 36 numbers, each of which takes part in one of the 36 products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import product
from typing import Literal, NamedTuple

from handloom._typing import FloatArray
from handloom.loom.kernels.activation import Activation
from handloom.loom.kernels.convolution.dark_windows import exact
from handloom.loom.kernels.winograd.transform import AT, BT, POINTS, TILE, G, transform
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import kernel
from handloom.loom.language.value import Index, Pointer, Value
from handloom.loom.tensor import Arrival, Maps

Reader = Callable[[int, int], Value]
"""The vector at a place of a tile, or of a spectrum."""

AHEAD = 2
"""Channels whose pixels are asked for before they are needed: they lie far from each other."""


class Picture(NamedTuple):
    """How pictures lie: size in pixels, and numbers from one row, column, channel to the next."""

    height: Index
    width: Index
    row: Index
    column: Index
    channel: Index

    @classmethod
    def of(cls, maps: Maps) -> Picture:
        """Maps of the loom, from their first pixel on."""
        return cls(maps.height, maps.width, maps.row, maps.lanes, maps.plane)

    @property
    def across(self) -> Index:
        """Tiles in a row."""
        return (self.width + (TILE - 1)) // TILE

    @property
    def tiles(self) -> Index:
        """All tiles; those on the right and at the bottom may reach beyond the picture."""
        return (self.height + (TILE - 1)) // TILE * self.across

    def corner(self, tile: Value) -> tuple[Value, Value]:
        """The first row and column of a tile; tiles are counted row by row."""
        return tile // self.across * TILE, tile % self.across * TILE


class Spectrum(NamedTuple):
    """How transformed tiles lie: numbers from one of the 36, channel, tile to the next."""

    product: Index
    channel: Index
    tile: Index = 0


_SPREAD = {"pixels": (BT, 1), "errors": (AT.T, 0), "weights": (G, 0)}
"""Matrix, and how many pixels before a tile's corner it begins."""


@kernel
def spread(
    e: Emitter,
    source: Pointer,
    target: Pointer,
    first: Value,
    tiles: Value,
    channels: Value,
    *layout: Value,
    of: Literal["pixels", "errors", "weights"],
) -> None:
    """Bᵀ d B, A E Aᵀ or G g Gᵀ of some tiles, those from `first` on, and all channels.

    `layout` is the source's Picture and the target's Spectrum. What lies beyond a picture is read
    from its border, which is zero.
    """
    picture, spectrum = Picture(*layout[:5]), Spectrum(*layout[5:])
    matrix, before = _SPREAD[of]
    reach = range(-before, matrix.shape[1] - before)
    for c in e.range(channels):
        for t in e.range(tiles):
            top, left = picture.corner(first + t)
            rows = [e.min(top + i, picture.height) * picture.row for i in reach]
            columns = [e.min(left + j, picture.width) * picture.column for j in reach]
            pixels = source + c * picture.channel
            for row, column in product(rows[before:][:TILE], columns[before:][:TILE]):
                e.prefetch(pixels + AHEAD * picture.channel, row + column)
            numbers = target + (c * spectrum.channel + t * spectrum.tile)
            for i, line in transform(matrix, _pixels(pixels, rows, columns)):
                for j, number in enumerate(line):
                    numbers[(i * POINTS + j) * spectrum.product] = number


def _pixels(start: Pointer, rows: Sequence[Value], columns: Sequence[Value]) -> Reader:
    return lambda i, j: (start + rows[i]).vector(columns[j])


def _numbers(start: Pointer, spectrum: Spectrum) -> Reader:
    return lambda i, j: start.vector((i * POINTS + j) * spectrum.product)


def _results(
    e: Emitter,
    source: Pointer,
    first: Value,
    tiles: Value,
    channels: Value,
    picture: Picture,
    spectrum: Spectrum,
    matrix: FloatArray,
) -> Iterator[tuple[Value, Value, Value, Value]]:
    """matrix · m · matrixᵀ, vector by vector: channel, row, column, number; inside the picture."""
    for c in e.range(channels):
        for t in e.range(tiles):
            top, left = picture.corner(first + t)
            m = source + (c * spectrum.channel + t * spectrum.tile)
            for i, line in transform(matrix, _numbers(m, spectrum)):
                with e.when(top + i < picture.height):
                    for j, number in enumerate(line):
                        with e.when(left + j < picture.width):
                            yield c, top + i, left + j, number


@kernel
def collect(
    e: Emitter,
    sums: Pointer,
    bias: Pointer,
    mask: Pointer,
    y: Pointer,
    first: Value,
    tiles: Value,
    channels: Value,
    mask_row: Value,
    *layout: Value,
    activation: Activation,
    training: bool,
) -> None:
    """y = f(Aᵀ m A + bias) for some tiles; `layout` as for spread; only a training has a mask."""
    picture, spectrum = Picture(*layout[:5]), Spectrum(*layout[5:])
    for c, i, j, total in _results(e, sums, first, tiles, channels, picture, spectrum, AT):
        place = c * picture.channel + i * picture.row + j * picture.column
        if training:
            total = exact(e, total, mask, i * mask_row + j * e.lanes)
        y[place] = activation.output(e, total + bias[c])


@kernel
def deliver(
    e: Emitter,
    sums: Pointer,
    values: Pointer,
    errors: Pointer,
    first: Value,
    tiles: Value,
    channels: Value,
    *layout: Value,
    arrival: Arrival,
) -> None:
    """Aᵀ m A, the errors of the tensor with these values; `layout`: Picture twice, Spectrum."""
    picture, of_values = Picture(*layout[:5]), Picture(*layout[5:10])
    spectrum = Spectrum(*layout[10:])
    for c, i, j, total in _results(e, sums, first, tiles, channels, picture, spectrum, AT):
        place = c * picture.channel + i * picture.row + j * picture.column
        y = values + (c * of_values.channel + i * of_values.row + j * of_values.column)
        arrival.store(e, errors, place, total, y)


@kernel
def collect_weights(
    e: Emitter, sums: Pointer, gradient: Pointer, kernels: Value, *layout: Value
) -> None:
    """Gᵀ m G, the gradient of some kernels; `layout` as for spread, a kernel being a picture."""
    picture, spectrum = Picture(*layout[:5]), Spectrum(*layout[5:])
    first, only = e.lift(0), e.lift(1)
    for c, i, j, total in _results(e, sums, first, only, kernels, picture, spectrum, G.T):
        gradient[c * picture.channel + i * picture.row + j * picture.column] = total
