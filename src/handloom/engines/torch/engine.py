"""The torch engine: the same network, its layers as PyTorch's modules, on a CPU or a GPU."""

# pyright: reportPrivateImportUsage=false
# PyTorch documents its functions on lists of tensors, torch._foreach_*, for all their names.

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch

from handloom import nn
from handloom._typing import AnyArray, FloatArray, IntArray, Shape
from handloom.data import Epoch
from handloom.engines.base import Loss, StepReport
from handloom.engines.numpy_engine import NumpyEngine, count_correct
from handloom.engines.torch.device import (
    Precision,
    describe_device,
    find_device,
    find_precision,
    limited_to,
    memory_told,
)
from handloom.engines.torch.dropout import begin_step
from handloom.engines.torch.losses import loss_of
from handloom.engines.torch.modules import module_of
from handloom.engines.torch.rules import rule_of
from handloom.engines.torch.twin import Twin
from handloom.errors import ShapeError
from handloom.nn.losses import check_labels
from handloom.optim import Optimizer

PREDICTED_AT_ONCE = 1000
"""Pictures: enough to keep a device busy, few enough for its memory."""


class Numbers(NamedTuple):
    """What a step tells, still on the device; () each."""

    loss: torch.Tensor
    correct: torch.Tensor
    grad_norm: torch.Tensor

    def read(self) -> tuple[float, int, float]:
        """The same on the CPU; waits for the device."""
        loss, correct, norm = torch.stack([n.to(self.loss.dtype) for n in self]).tolist()
        return loss, int(correct), norm


class TorchEngine:
    """Trains `model` on `loss` with `optimizer` in PyTorch.

    It takes and gives what the numpy engine takes and gives: the same reports, the same state. The
    weights live on the device; `model` and `optimizer` are brought up to date when they are asked
    for.

    device: "auto", "cpu", "cuda", "cuda:1", "mps". precision: of products in training; "auto" is
    bfloat16 under autocast on a CUDA device and float32 elsewhere; predictions are always of the
    weights' own kind. compile: hand the network to torch.compile. threads: on the CPU. Raises
    ConfigError for a device that is not there, and for a layer without a module.
    """

    name = "torch"

    def __init__(
        self,
        model: nn.Layer,
        loss: Loss,
        optimizer: Optimizer,
        *,
        device: str = "auto",
        precision: Precision = "auto",
        compile: bool = False,
        threads: int = 1,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        ema: float | None = None,
    ) -> None:
        self.loss = loss
        self.device = find_device(device)
        self.precision = find_precision(precision, self.device)
        self.threads = threads
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.ema = ema
        host = NumpyEngine(
            model, loss, optimizer, clip_norm=clip_norm, clip_value=clip_value, ema=ema
        )
        self.dtype = np.result_type(*(p.value.dtype for p in host.parameters.values()))
        self._optimizer = optimizer
        self._module = self._placed(module_of(model))
        self._forward = torch.compile(self._module) if compile else self._module
        self._average = None if ema is None else copy.deepcopy(self._module).eval()
        self._parameters = dict(self._module.named_parameters())
        self._device_loss, self._loss_stays = loss_of(loss)
        self._rule = rule_of(optimizer, self._parameters)
        self._twin = Twin(host, self._module, self._average, self._rule)
        self._twin.push()

    # -- the protocol -----------------------------------------------------------------------------

    @property
    def model(self) -> nn.Layer:
        """The network, its parameters as they are now."""
        self._twin.pull()
        return self._twin.host.model

    @property
    def optimizer(self) -> Optimizer:
        """The optimizer, its slots as they are now."""
        self._twin.pull()
        return self._optimizer

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
    def uncovered(self) -> tuple[str, ...]:
        """What runs in NumPy inside the step."""
        loss = () if self._loss_stays else ("the loss",)
        rule = (f"the optimizer ({type(self._optimizer).__name__})",)
        return (*loss, *(rule if self._rule.in_numpy else ()))

    def describe(self) -> str:
        """Version, device, precision, threads, for a person."""
        told = [f"PyTorch {torch.__version__} on {describe_device(self.device)}"]
        if self.device.type == "cpu":
            told.append(f"{self.threads} thread" + ("" if self.threads == 1 else "s"))
        if self.precision is torch.bfloat16:
            told.append("bfloat16 autocast")
        if self._forward is not self._module:
            told.append("compiled")
        return ", ".join(told)

    def train(self, epoch: Epoch, start: int, stop: int) -> Iterator[StepReport]:
        """Train on the epoch's batches from start to stop, as far as the numbers are finite."""
        for batch in epoch.between(start, stop):
            report = self.train_step(batch.x, batch.labels)
            yield report
            if not report.is_finite:
                return

    def train_step(self, x: FloatArray, labels: IntArray) -> StepReport:
        """One step on numbers x (N, C, H, W), labels (N,); no update unless they stay finite."""
        self._check(x, labels)
        with limited_to(self.threads), memory_told(len(x), "training", "training.batch_size"):
            lr = self._optimizer.current_lr()
            numbers = self._gradients(self._on_device(x), self._labels_on_device(labels))
            report = StepReport(*numbers.read(), lr)
            if report.is_finite:
                self._update(numbers.grad_norm)
        return report

    def predict(self, x: FloatArray) -> FloatArray:
        """x (N, C, H, W) -> outputs (N, K) in evaluation mode, of the averaged weights if kept."""
        (classes,) = self._output_shape(x)
        self._twin.take_buffers()
        module = (self._module if self._average is None else self._average).eval()
        outputs = np.empty((len(x), classes), self.dtype)
        with limited_to(self.threads), torch.inference_mode():
            for start in range(0, len(x), PREDICTED_AT_ONCE):
                part = x[start : start + PREDICTED_AT_ONCE]
                with memory_told(len(part), "predicting", "training.eval_batch_size"):
                    found = module(self._on_device(part))
                    outputs[start : start + len(part)] = found.cpu().numpy()
        return outputs

    def evaluate(self, x: FloatArray, labels: IntArray) -> tuple[float, int]:
        """(mean loss, number classified right)."""
        with np.errstate(over="ignore", invalid="ignore"):
            outputs = self.predict(x)
            return self.loss(outputs, labels)[0], count_correct(outputs, labels)

    def weights(self) -> dict[str, AnyArray]:
        """Copies of the weights that predict."""
        self._twin.pull()
        return self._twin.host.weights()

    def state_dict(self) -> dict[str, AnyArray]:
        """As the numpy engine's, so that either may go on with the other's."""
        self._twin.pull()
        return self._twin.host.state_dict()

    def load_state_dict(self, state: Mapping[str, AnyArray]) -> None:
        """Take up the state of an equal engine; raises StateError where it does not fit."""
        self._twin.pull()
        self._twin.host.load_state_dict(state)
        self._twin.push()

    def locate_nonfinite(self, x: FloatArray) -> str:
        """Walk the network once more, in NumPy, and name the first place that is not finite."""
        self._twin.pull_gradients()
        return self._twin.host.locate_nonfinite(x)

    # -- a step -----------------------------------------------------------------------------------

    def _gradients(self, x: torch.Tensor, labels: torch.Tensor) -> Numbers:
        """Forward and backward on the device; nothing waits for it."""
        self._module.train()
        begin_step(self._module, self.steps)
        for parameter in self._parameters.values():
            parameter.grad = None
        self._twin.behind = True  # the running statistics move in the forward pass already
        with torch.autocast(
            self.device.type, self.precision, enabled=self.precision is torch.bfloat16
        ):
            outputs = self._forward(x)
        outputs = outputs.to(x.dtype)
        loss = self._device_loss(outputs, labels)
        loss.backward()
        classes = labels if labels.ndim == 1 else labels.argmax(dim=1)
        correct = (outputs.detach().argmax(dim=1) == classes).sum()
        return Numbers(loss.detach(), correct, torch.nn.utils.get_total_norm(self._grads()))

    def _update(self, grad_norm: torch.Tensor) -> None:
        """Clip, step, average."""
        parameters: list[torch.Tensor] = [*self._parameters.values()]
        if self.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(parameters, self.clip_norm, grad_norm)
        if self.clip_value is not None:
            torch.nn.utils.clip_grad_value_(parameters, self.clip_value)
        self._rule.step()
        if self._average is not None and self.ema is not None:
            with torch.no_grad():
                averages: list[torch.Tensor] = [*self._average.parameters()]
                torch._foreach_lerp_(averages, parameters, 1.0 - self.ema)

    def _grads(self) -> list[torch.Tensor]:
        return [p.grad for p in self._parameters.values() if p.grad is not None]

    # -- details ----------------------------------------------------------------------------------

    def _placed(self, module: torch.nn.Module) -> torch.nn.Module:
        """The module on the device, in the weights' kind of numbers, its pictures as suit it."""
        module = module.to(self.device, torch.from_numpy(np.empty(0, self.dtype)).dtype)
        if self._channels_last:
            module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return module

    @property
    def _channels_last(self) -> bool:
        return self.device.type == "cuda"

    def _on_device(self, x: FloatArray) -> torch.Tensor:
        numbers = torch.from_numpy(np.ascontiguousarray(x, self.dtype))
        numbers = numbers.to(self.device, non_blocking=True)
        return numbers.to(memory_format=torch.channels_last) if self._channels_last else numbers

    def _labels_on_device(self, labels: AnyArray) -> torch.Tensor:
        kind = np.int64 if labels.ndim == 1 else self.dtype
        return torch.from_numpy(np.ascontiguousarray(labels, kind)).to(self.device)

    def _output_shape(self, x: AnyArray) -> Shape:
        """(K,), for numbers (N, C, H, W); ShapeError for others."""
        if x.ndim != 4:
            raise ShapeError(f"pictures are numbers (N, C, H, W), got {x.shape}")
        return self._twin.host.model.output_shape(x.shape[1:])

    def _check(self, x: AnyArray, labels: AnyArray) -> None:
        """Say what is wrong with a batch before any of it is on the device."""
        scores = np.broadcast_to(np.float32(0), (len(x), *self._output_shape(x)))
        check_labels(labels, scores)
