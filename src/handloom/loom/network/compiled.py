"""A compiled network: its memory, its native programs, and arrays in and out by public name."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from handloom._typing import AnyArray, FloatArray, IntArray, UInt8Array
from handloom.errors import ShapeError
from handloom.loom.kernels.optimizer import AVERAGE, SETTINGS, WEIGHT_TOTAL, Rule
from handloom.loom.language.machine import Machine
from handloom.loom.language.program import Program
from handloom.loom.native import jit
from handloom.loom.native.team import Crew
from handloom.loom.network import chain, segment, step
from handloom.loom.network.plan import Plan, Request
from handloom.loom.network.signature import signature
from handloom.loom.piece import Stored
from handloom.loom.pieces.gather import Pictures
from handloom.nn.layer import check_shape
from handloom.optim import average_decay

PROGRAMS = {
    (True, True): (step.training_program, 4, 8),
    (True, False): (segment.segment_program, 5, 6),
    (False, False): (step.prediction_program, 3, 7),
}
"""The program of a request, by whether it trains and whether it has a loss; and how many integers
and pointers its entry takes."""


@dataclass
class Native:
    """One program, linked into this process, and the memory that is its own."""

    plan: Plan
    run: Callable[..., None]
    work: FloatArray


@dataclass
class Compiled:
    """`layers` in a row as native code on `machine`, worked by `crew`.

    `request` says what is trained, and how; programs for other batch sizes or other kinds of
    pictures are compiled when they are first needed, and share the memory of the parameters.
    """

    layers: list[chain.Named]
    machine: Machine
    crew: Crew
    request: Request
    rule: Rule
    ema: float | None = None
    compile_seconds: float = 0.0
    _programs: dict[Request, Native] = field(default_factory=dict)
    _predictors: dict[tuple[Pictures, int], Native] = field(default_factory=dict)

    @cached_property
    def parameters(self) -> FloatArray:
        """Parameters, the optimizer's states and buffers."""
        return self.plan.arena.parameter_memory()

    @cached_property
    def plan(self) -> Plan:
        """The plan whose layout of the parameters all programs share."""
        return Plan(self.layers, self.machine, self.request)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The precision of all numbers: that of the parameters."""
        return self.plan.arena.dtype

    @property
    def takes_rows(self) -> bool:
        """Whether the network sees a picture as one row of pixels."""
        return not self.plan.input.is_maps

    # -- the optimizer ----------------------------------------------------------------------------

    @property
    def slots(self) -> tuple[str, ...]:
        """The optimizer's slots, in the order of the states."""
        return self.rule.slots

    @property
    def settings_row(self) -> int:
        """Numbers in a row of settings."""
        return SETTINGS

    def settings(self, lr: float, number: int, labels: IntArray) -> list[float]:
        """The row of settings of update `number`, counted from 1, for a batch's labels."""
        row = [0.0] * self.settings_row
        said = self.rule.settings(lr, number)
        row[: len(said)] = said
        if self.ema is not None:
            row[AVERAGE] = 1.0 - average_decay(self.ema, number)
        assert self.request.loss is not None
        row[WEIGHT_TOTAL] = self.request.loss.weight_total(labels)
        return row

    # -- running ----------------------------------------------------------------------------------

    def train(
        self,
        pictures: UInt8Array | FloatArray,
        how: Pictures,
        rows: IntArray,
        labels: IntArray,
        settings: FloatArray,
        done: int,
        batch: int,
    ) -> FloatArray:
        """Train on pictures[rows] with labels, `batch` at a time.

        `settings` (steps, SETTINGS) is made by the rule; `done` steps were made before. Returns the
        reports (steps, 3): loss, hits, sum of squared gradients. After a loss that is not finite
        nothing more is done, and the later reports are NaN.
        """
        pictures = self._taken(pictures, np.uint8 if how.are_bytes else self.dtype)
        self._check_batch((len(rows) - 1) % batch + 1)
        native = self.program(replace(self.request, pictures=how, batch=batch))
        reports = np.full((len(settings), step.REPORT), np.nan, self.dtype)
        self.crew.run(
            native.run, len(rows), done,
            *_addresses(self.parameters, native.work, self.crew.arrivals, pictures),
            *_addresses(rows, labels, settings, reports),
        )  # fmt: skip
        return reports[:, :3]

    def predict(self, x: UInt8Array | FloatArray, how: Pictures, batch: int) -> FloatArray:
        """x (N, C, H, W) -> outputs (N, K) in evaluation mode, `batch` pictures at a time."""
        x = self._taken(x, np.uint8 if how.are_bytes else self.dtype)
        if (how, batch) not in self._predictors:
            request = replace(self.request, pictures=how, batch=batch, training=False, loss=None)
            self._predictors[how, batch] = self.program(request)
        native = self._predictors[how, batch]
        rows, taken = np.arange(len(x)), np.zeros(1, np.int64)
        outputs = np.empty((len(x), native.plan.classes), self.dtype)
        # One group may be too little work for two: to wake a thread takes some 40 µs.
        plan = native.plan
        little = how.sparse or plan.forward_needs_nobody
        single = little and len(x) <= plan.sizes.group
        run = self.crew.alone if single else self.crew.run
        run(
            native.run, len(x),
            *_addresses(self.parameters, native.work, self.crew.arrivals, taken),
            *_addresses(x, rows, outputs),
        )  # fmt: skip
        return outputs

    def forward(self, x: FloatArray, done: int, *, training: bool) -> FloatArray:
        """x (N, ...) -> outputs (N, K) of a run of layers; a training forward awaits backward."""
        if not training:
            return self.predict(x, Pictures(), self.request.batch)
        x = self._taken(x, self.dtype)
        self._check_batch(len(x))
        native = self.program(replace(self.request, batch=max(self.request.batch, len(x))))
        outputs = np.empty((len(x), native.plan.classes), self.dtype)
        self._pass(native, 0, done, x, outputs)
        self._awaited = native, x.shape, done
        return outputs

    def backward(self, dy: FloatArray) -> FloatArray:
        """∂loss/∂outputs (N, K) of the last training forward -> ∂loss/∂x, empty if not needed.

        The gradients of the parameters can be read as their state 0.
        """
        native, shape, done = self._awaited
        dx = np.empty(shape if self.request.input_errors else 0, self.dtype)
        self._pass(native, 1, done, dy, dx)
        return dx

    def _pass(
        self, native: Native, back: int, done: int, given: FloatArray, to: FloatArray
    ) -> None:
        given, rows = np.ascontiguousarray(given, to.dtype), np.arange(len(given))
        self.crew.run(
            native.run, back, len(given), done,
            *_addresses(self.parameters, native.work, self.crew.arrivals, given, rows, to),
        )  # fmt: skip

    def _taken(self, pictures: AnyArray, dtype: DTypeLike) -> AnyArray:
        """Pictures as native code reads them, which cannot see what it is given."""
        check_shape(pictures, (None, *self.request.input_shape), "pictures")
        return np.ascontiguousarray(pictures, dtype)

    def _check_batch(self, examples: int) -> None:
        """Raise ShapeError if a batch is too small to train on."""
        if few := [piece for piece in self.plan.pieces if examples < piece.least]:
            raise ShapeError(
                f"layer {few[0].paths[0]} ({few[0].title}) needs at least two numbers a channel to "
                "train on, got one; use a larger batch"
            )

    def prepare(self, how: Pictures) -> None:
        """Compile the training step for pictures of this kind now, not at the first batch."""
        self.program(replace(self.request, pictures=how))

    def program(self, request: Request) -> Native:
        """The native program of a request; compiled, or taken from the cache, when first asked."""
        if request not in self._programs:
            started = time.perf_counter()
            self._programs[request] = self._load(request)
            self.compile_seconds += time.perf_counter() - started
        return self._programs[request]

    def _load(self, request: Request) -> Native:
        plan = self.plan if request == self.request else Plan(self.layers, self.machine, request)
        write, integers, pointers = PROGRAMS[request.training, request.loss is not None]

        def write_ir() -> str:
            program = Program(self.machine, request.real)
            write(plan, program)
            return str(program.module)

        # A clock learns of its stages while they are written, out of the cache or not.
        text = write_ir() if request.timed else None
        key = signature(self.layers), request
        address = jit.load(self.machine, key, lambda: text or write_ir())("run")
        run = jit.callable_at(address, integers=integers, pointers=pointers)
        work = plan.arena.work_memory(self.crew.threads)
        for piece in plan.pieces:
            piece.fill(work)
        return Native(plan, run, work)

    # -- arrays by public name --------------------------------------------------------------------

    def read(self, name: str, state: int | None = None) -> AnyArray:
        """A copy of a parameter or buffer, or of a parameter's optimizer state by number."""
        stored, numbers = self._place(name, state)
        return stored.unpack(numbers)

    def write(self, arrays: Mapping[str, AnyArray], state: int | None = None) -> None:
        """Copy arrays in, by public name."""
        for name, array in arrays.items():
            stored, numbers = self._place(name, state)
            stored.pack(numbers, array)

    def _place(self, name: str, state: int | None) -> tuple[Stored, FloatArray]:
        plan = self.plan
        stored = plan.parameters.get(name) or plan.buffers[name]
        behind = 0 if state is None else (1 + state) * plan.arena.distance
        start = stored.block.start + behind
        return stored, self.parameters[start : start + stored.block.size]


def _addresses(*arrays: AnyArray) -> list[int]:
    return [array.ctypes.data for array in arrays]
