"""A compiled network: its memory, its native programs, and arrays in and out by public name."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from handloom import nn, optim
from handloom._typing import AnyArray, FloatArray, IntArray, UInt8Array
from handloom.loom import jit, step
from handloom.loom.gather import Pictures
from handloom.loom.loss import CrossEntropy
from handloom.loom.machine import Machine, host
from handloom.loom.optimizer import SETTINGS, WEIGHT_TOTAL, Rule, Updating, rule_of
from handloom.loom.piece import Stored
from handloom.loom.plan import Plan, Request
from handloom.loom.program import Program
from handloom.loom.signature import signature
from handloom.loom.team import Crew


@dataclass
class Native:
    """One program, linked into this process, and the memory that is its own."""

    plan: Plan
    run: Callable[..., None]
    work: FloatArray


@dataclass
class Compiled:
    """`model` as native code on `machine`, worked by `crew`.

    `request` says what is trained, and how; programs for other batch sizes or other kinds of
    pictures are compiled when they are first needed, and share the memory of the parameters.
    """

    model: nn.Layer
    machine: Machine
    crew: Crew
    request: Request
    rule: Rule
    compile_seconds: float = 0.0
    _programs: dict[Request, Native] = field(default_factory=dict)

    @cached_property
    def parameters(self) -> FloatArray:
        """Parameters, the optimizer's states and buffers."""
        return self.plan.arena.parameter_memory()

    @cached_property
    def plan(self) -> Plan:
        """The plan whose layout of the parameters all programs share."""
        return Plan(self.model, self.machine, self.request)

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
        native = self.program(replace(self.request, pictures=how, batch=batch))
        reports = np.full((len(settings), step.REPORT), np.nan, self.parameters.dtype)
        self.crew.run(
            native.run, len(rows), done,
            *_addresses(self.parameters, native.work, self.crew.arrivals, pictures),
            *_addresses(rows, labels, settings, reports),
        )  # fmt: skip
        return reports[:, :3]

    def predict(self, x: FloatArray, batch: int) -> FloatArray:
        """x (N, C, H, W) -> outputs (N, K) in evaluation mode, `batch` pictures at a time."""
        request = replace(self.request, pictures=Pictures(), batch=batch, loss=None)
        native = self.program(request)
        x = np.ascontiguousarray(x, self.parameters.dtype)
        rows = np.arange(len(x))
        outputs = np.empty((len(x), native.plan.classes), self.parameters.dtype)
        self.crew.run(
            native.run, len(x),
            *_addresses(self.parameters, native.work, self.crew.arrivals, x),
            *_addresses(rows, outputs),
        )  # fmt: skip
        return outputs

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
        plan = self.plan if request == self.request else Plan(self.model, self.machine, request)
        trains = request.loss is not None

        def write_ir() -> str:
            program = Program(self.machine, request.real)
            (step.training_program if trains else step.prediction_program)(plan, program)
            return str(program.module)

        address = jit.load(self.machine, (signature(self.model), request), write_ir)("run")
        run = jit.callable_at(address, integers=4 if trains else 3, pointers=8 if trains else 6)
        return Native(plan, run, plan.arena.work_memory(self.crew.threads))

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


def compile_network(
    model: nn.Layer,
    loss: CrossEntropy,
    optimizer: optim.Optimizer,
    *,
    input_shape: tuple[int, int, int],
    batch: int,
    threads: int,
    clip_norm: float | None = None,
    clip_value: float | None = None,
    ema: float | None = None,
) -> Compiled:
    """The network and its way of training, ready to be compiled for this machine."""
    rule = rule_of(optimizer)
    assert rule is not None
    decoupled = bool(optimizer.weight_decay.decoupled)
    updating = tuple(
        (name, Updating(rule, 0, optimizer.decays[name], decoupled, clip_value, ema))
        for name in optimizer.params
    )
    average = None if ema is None else len(rule.slots)
    request = Request(input_shape, batch, Pictures(), loss, updating, clip_norm, average)
    return Compiled(model, host(), Crew(threads), request, rule)
