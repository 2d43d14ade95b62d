"""Dropout: the very mask that the textbook's layer draws, made where it is used.

The mask is kept as bits, 32 to a word, for the way back. In rows the words of an example follow
each other, and one has the bits of 32 features; in maps every pixel's vector finds its examples'
bits in a vector of words, [32 pixels][lane].
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from llvmlite import ir

from handloom import nn
from handloom._typing import FloatArray
from handloom.loom.arena import Arena
from handloom.loom.kernels.activation import Identity
from handloom.loom.kernels.philox import philox
from handloom.loom.kernels.runs import error_layout, layout, runs, traffic
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.program import kernel
from handloom.loom.language.value import INT, INT32, Pointer, Value
from handloom.loom.piece import Piece, Place, Stage, Step
from handloom.loom.tensor import Arrival, Maps, Rows

BLOCK = 8  # numbers that Philox gives at a time, half a 64-bit integer each
WORD = 32  # bits of the mask in a word


@kernel
def draw(
    e: Emitter,
    numbers: Pointer,
    words: Pointer,
    key: Pointer,
    step: Value,
    first: Value,
    size: Value,
    apart: Value,
    *,
    threshold: int,
) -> None:
    """The mask of `size` numbers, `first` the place of the first in the batch, as bits.

    A number stays if NumPy's random float32 of its place, 24 bits of a 32-bit integer, is not below
    `threshold` of 2⁻²⁴. The words of the mask are `apart` from each other; `numbers` is scratch.
    """
    integers, raw = Pointer(e, numbers.ir, INT), Pointer(e, numbers.ir, INT32)
    start = first % BLOCK
    for block in e.range((start + size + (BLOCK - 1)) // BLOCK):
        for i, word in enumerate(philox(e, first // BLOCK + block, (key[0], step))):
            integers[block * (BLOCK // 2) + i] = word
    for w in e.range((size + (WORD - 1)) // WORD):
        word = Value(e, ir.Constant(INT32, 0))
        for v in range(0, WORD, e.lanes):
            keep = (raw.vector(start + w * WORD + v) >> 8) >= threshold
            bits = Value(e, e.builder.bitcast(keep.ir, ir.IntType(e.lanes)))
            word = word | e.shift_left(e.convert(bits, "zext", INT32), v)
        words[w * apart] = word


@kernel
def drop_run(
    e: Emitter,
    given: Pointer,
    target: Pointer,
    values: Pointer,
    words: Pointer,
    first: Value,
    run: Value,
    scale: Value,
    *,
    maps: bool,
    arrival: Arrival,
) -> None:
    """Deliver a run of numbers, times `scale` where the mask keeps them and else zero.

    Of maps, `first` is the first pixel; of rows, the example's first word.
    """
    for i in e.range(0, run, e.lanes):
        if maps:
            pixel = first + i // e.lanes
            word = words.vector(pixel // WORD * e.lanes)
            keep = ((word >> e.convert(pixel % WORD, "trunc", INT32)) & 1).equals(1)
        else:
            word = words[first + i // WORD] >> e.convert(i % WORD, "trunc", INT32)
            bits = e.convert(word, "trunc", ir.IntType(e.lanes))
            keep = e.bits_as(bits, ir.VectorType(ir.IntType(1), e.lanes))
        arrival.store(e, target, i, e.where(keep, given.vector(i) * scale, 0.0), values + i)


class DropoutPiece(Piece):
    """y = x / (1 - p) where the mask of this step keeps it, else 0; there is none in evaluation."""

    def __init__(
        self,
        layer: nn.Dropout,
        place: Place,
    ) -> None:
        super().__init__(f"dropout {layer.describe()}", place)
        self.layer = layer
        self.source = place.source.read()
        self.size = math.prod(place.source.shape)
        self.words = -(-self.size // WORD)
        self.index: Maps | Rows = (
            replace(place.source.maps, border=0, lanes=1)
            if place.source.is_maps
            else replace(place.source.rows, row=self.words)
        )

    def allocate(self, arena: Arena) -> None:
        """The layer's key, the mask of all examples, and the random numbers of one."""
        self.key = arena.work.take(2)
        self.mask = arena.work.take(self.sizes.groups * self.sizes.group * self.words)
        self.numbers = arena.scratch.take(self.size + WORD + 2 * BLOCK)

    def fill(self, work: FloatArray) -> None:
        """The key is not part of the code: another seed needs no new compilation."""
        self.key.of(work).view(np.uint64)[0] = self.layer.key

    def forward(self) -> list[Stage]:
        """By groups: draw the mask of each example, then one pass."""

        def emit(step: Step, group: Value) -> None:
            self._draw(step, group)
            x, y = step.values(self.source, group), step.values(self.output, group)
            where = layout(self.source), layout(self.output)
            self._apply(step, group, x, y, y, (*where, where[1]), Arrival())

        return [Stage(self.title, emit, bytes=traffic(self.source, 2))]

    def backward(self) -> list[Stage]:
        """The errors through the same mask."""
        source, output = self.source, self.output
        if not source.needs_errors:
            return []
        arrival = source.arrival()

        def emit(step: Step, group: Value) -> None:
            given, errors = step.errors(output, group), step.errors(source, group)
            where = error_layout(output), error_layout(source), layout(source)
            values = step.values(source, group)
            self._apply(step, group, given, errors, values, where, arrival)

        times = 2 + arrival.adds + (arrival.activation != Identity())
        return [Stage(f"{self.title}: errors below", emit, bytes=traffic(source, times))]

    def _bits(self, step: Step, group: Value) -> Pointer:
        """A group's words, which take the place of as many numbers."""
        start = step.at(self.mask, group, self.sizes.group * self.words)
        return Pointer(step.e, start.ir, INT32)

    def _draw(self, step: Step, group: Value) -> None:
        e, group_size = step.e, self.sizes.group
        maps = self.source.is_maps
        threshold = math.ceil(float(np.float32(self.layer.p)) * 2**24)
        key = Pointer(e, step.at(self.key).ir, INT)
        first = group * group_size
        for example in e.range(e.min(group_size, step.count - first)):
            draw(
                e, step.at(self.numbers),
                self._bits(step, group) + example * (1 if maps else self.words),
                key, step.number, (first + example) * self.size, self.size,
                self.sizes.lanes if maps else 1, threshold=threshold,
            )  # fmt: skip

    def _apply(
        self,
        step: Step,
        group: Value,
        given: Pointer,
        target: Pointer,
        values: Pointer,
        layouts: tuple[Maps | Rows, Maps | Rows, Maps | Rows],
        arrival: Arrival,
    ) -> None:
        """Walk through a group's numbers; the layouts are those of the three pointers."""
        e, words = step.e, self._bits(step, group)
        for run, (start, to, at, first) in runs(e, self.sizes, *layouts, self.index):
            drop_run(
                e, given + start, target + to, values + at, words, first, run,
                e.number(1 / (1 - self.layer.p)), maps=self.source.is_maps, arrival=arrival,
            )  # fmt: skip
