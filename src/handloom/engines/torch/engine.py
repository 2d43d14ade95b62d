"""The torch engine: the same network, its layers as PyTorch's modules, on a CPU or a GPU."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from handloom import nn
from handloom._typing import AnyArray, FloatArray, Shape, UInt8Array
from handloom.data import Epoch, Normalisation
from handloom.engines.alone import check_epoch, check_example
from handloom.engines.base import Evaluation, StepReport
from handloom.engines.numpy.engine import count_correct
from handloom.engines.portions import Pace
from handloom.engines.remote import RemoteEngine
from handloom.engines.setup import TrainingSetup
from handloom.engines.torch.ahead import PORTION_SECONDS, Checkpoint, Portion
from handloom.engines.torch.device import (
    describe_device,
    exact_products,
    find_device,
    find_precision,
    limited_to,
    memory_told,
)
from handloom.engines.torch.pictures import DevicePictures
from handloom.engines.torch.step import How, Numbers, Step
from handloom.errors import ShapeError
from handloom.nn.losses import check_labels, check_shares, weighted_loss

PREDICTED_AT_ONCE = 1000
"""Images: enough to keep a device busy, few enough for its memory."""


class TorchEngine(RemoteEngine[torch.Tensor]):
    """Trains `model` as `setup` says, in PyTorch.

    It takes and gives what the numpy engine takes and gives: the same reports, the same state. The
    weights live on the device. Raises ConfigError for a device that is not there, and for a layer
    without a module.
    """

    name = "torch"

    def __init__(self, model: nn.Layer, setup: TrainingSetup) -> None:
        super().__init__(model, setup)
        settings = setup.torch
        self.device = find_device(settings.processes.device(settings.device))
        self.threads = setup.threads
        self._processes = settings.processes
        kind = torch.from_numpy(np.empty(0, self.dtype)).dtype
        how = How(self.device, kind, find_precision(settings.precision, self.device, kind))
        self._step = Step(model, setup, how)
        self._push()
        self._pictures: DevicePictures | None = None
        self._pace = Pace(PORTION_SECONDS, steady=self._processes.size > 1)
        self.ahead = self.device.type != "cpu" and not self.uncovered
        """Whether steps are launched ahead of their reports, as suits a GPU."""

    # -- the protocol -----------------------------------------------------------------------------

    @property
    def uncovered(self) -> tuple[str, ...]:
        """What runs in NumPy inside the step."""
        loss = () if self._step.loss_stays else ("the loss",)
        rule = (f"the optimizer ({type(self._optimizer).__name__})",)
        return (*loss, *(rule if self._step.rule.in_numpy else ()))

    def describe(self) -> str:
        """Version, device, precision, threads, for a person."""
        told = [f"PyTorch {torch.__version__} on {describe_device(self.device)}"]
        if self.device.type == "cpu":
            told.append(f"{self.threads} thread" + ("" if self.threads == 1 else "s"))
        if self._step.how.precision is torch.bfloat16:
            told.append("bfloat16 autocast")
        if self.setup.torch.compile:
            told.append("compiled")
        return ", ".join(told)

    def train(self, epoch: Epoch, start: int, stop: int) -> Iterator[StepReport]:
        """Train on the epoch's batches from start to stop, as far as the numbers are finite."""
        check_epoch(self._host.model, epoch, start, stop)
        if self.ahead:
            yield from self._train_ahead(epoch, start, stop)
            return
        batches = epoch.between(start, stop, self._processes.part, dtype=self.dtype)
        for step, batch in enumerate(batches, start):
            count = len(epoch.positions(step, step + 1))
            report = self._step_on_part(batch.x, batch.labels, count)
            yield report
            if not report.is_finite:
                return

    def train_step(self, x: FloatArray, labels: AnyArray) -> StepReport:
        """One step on numbers x (N, C, H, W), and labels (N,) or shares (N, K); no update unless
        loss and gradient are finite."""
        check_example(self._host.model, x.shape)
        rows = self._processes.part(len(x))
        return self._step_on_part(x[rows], labels[rows], len(x))

    def predict(self, x: FloatArray) -> FloatArray:
        """x (N, C, H, W) -> outputs (N, K) in evaluation mode, of the averaged weights if kept."""
        outputs = np.empty((len(x), *self._output_shape(x.shape)), self.dtype)
        self._step.average_buffers()
        with limited_to(self.threads), exact_products():
            for start in range(0, len(x), PREDICTED_AT_ONCE):
                part = x[start : start + PREDICTED_AT_ONCE]
                with memory_told(len(part), "predicting", "training.eval_batch_size"):
                    found = self._step.predict(self._uploaded(part, self.dtype))
                    outputs[start : start + len(part)] = found.cpu().numpy()
        return outputs

    def predict_pictures(self, images: UInt8Array, normalisation: Normalisation) -> FloatArray:
        """Outputs (N, K) for images (N, C, H, W), uint8."""
        return self.predict(normalisation(images, self.dtype))

    def evaluate(self, x: FloatArray, labels: AnyArray) -> Evaluation:
        """Loss, weight and number classified right, each process predicting its part of x."""
        processes = self._processes
        part = torch.from_numpy(self.predict(x[processes.part(len(x))]))
        outputs = processes.whole(part, len(x)).numpy()
        with np.errstate(over="ignore", invalid="ignore"):
            sums = weighted_loss(self.loss, outputs, labels)
            return Evaluation(*sums, count_correct(outputs, labels))

    def locate_nonfinite(self, x: FloatArray) -> str:
        """Walk the network once more, in NumPy, and name the first place that is not finite."""
        for name, parameter in self._host.parameters.items():
            grad = self._step.parameters[name].grad
            if grad is not None:
                parameter.grad = grad.cpu().numpy()
        return super().locate_nonfinite(x)

    # -- ahead of the reports ---------------------------------------------------------------------

    def _train_ahead(self, epoch: Epoch, start: int, stop: int) -> Iterator[StepReport]:
        """Portion after portion, each read when the next one is on its way."""
        waiting: Portion | None = None
        for first, last in self._pace.portions(start, stop):
            launched = self._launch(epoch, first, last)
            if waiting is not None:
                reports = waiting.reports()
                if not all(report.is_finite for report in reports):
                    break
                self._pace.took(len(waiting))
                yield from reports
            waiting = launched
        if waiting is None:
            return
        reports = waiting.reports()
        if all(report.is_finite for report in reports):
            yield from reports
            return
        waiting.before.restore()
        self._optimizer.steps = waiting.before.steps
        yield from self._train_watched(epoch, waiting.start, stop)

    def _train_watched(self, epoch: Epoch, start: int, stop: int) -> Iterator[StepReport]:
        """The same batches with a look at every step; it ends with the first that is not finite."""
        for step, (x, labels) in enumerate(self._batches(epoch, start, stop), start):
            report = self._watched_step(x, labels, len(epoch.positions(step, step + 1)))
            yield report
            if not report.is_finite:
                return

    def _launch(self, epoch: Epoch, start: int, stop: int) -> Portion:
        """Give the device the steps start … stop - 1; nothing waits for it."""
        told = memory_told(epoch.batch_size, "training", "training.batch_size")
        with told, limited_to(self.threads):
            portion = Portion(
                start, Checkpoint([tensor for _, tensor in self._pairs()], self.steps)
            )
            for step, (x, labels) in enumerate(self._batches(epoch, start, stop), start):
                lr = self._optimizer.current_lr()
                numbers = self._gradients(x, labels, len(epoch.positions(step, step + 1)))
                self._step.update(numbers.grad_norm)
                portion.add(numbers.stacked(), lr)
            portion.send()
        return portion

    def _batches(
        self, epoch: Epoch, start: int, stop: int
    ) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """This process's rows of each batch: of the images that live on the device."""
        batches, part = epoch.batches, self._processes.part
        if self._pictures is None or self._pictures.of is not batches:
            self._check((1, *batches.planes.shape[1:]), batches.dataset.labels[:1])
            self._pictures = DevicePictures(batches, self.device, dtype=self._step.how.dtype)
        return self._pictures.batches(epoch, start, stop, part)

    # -- details ----------------------------------------------------------------------------------

    def _step_on_part(self, x: FloatArray, labels: AnyArray, count: int) -> StepReport:
        """A step on this process's rows of a batch of `count` examples; they may be none."""
        if len(x) or count == 0:
            self._check(x.shape, labels)
        kind = np.int64 if labels.ndim == 1 else self.dtype
        with memory_told(count, "training", "training.batch_size"):
            numbers = self._uploaded(x, self.dtype)
            return self._watched_step(numbers, self._uploaded(labels, kind), count)

    def _watched_step(self, x: torch.Tensor, labels: torch.Tensor, count: int) -> StepReport:
        """One step, whose update waits for its loss and gradient to be found finite."""
        with limited_to(self.threads):
            lr = self._optimizer.current_lr()
            numbers = self._gradients(x, labels, count)
            loss, correct, norm = numbers.stacked().tolist()
            report = StepReport(loss, int(correct), norm, lr)
            if report.is_finite:
                self._step.update(numbers.grad_norm)
        return report

    def _gradients(self, x: torch.Tensor, labels: torch.Tensor, count: int) -> Numbers:
        self._behind = True  # in the forward pass the running statistics move already
        return self._step.gradients(x, labels, self.steps, count)

    def _uploaded(self, array: AnyArray, kind: object) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, kind)).to(self.device)  # type: ignore[call-overload]

    def _output_shape(self, shape: Shape) -> Shape:
        """Of one example, for numbers of the shape (N, C, H, W); ShapeError for others."""
        if len(shape) != 4:
            raise ShapeError(f"images have to be numbers (N, C, H, W), got {shape}")
        return self._host.model.output_shape(shape[1:])

    def _check(self, shape: Shape, labels: AnyArray) -> None:
        """Say what is wrong with a batch before any of it is on the device."""
        scores = np.broadcast_to(np.float32(0), (shape[0], *self._output_shape(shape)))
        shares = labels.ndim == 2 and labels.dtype.kind == "f"
        (check_shares if shares else check_labels)(labels, scores)

    # -- where the weights live -------------------------------------------------------------------

    def _pairs(self) -> Iterator[tuple[AnyArray, torch.Tensor]]:
        """The engine's arrays, and the tensors that are the same."""
        host, step = self._host, self._step
        tensors = {**step.parameters, **dict(step.module.named_buffers())}
        for name, parameter in host.parameters.items():
            yield parameter.value, tensors[name].detach()
        for name, buffer in host.model.named_buffers().items():
            yield buffer, tensors[name]
        if host.average is not None and step.average is not None:
            averages = dict(step.average.named_parameters())
            for name, parameter in host.average.named_parameters().items():
                yield parameter.value, averages[name].detach()
        for name, slots in step.rule.slots.items():
            for slot, tensor in slots.items():
                yield host.optimizer.slots[name][slot], tensor

    def _fetch(self, there: torch.Tensor) -> AnyArray:
        return there.cpu().numpy()

    def _send(self, array: AnyArray, there: torch.Tensor) -> None:
        there.copy_(torch.from_numpy(array))
