"""The loom engine: the same network, compiled into one native step for exactly its shapes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from handloom import nn
from handloom._typing import AnyArray, FloatArray, IntArray, Shape, UInt8Array
from handloom.data import Normalisation
from handloom.data.batches.batches import Epoch, one_ahead
from handloom.engines.alone import check_epoch, check_example
from handloom.engines.base import Evaluation, StepReport
from handloom.engines.loom.terms import mostly_dark, pixels_as_numbers
from handloom.engines.numpy.engine import count_correct
from handloom.engines.portions import Pace, Portions
from handloom.engines.remote import RemoteEngine
from handloom.engines.setup import TrainingSetup
from handloom.nn.losses import check_labels, weighted_loss

if TYPE_CHECKING:
    from handloom.loom.network.compiled import Compiled
    from handloom.loom.pieces.gather import Pictures

NATIVE_SECONDS = 0.05
"""How long a native call should take: Ctrl-C waits for its end, and its start costs nothing."""
LOOKED_AT = 512  # images in which zeros are counted, to see whether skipping them pays
PREDICTED_AT_ONCE = (1, 32, 256)  # batch sizes that prediction is compiled for


Stored = tuple[str, int | None]
"""A parameter or buffer by name, and which of a parameter's states: None for its value, 0 … k - 1
for the optimizer's slots, k for its average."""


class LoomEngine(RemoteEngine[Stored]):
    """Trains `model` as `setup` says, in native code.

    It takes and gives what the numpy engine takes and gives: the same reports, the same state. The
    weights live in the compiled network's memory.

    input_shape: (C, H, W); an epoch of other images has it compiled for their shape, too. Raises
    UncoveredError for a layer, a loss or an optimizer that cannot be compiled: for those
    `partly.compile_engine` finds an engine.
    """

    name = "loom"
    uncovered: tuple[str, ...] = ()
    """What runs in NumPy inside the step: nothing."""

    def __init__(
        self,
        model: nn.Layer,
        setup: TrainingSetup,
        *,
        input_shape: Shape,
    ) -> None:
        from handloom.engines.loom.compile import compile_network

        super().__init__(model, setup)
        self.batch_size = setup.batch_size
        self._compile = partial(compile_network, model, setup)
        self._compiled: Compiled = self._compile(input_shape=input_shape)
        self._by_shape: dict[Shape, Compiled] = {input_shape: self._compiled}
        # The loss itself refuses settings that cannot be; native code would not notice.
        classes = self._compiled.plan.classes
        self.loss(np.eye(classes), np.arange(classes))
        self._portions = Portions(model, self._compiled.dtype)
        self._pace = Pace(NATIVE_SECONDS)
        self._push()
        # Whether most pixels are zero: of the images to train on, and of those to be judged. What
        # is asked must not change the training, and in other tiles the gradients' norm has other
        # last bits.
        self._dark: bool | None = None
        self._asked_dark: bool | None = None
        if setup.normalisation is not None:
            self._compiled.prepare(self._numbers(setup.normalisation, dark=True))

    # -- the protocol -----------------------------------------------------------------------------

    @property
    def compile_seconds(self) -> float:
        """Seconds spent on compiling so far, or on loading what was compiled before."""
        return sum(compiled.compile_seconds for compiled in self._by_shape.values())

    def train(self, epoch: Epoch, start: int, stop: int) -> Iterator[StepReport]:
        """Train on the epoch's batches from start to stop; several are trained before the first
        report is given, and none after one that is not finite."""
        check_epoch(self._host.model, epoch, start, stop)
        self._go_over_to(epoch.batches.planes.shape[1:], compile=True)
        if self._dark is None:
            self._dark = mostly_dark(epoch.batches.planes[:LOOKED_AT])
        how = self._numbers(epoch.normalisation, dark=self._dark)
        augmented = epoch.batches.augmentation is not None
        ready = one_ahead if augmented and epoch.batches.prefetch else map
        portions = self._pace.portions(start, stop)
        take = partial(self._portions.take, epoch, as_bytes=how.are_bytes, by_size=how.sparse)
        for pictures, rows, labels in ready(take, portions):
            reports = self._run(pictures, how, rows, labels, epoch.batch_size)
            self._pace.took(len(reports))
            yield from reports
            if not reports[-1].is_finite:
                return

    def train_step(self, x: FloatArray, labels: IntArray) -> StepReport:
        """One step on numbers x (N, C, H, W)."""
        from handloom.loom.pieces.gather import Pictures

        rows = np.arange(len(x))
        self._go_over_to(x.shape[1:])
        check_example(self._host.model, x.shape)
        return self._run(x, Pictures(), rows, labels, max(self.batch_size, len(rows)))[0]

    def predict(self, x: FloatArray) -> FloatArray:
        """x (N, C, H, W) -> outputs (N, K) in evaluation mode, of the averaged weights if kept."""
        return self._predict(x, Normalisation("none"))

    def predict_pictures(self, images: UInt8Array, normalisation: Normalisation) -> FloatArray:
        """Outputs (N, K) for images (N, C, H, W), uint8; native code normalises them where the
        normalisation is linear."""
        return self._predict(images, normalisation)

    def evaluate(self, x: FloatArray, labels: IntArray) -> Evaluation:
        """Loss, weight and number classified right."""
        with np.errstate(over="ignore", invalid="ignore"):
            outputs = self.predict(x)
            sums = weighted_loss(self.loss, outputs, labels)
            return Evaluation(*sums, count_correct(outputs, labels))

    # -- details ----------------------------------------------------------------------------------

    def _go_over_to(self, shape: Shape, *, compile: bool = False) -> None:
        """Take the network that is compiled for images of `shape`, where there is one."""
        if compile and shape not in self._by_shape:
            self._by_shape[shape] = self._compile(input_shape=shape)
        if self._by_shape.get(shape, self._compiled) is not self._compiled:
            self._pull()
            self._compiled = self._by_shape[shape]
            self._push()

    def _predict(self, pictures: AnyArray, normalisation: Normalisation) -> FloatArray:
        self._go_over_to(pictures.shape[1:])
        count = len(pictures)
        at_once = next((n for n in PREDICTED_AT_ONCE if n >= count), PREDICTED_AT_ONCE[-1])
        if self._asked_dark is None and at_once > 1 and pictures.ndim == 4:
            self._asked_dark = mostly_dark(pictures[:LOOKED_AT])
        # A single image costs the reading of the weights: those of dark pixels are left out.
        how = self._numbers(normalisation, dark=bool(self._asked_dark) or at_once == 1)
        if not how.are_bytes:
            pictures = normalisation(pictures, self._compiled.dtype)
        return self._compiled.predict(pictures, how, at_once)

    def _numbers(self, normalisation: Normalisation, *, dark: bool) -> Pictures:
        """How this network's images become numbers; zeros stay zeros only if merely scaled."""
        channels = self._compiled.request.input_shape[0]
        sparse = dark and normalisation.kind in ("scale", "none") and self._compiled.takes_rows
        return replace(pixels_as_numbers(normalisation, channels), sparse=sparse)

    def _run(
        self,
        pictures: UInt8Array | FloatArray,
        how: Pictures,
        rows: IntArray,
        labels: IntArray,
        batch: int,
    ) -> list[StepReport]:
        """Train natively on images[rows]; the reports up to the first that is not finite."""
        scores = np.broadcast_to(np.float32(0), (len(rows), self._compiled.plan.classes))
        check_labels(labels, scores)
        labels = np.ascontiguousarray(labels, np.int64)
        done = self._optimizer.steps
        batches = [labels[i : i + batch] for i in range(0, len(labels), batch)]
        lrs, settings = self._settings(batches)
        numbers = self._compiled.train(pictures, how, rows, labels, settings, done, batch)
        self._behind = True
        reports: list[StepReport] = []
        for lr, (loss, hits, squares) in zip(lrs, numbers.tolist(), strict=True):
            norm = math.sqrt(squares)
            if not math.isfinite(loss):  # nothing was updated
                reports.append(StepReport(loss, 0, float("nan"), lr))
                break
            self._optimizer.steps += 1
            reports.append(StepReport(loss, int(hits), norm, lr))
            if not math.isfinite(norm):
                break
        return reports

    def _settings(self, batches: Sequence[IntArray]) -> tuple[list[float], FloatArray]:
        """Learning rates and the rows of settings of the next steps, one for each batch."""
        optimizer, done = self._optimizer, self._optimizer.steps
        lrs: list[float] = []
        rows = np.zeros((len(batches), self._compiled.settings_row), self._compiled.dtype)
        try:
            for row, labels in zip(rows, batches, strict=True):
                lrs.append(optimizer.current_lr())
                optimizer.steps += 1
                row[:] = self._compiled.settings(lrs[-1], optimizer.steps, labels)
        finally:
            optimizer.steps = done
        return lrs, rows

    # -- where the weights live -------------------------------------------------------------------

    def _pairs(self) -> Iterator[tuple[AnyArray, Stored]]:
        """The engine's arrays, and their names and states in the compiled network."""
        parameters = self._host.parameters
        for name, parameter in parameters.items():
            yield parameter.value, (name, None)
        for name, buffer in self._host.model.named_buffers().items():
            yield buffer, (name, None)
        for number, slot in enumerate(self._compiled.slots):
            for name, slots in self._optimizer.slots.items():
                yield slots[slot], (name, number)
        if self._host.average is not None:
            for name, parameter in self._host.average.named_parameters().items():
                yield parameter.value, (name, len(self._compiled.slots))

    def _fetch(self, there: Stored) -> AnyArray:
        return self._compiled.read(*there)

    def _send(self, array: AnyArray, there: Stored) -> None:
        name, state = there
        self._compiled.write({name: array}, state)
