"""A dense layer as a piece: its memory, and the code that calls its kernels (dense.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from handloom import nn
from handloom._typing import AnyArray, FloatArray
from handloom.loom.arena import Arena, round_up
from handloom.loom.kernels import dense
from handloom.loom.kernels.activation import Activation
from handloom.loom.kernels.optimizer import Updating
from handloom.loom.language.value import Value
from handloom.loom.piece import Piece, Place, Stage, Step, Stored, flat
from handloom.loom.pieces.lit import TILE, Lit

SMALL = 1 << 15
"""Weights up to which a group of examples is carried on by one thread; beyond, threads share out
the columns: they would wait longer for the slowest than a meeting takes."""


class DensePiece(Piece):
    """y = f(x W + b) for a Linear and the activation behind it."""

    def __init__(
        self,
        layer: nn.Linear,
        place: Place,
        *,
        activation: Activation,
        sparse: bool = False,
    ) -> None:
        self.units, self.inputs = layer.weight.shape
        super().__init__(f"dense {self.inputs} → {self.units}", place)
        self.source = place.source.read()
        self.activation = activation
        self.itemsize = place.arena.dtype.itemsize
        self.small = self.units * self.inputs <= SMALL
        lanes = place.sizes.lanes
        self.width = lanes if self.units <= lanes else 2 * lanes
        self.panels = -(-self.units // self.width)
        self.padded = self.panels * self.width
        self.below = 2 * lanes  # columns of a panel of the transposed weights
        # Rows of weights that are updated at a time; the layout is good for both numbers.
        self.lit = Lit(place.source) if sparse and not self.small else None
        most = place.sizes.machine.tile_rows(2)
        self.tile = TILE if self.lit else most
        self.tiles = -(-self.inputs // self.tile)
        self.rows = max(round_up(self.inputs, n) for n in (most, TILE, self.below))
        self.panel = self.rows * self.width
        self.weights = place.arena.parameters.take(self.panels * self.panel)
        self.parameters[place.name_of("weight")] = Stored(
            self.weights, layer.weight.shape, self._pack, self._unpack
        )
        self.bias_name = place.name_of("bias") if layer.bias is not None else None
        self.weight_name = place.name_of("weight")
        self.bias = place.arena.parameters.take(self.padded)  # zeros where the layer has none
        if self.bias_name:
            self.parameters[self.bias_name] = flat(self.bias, (self.units,))

    def allocate(self, arena: Arena) -> None:
        """The transposed copy that errors are computed with, and room for sums of squares."""
        if self.lit:
            self.lit.allocate(arena)
        if self.sizes.training:
            if self.source.needs_errors:
                self.turned = arena.work.take(round_up(self.inputs, self.below) * self.padded)
            self.squares = [
                arena.work.take(self.panels * self.tiles),
                arena.work.take(self.padded // self.sizes.lanes),
            ]

    @property
    def _flops(self) -> int:
        """Of one of the three products."""
        return 2 * self.sizes.batch * self.inputs * self.units

    def _bytes(self, passes: int) -> int:
        """Of some passes over all weights, and one over inputs and outputs."""
        numbers = passes * self.inputs * self.units + self.sizes.batch * (self.inputs + self.units)
        return numbers * self.itemsize

    # -- forward ----------------------------------------------------------------------------------

    def forward(self) -> list[Stage]:
        """One stage: by groups where the weights are few, else shared by columns."""
        flops, size = self._flops, self._bytes(1)
        if self.small:
            return [Stage(self.title, self._forward_group, flops=flops, bytes=size)]
        shared = Stage(
            self.title, self._forward_shared, by_group=False, meets=True, flops=flops, bytes=size
        )
        if self.lit is None:
            return [shared]
        if not self.sizes.training:
            return [self.lit.by_group(), shared]
        # Both need all pictures, and nothing of each other: one meeting is enough.
        return [self.lit.by_group(), self.lit.by_pixels(), replace(shared, meets=False)]

    def _forward_group(self, step: Step, group: Value) -> None:
        for tile in step.e.range(self.sizes.group // self.sizes.tile_rows):
            for panel in step.e.range(0, self.panels, self._abreast):
                self._forward_tile(step, group, tile, panel)

    def _forward_shared(self, step: Step) -> None:
        tiles = self.sizes.group // self.sizes.tile_rows
        blocks = self.sizes.groups * tiles
        # Backwards: what the update touched last is still in the cache.
        for i in step.team.deal(self.panels // self._abreast * blocks, backwards=True):
            panel, block = i // blocks * self._abreast, i % blocks
            self._forward_tile(step, block // tiles, block % tiles, panel)

    @property
    def _abreast(self) -> int:
        """Panels at once: enough sums to keep the processor busy where a tile has few rows."""
        wanted = -(-8 * self.sizes.lanes // (self.sizes.tile_rows * self.width))
        return next(n for n in range(max(1, wanted), 0, -1) if self.panels % n == 0)

    def _forward_tile(self, step: Step, group: Value, tile: Value, panel: Value) -> None:
        row, rows = self.sizes.row, self.sizes.tile_rows
        first = tile * (rows * row)
        tiles = self.sizes.group // rows
        emit = dense.sparse_tile if self.lit else dense.forward_tile
        emit(
            step.e, step.values(self.source, group) + first,
            step.at(self.weights, panel, self.panel), step.at(self.bias, panel, self.width),
            step.values(self.output, group) + (first + panel * self.width),
            self.lit.columns(step, group * tiles + tile) if self.lit else self.inputs,
            self.units - panel * self.width,
            row=row, rows=rows, width=self.width, panels=self._abreast,
            panel=self.panel if self._abreast > 1 else 0, activation=self.activation,
        )  # fmt: skip

    # -- backward ---------------------------------------------------------------------------------

    def prepare(self) -> list[Stage]:
        """The transposed copy of the weights, if errors go further down."""
        if not (self.sizes.training and self.source.needs_errors):
            return []
        size = 2 * self.inputs * self.units * self.itemsize
        return [Stage(f"{self.title}: transpose", self._turn, by_group=False, bytes=size)]

    def _turn(self, step: Step) -> None:
        for below in step.team.share(round_up(self.inputs, self.below) // self.below):
            for panel in step.e.range(self.panels):
                dense.turn(
                    step.e,
                    step.at(self.weights, panel, self.panel) + below * (self.below * self.width),
                    step.at(self.turned, below, self.padded * self.below)
                    + panel * (self.width * self.below),
                    columns=self.width,
                    width=self.below,
                )

    def backward(self) -> list[Stage]:
        """The errors of the source."""
        if not self.source.needs_errors:
            return []
        self.arrival = self.source.arrival()
        title, flops, size = f"{self.title}: errors below", self._flops, self._bytes(1)
        if self.small:
            return [Stage(title, self._backward_group, flops=flops, bytes=size)]
        shared = self._backward_shared
        return [Stage(title, shared, by_group=False, meets=True, flops=flops, bytes=size)]

    def _backward_group(self, step: Step, group: Value) -> None:
        for below in step.e.range(round_up(self.inputs, self.below) // self.below):
            for tile in step.e.range(self.sizes.group // self.sizes.tile_rows):
                self._error_tile(step, group, tile, below)

    def _backward_shared(self, step: Step) -> None:
        tiles = self.sizes.group // self.sizes.tile_rows
        blocks = self.sizes.groups * tiles
        for i in step.team.deal(round_up(self.inputs, self.below) // self.below * blocks):
            below, block = i // blocks, i % blocks
            self._error_tile(step, block // tiles, block % tiles, below)

    def _error_tile(self, step: Step, group: Value, tile: Value, below: Value) -> None:
        row, rows = self.sizes.row, self.sizes.tile_rows
        place = tile * (rows * row) + below * self.below
        dense.error_tile(
            step.e,
            step.errors(self.output, group) + tile * (rows * row),
            step.at(self.turned, below, self.padded * self.below),
            step.values(self.source, group) + place,
            step.errors(self.source, group) + place,
            self.units,
            row=row,
            rows=rows,
            width=self.below,
            arrival=self.arrival,
        )

    # -- update -----------------------------------------------------------------------------------

    def update(self, how: Mapping[str, Updating]) -> list[Stage]:
        """Gradient and update of weights and bias, shared out by tiles."""
        flops, size = self._flops, self._bytes(2 * (1 + how[self.weight_name].states))

        def emit(step: Step) -> None:
            self._update_weights(step, how[self.weight_name])
            if self.bias_name:
                self._update_bias(step, how[self.bias_name])

        return [Stage(f"{self.title}: update", emit, by_group=False, flops=flops, bytes=size)]

    def _update_weights(self, step: Step, how: Updating) -> None:
        emit = dense.sparse_update_tile if self.lit else dense.update_tile
        among = step.team.share if self.small else step.team.deal
        for i in among(self.panels * self.tiles):
            panel, first = i // self.tiles, i % self.tiles * self.tile
            emit(
                step.e, step.values(self.source, 0) + first,
                step.errors(self.output, 0) + panel * self.width,
                step.at(self.weights, panel, self.panel) + first * self.width,
                step.settings, step.at(self.squares[0]) + i,
                self.lit.rows(step, i % self.tiles) if self.lit else self.sizes.batch,
                row=self.sizes.row, rows=self.tile, width=self.width, how=how,
            )  # fmt: skip

    def _update_bias(self, step: Step, how: Updating) -> None:
        for i in step.team.share(self.padded // self.sizes.lanes):
            first = i * self.sizes.lanes
            dense.update_bias(
                step.e, step.errors(self.output, 0) + first, step.at(self.bias) + first,
                step.settings, step.at(self.squares[1]) + i, self.sizes.batch,
                row=self.sizes.row, how=how,
            )  # fmt: skip

    # -- the same layout seen from NumPy ----------------------------------------------------------

    def _pack(self, numbers: FloatArray, array: AnyArray) -> None:
        padded = np.zeros((self.rows, self.padded), numbers.dtype)
        padded[: self.inputs, : self.units] = array.T
        panels = padded.reshape(self.rows, self.panels, self.width).swapaxes(0, 1)
        numbers.reshape(self.panels, self.rows, self.width)[...] = panels

    def _unpack(self, numbers: FloatArray) -> AnyArray:
        panels = numbers.reshape(self.panels, self.rows, self.width)
        padded = panels.swapaxes(0, 1).reshape(self.rows, self.padded)
        return np.ascontiguousarray(padded[: self.inputs, : self.units].T)
