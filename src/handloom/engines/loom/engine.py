"""The loom engine: the same network, compiled into one native step for exactly its shapes."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from handloom import nn
from handloom._typing import AnyArray, FloatArray, IntArray, Shape, UInt8Array
from handloom.data import Normalisation
from handloom.data.batches.batches import Epoch, one_ahead
from handloom.engines.alone import check_epoch, check_example
from handloom.engines.base import Evaluation, StepReport
from handloom.engines.loom.terms import mostly_dark, pixels_as_numbers
from handloom.engines.numpy.engine import NumpyEngine, count_correct
from handloom.engines.pace import Pace
from handloom.engines.portions import Portions
from handloom.engines.setup import TrainingSetup
from handloom.nn.losses import check_labels, weighted_loss
from handloom.optim import Optimizer

if TYPE_CHECKING:
    from handloom.loom.network.compiled import Compiled
    from handloom.loom.pieces.gather import Pictures

NATIVE_SECONDS = 0.05
"""How long a native call should take: Ctrl-C waits for its end, and its start costs nothing."""
LOOKED_AT = 512  # pictures in which zeros are counted, to see whether skipping them pays
PREDICTED_AT_ONCE = (1, 32, 256)  # batch sizes that prediction is compiled for


class LoomEngine:
    """Trains `model` as `setup` says, in native code.

    It takes and gives what the numpy engine takes and gives: the same reports, the same state. The
    weights live in the compiled network's memory; `model` and `optimizer` are brought up to date
    when they are asked for.

    input_shape: (C, H, W); an epoch of other pictures has it compiled for their shape, too. Raises
    UncoveredError for a layer, a loss or an optimizer that cannot be compiled: `weave` finds an
    engine for those.
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

        self.loss = setup.loss
        self.batch_size = setup.batch_size
        self._numpy = NumpyEngine(model, setup)
        self._optimizer = setup.optimizer
        self._compile = partial(compile_network, model, setup)
        self._compiled: Compiled = self._compile(input_shape=input_shape)
        self._by_shape: dict[Shape, Compiled] = {input_shape: self._compiled}
        # The loss itself refuses settings that cannot be; native code would not notice.
        classes = self._compiled.plan.classes
        self.loss(np.eye(classes), np.arange(classes))
        self._portions = Portions(model, self._compiled.dtype)
        self._pace = Pace(NATIVE_SECONDS)
        self._behind = False  # whether the model's arrays are older than the compiled network's
        self._push()
        # Whether most pixels are zero: of the pictures to train on, and of those to be judged. What
        # is asked must not change the training, and in other tiles the gradients' norm has other
        # last bits.
        self._dark: bool | None = None
        self._asked_dark: bool | None = None
        if setup.normalisation is not None:
            self._compiled.prepare(self._numbers(setup.normalisation, dark=True))

    # -- the protocol -----------------------------------------------------------------------------

    @property
    def model(self) -> nn.Layer:
        """The network, its parameters as they are now."""
        self._pull()
        return self._numpy.model

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer, its slots as they are now."""
        self._pull()
        return self._optimizer

    @property
    def dtype(self) -> np.dtype[Any]:
        """The precision of its numbers: that of the parameters."""
        return self._compiled.dtype

    @property
    def steps(self) -> int:
        """Optimizer updates done so far."""
        return self._optimizer.steps

    @property
    def lr_scale(self) -> float:
        """Factor on the schedule's learning rate."""
        return self._optimizer.lr_scale

    @lr_scale.setter
    def lr_scale(self, scale: float) -> None:
        self._optimizer.lr_scale = scale

    @property
    def compile_seconds(self) -> float:
        """Seconds spent on compiling so far, or on loading what was compiled before."""
        return sum(compiled.compile_seconds for compiled in self._by_shape.values())

    def train(self, epoch: Epoch, start: int, stop: int) -> Iterator[StepReport]:
        """Train on the epoch's batches from start to stop; several are trained before the first
        report is given, and none after one that is not finite."""
        check_epoch(self._numpy.model, epoch, start, stop)
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
        check_example(self._numpy.model, x.shape)
        return self._run(x, Pictures(), rows, labels, max(self.batch_size, len(rows)))[0]

    def predict(self, x: FloatArray) -> FloatArray:
        """x (N, C, H, W) -> outputs (N, K) in evaluation mode, of the averaged weights if kept."""
        return self._predict(x, Normalisation("none"))

    def predict_pictures(self, images: UInt8Array, normalisation: Normalisation) -> FloatArray:
        """Outputs (N, K) for pictures (N, C, H, W), uint8; native code normalises them where the
        normalisation is linear."""
        return self._predict(images, normalisation)

    def evaluate(self, x: FloatArray, labels: IntArray) -> Evaluation:
        """Loss, weight and number classified right."""
        with np.errstate(over="ignore", invalid="ignore"):
            outputs = self.predict(x)
            sums = weighted_loss(self.loss, outputs, labels)
            return Evaluation(*sums, count_correct(outputs, labels))

    def weights(self) -> dict[str, AnyArray]:
        """Copies of the weights that predict."""
        self._pull()
        return self._numpy.weights()

    def state_dict(self) -> dict[str, AnyArray]:
        """As the numpy engine's, so that either may go on with the other's."""
        self._pull()
        return self._numpy.state_dict()

    def load_state_dict(self, state: Mapping[str, AnyArray]) -> None:
        """Take up the state of an equal engine; raises StateError where it does not fit."""
        self._pull()
        self._numpy.load_state_dict(state)
        self._push()

    def locate_nonfinite(self, x: FloatArray) -> str:
        """Walk the network once more, in NumPy, and name the first place that is not finite."""
        self._pull()
        return self._numpy.locate_nonfinite(x)

    # -- details ----------------------------------------------------------------------------------

    def _go_over_to(self, shape: Shape, *, compile: bool = False) -> None:
        """Take the network that is compiled for pictures of `shape`, where there is one."""
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
        # A single picture costs the reading of the weights: those of dark pixels are left out.
        how = self._numbers(normalisation, dark=bool(self._asked_dark) or at_once == 1)
        if not how.are_bytes:
            pictures = normalisation(pictures, self._compiled.dtype)
        return self._compiled.predict(pictures, how, at_once)

    def _numbers(self, normalisation: Normalisation, *, dark: bool) -> Pictures:
        """How this network's pictures become numbers; zeros stay zeros only if merely scaled."""
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
        """Train natively on pictures[rows]; the reports up to the first that is not finite."""
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

    def _parts(self) -> Iterator[tuple[int | None, dict[str, AnyArray]]]:
        """The engine's arrays by public name, and the state they are in the compiled network."""
        parameters = self._numpy.parameters
        yield None, {name: parameter.value for name, parameter in parameters.items()}
        yield None, self._numpy.model.named_buffers()
        for number, slot in enumerate(self._compiled.slots):
            yield number, {name: slots[slot] for name, slots in self._optimizer.slots.items()}
        if self._numpy.average is not None:
            average = self._numpy.average.named_parameters()
            number = len(self._compiled.slots)
            yield number, {name: parameter.value for name, parameter in average.items()}

    def _pull(self) -> None:
        """Bring model, optimizer and average up to date."""
        if not self._behind:
            return
        for state, arrays in self._parts():
            for name, array in arrays.items():
                array[...] = self._compiled.read(name, state)
        if self._numpy.average is not None:
            buffers = self._numpy.model.named_buffers()
            for name, buffer in self._numpy.average.named_buffers().items():
                buffer[...] = buffers[name]
        self._behind = False

    def _push(self) -> None:
        """Give the compiled network what model, optimizer and average hold."""
        for state, arrays in self._parts():
            self._compiled.write(arrays, state)
