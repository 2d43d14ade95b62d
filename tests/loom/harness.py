"""Runs one piece of the loom on NumPy arrays, as a step of a network would.

The harness stands on both sides of the piece: it fills the sources as if an earlier piece had, with
rubbish in the lanes beyond the batch, and delivers the output's errors as a later one would.
"""

from __future__ import annotations

import ctypes
import itertools
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from handloom._typing import AnyArray, FloatArray, Shape
from handloom.loom.arena import Arena, round_up
from handloom.loom.kernels.activation import Activation, Identity
from handloom.loom.kernels.optimizer import SETTINGS, Rule, Updating
from handloom.loom.language import machine
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import Machine
from handloom.loom.language.program import Program, Real
from handloom.loom.language.value import INT, Pointer, Value
from handloom.loom.native import jit
from handloom.loom.native.team import Team, counters
from handloom.loom.piece import Piece, Stage, Step
from handloom.loom.tensor import Maps, Rows, Sizes, Tensor

MOST_THREADS = 3
HOST, AVX2 = machine.host(), machine.avx2()
PLAIN = Identity()
_NAMES = itertools.count()

Make = Callable[..., Piece]
"""make(sizes, arena, output, *sources) -> the piece; it calls source.read() by itself."""


class Gradient(Rule):
    """w <- g: leaves the gradient where the parameter was."""

    def update(
        self, e: Emitter, s: list[Value], w: Value, g: Value, states: list[Value]
    ) -> tuple[Value, list[Value]]:
        """The gradient."""
        return g, []


@dataclass
class Result:
    """What one step left behind; `dx` has an array for each source, empty without errors.

    `squares` is the sum of all that the piece left there: ‖gradients‖².
    """

    y: FloatArray
    dx: list[FloatArray]
    gradients: dict[str, AnyArray]
    buffers: dict[str, AnyArray]
    squares: float


class Trial:
    """A piece compiled alone, for sources and an output of the given shapes.

    The sources end in the activation `begins`, the output in `ends`; `two_readers` says that
    another piece has delivered errors to the sources before. `borders` are the least borders of the
    sources' values and errors, then of the output's; the harness looks that they stay zero.
    """

    def __init__(
        self,
        make: Make,
        shapes: Sequence[Shape],
        output_shape: Shape,
        *,
        batch: int,
        machine: Machine = HOST,
        real: Real = "double",
        training: bool = True,
        begins: Activation = PLAIN,
        ends: Activation = PLAIN,
        two_readers: bool = False,
        needs_errors: bool = True,
        borders: tuple[int, int, int, int] = (1, 2, 3, 1),
        tile_rows: int = 4,
    ) -> None:
        lanes = machine.lanes(real)
        features = max([1, *(s[0] for s in (*shapes, output_shape) if len(s) == 1)])
        row = round_up(features, 4 * lanes) + 3 * lanes
        self.sizes = Sizes(machine, lanes, batch, lanes, tile_rows, row, training)
        self.arena = Arena({"float": np.float32, "double": np.float64}[real])
        self.sources = [Tensor(s, self.sizes, needs_errors=needs_errors) for s in shapes]
        self.output = Tensor(output_shape, self.sizes, needs_errors=training)
        self.two_readers = two_readers
        for source in self.sources:
            source.activation = begins
            source.border, source.error_border = borders[:2]
            source.readers = int(two_readers)
        self.output.activation = ends
        self.output.border, self.output.error_border = borders[2:]
        self.piece = make(self.sizes, self.arena, self.output, *self.sources)
        self.output.read()
        for tensor in (*self.sources, self.output):
            tensor.allocate(self.arena)
        self.piece.allocate(self.arena)
        self.arena.close(0)
        self.parameters = self.arena.parameter_memory()
        self.work = self.arena.work_memory(MOST_THREADS)
        self.piece.fill(self.work)
        self._compile(machine, real)

    def _compile(self, machine: Machine, real: Real) -> None:
        program = Program(machine, real)
        number = program.real
        program.entry(
            "run", self._write, me=None, threads=None, count=None, step=None,
            arrivals=INT, parameters=number, work=number, settings=number,
        )  # fmt: skip
        self.code = jit.compile_object(machine, str(program.module))
        entry = jit.link(machine, self.code, f"trial{next(_NAMES)}")("run")
        self.call = jit.callable_at(entry, integers=4, pointers=4)

    def _write(
        self,
        e: Emitter,
        me: Value,
        threads: Value,
        count: Value,
        number: Value,
        arrivals: Pointer,
        parameters: Pointer,
        work: Pointer,
        settings: Pointer,
    ) -> None:
        team = Team(e, me, threads, arrivals)
        step = Step(e, team, self.arena, parameters, work, settings, count, number)
        piece, training = self.piece, self.sizes.training
        self._stages(step, piece.prepare())
        team.meet()
        self._stages(step, piece.forward())
        if training:
            if self.two_readers:
                for source in self.sources:
                    source.arrival()
            delivery = Stage("the output's errors arrive", self._deliver)
            self._stages(step, [delivery, *piece.backward()])
            team.meet()
            how = {name: Updating(Gradient(), 0) for name in piece.parameters}
            self._stages(step, piece.update(how))

    def _stages(self, step: Step, stages: list[Stage]) -> None:
        """As the step of a network does it: neighbours by groups are one loop."""
        loops: list[list[Stage]] = []
        for stage in stages:
            if loops and stage.by_group and loops[-1][-1].by_group and not stage.meets:
                loops[-1].append(stage)
            else:
                loops.append([stage])
        for loop in loops:
            step.team.meet()
            if loop[0].by_group:
                for group in step.team.share(self.sizes.groups):
                    for stage in loop:
                        stage.emit(step, group)
            else:
                loop[0].emit(step)

    def _deliver(self, step: Step, group: Value) -> None:
        """What a reader of the output does: dy, which lies there already, times the slope."""
        e, output = step.e, self.output
        errors, values = step.errors(output, group), step.values(output, group)
        arrival = output.arrival()
        for place, y_place in _vectors(e, output):
            arrival.store(e, errors, place, errors.vector(place), values + y_place)

    def run(
        self,
        *xs: FloatArray,
        dy: FloatArray | None = None,
        parameters: dict[str, FloatArray] | None = None,
        arrived: Sequence[FloatArray] = (),
        threads: int = 1,
        step: int = 0,
    ) -> Result:
        """One step on the examples xs, each (N, ...) with N <= batch, given dy = ∂loss/∂y.

        `parameters` are values of parameters and buffers; `arrived` are the errors that another
        reader of each source has delivered before.
        """
        stored = {**self.piece.parameters, **self.piece.buffers}
        for name, value in (parameters or {}).items():
            stored[name].pack(stored[name].block.of(self.parameters), value)
        for source, x in zip(self.sources, xs, strict=True):
            self._put(source, x, errors=False, rest=7.0)
        for source, errors in zip(self.sources, arrived, strict=False):
            self._put(source, errors, errors=True)
        if dy is not None:
            self._put(self.output, dy, errors=True)
        self._run_threads(len(xs[0]), step, threads)
        return self._result(len(xs[0]))

    def _run_threads(self, count: int, step: int, threads: int) -> None:
        settings = np.zeros(SETTINGS, self.arena.dtype)
        arrivals = counters(MOST_THREADS)
        addresses = [
            a.ctypes.data_as(ctypes.c_void_p)
            for a in (arrivals, self.parameters, self.work, settings)
        ]
        with ThreadPoolExecutor(threads) as pool:
            calls = [
                pool.submit(self.call, me, threads, count, step, *addresses)
                for me in range(threads)
            ]
            for done in calls:
                done.result()

    def _result(self, count: int) -> Result:
        piece = self.piece
        with_errors = [s for s in self.sources if s.needs_errors and self.sizes.training]
        return Result(
            self._get(self.output, count, errors=False),
            [self._get(source, count, errors=True) for source in with_errors],
            {name: s.unpack(s.block.of(self.parameters)) for name, s in piece.parameters.items()},
            {name: s.unpack(s.block.of(self.parameters)) for name, s in piece.buffers.items()},
            sum(float(block.of(self.work).sum()) for block in piece.squares),
        )

    def _view(self, tensor: Tensor, *, errors: bool) -> tuple[FloatArray, FloatArray]:
        """All numbers of a tensor, and (groups · group, ...) of it without border or padding."""
        sizes = self.sizes
        numbers = (tensor.errors if errors else tensor.values).of(self.work)
        if tensor.is_maps:
            maps = tensor.error_maps if errors else tensor.maps
            whole = numbers.reshape(sizes.groups, maps.group)[:, : -maps.lanes]
            b, (c, h, w) = maps.border, tensor.shape
            whole = whole.reshape(sizes.groups, c, h + 2 * b, w + 2 * b, maps.lanes)
            return numbers, whole[:, :, b : b + h, b : b + w].transpose(0, 4, 1, 2, 3)
        table = numbers.reshape(sizes.groups, sizes.group, sizes.row)
        return numbers, table[:, :, : tensor.shape[0]]

    def _put(self, tensor: Tensor, x: FloatArray, *, errors: bool, rest: float = 0.0) -> None:
        """Write the examples of x, and `rest` in those beyond it."""
        numbers, view = self._view(tensor, errors=errors)
        numbers[:] = 0.0
        padded = np.full((view.shape[0] * view.shape[1], *tensor.shape), rest)
        padded[: len(x)] = x
        view[...] = padded.reshape(view.shape)

    def _get(self, tensor: Tensor, count: int, *, errors: bool) -> FloatArray:
        """The first `count` examples; nothing may stand in borders, nor errors beyond them."""
        numbers, view = self._view(tensor, errors=errors)
        rows = view.reshape(-1, *tensor.shape).copy()
        assert not np.isnan(rows).any()
        assert np.count_nonzero(numbers) == np.count_nonzero(rows), "something outside the tensor"
        assert not errors or not rows[count:].any(), "errors beyond the batch"
        return rows[:count]


def _vectors(e: Emitter, tensor: Tensor) -> Iterator[tuple[Value, Value]]:
    """Loops over all vectors of one group: where its errors and where its values lie."""
    layout: Maps | Rows = tensor.maps if tensor.is_maps else tensor.rows
    if isinstance(layout, Maps):
        errors = tensor.error_maps
        for c in e.range(layout.channels):
            for i in e.range(layout.height):
                for j in e.range(layout.width):
                    at = j * e.lanes
                    yield (
                        c * errors.plane + i * errors.row + at,
                        c * layout.plane + i * layout.row + at,
                    )
    else:
        for n in e.range(tensor.sizes.group):
            for j in e.range(0, layout.features, e.lanes):
                yield n * layout.row + j, n * layout.row + j
