"""The numpy engine: the layers themselves, as the formulas stand in a textbook."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from handloom._typing import AnyArray, FloatArray, IntArray, UInt8Array
from handloom.data import Epoch, Normalisation
from handloom.engines.alone import check_epoch, check_example
from handloom.engines.base import Evaluation, StepReport
from handloom.engines.setup import TrainingSetup
from handloom.errors import StateError
from handloom.nn.layer import Layer
from handloom.nn.losses import weighted_loss
from handloom.optim import Optimizer, average_decay, clip_by_norm, clip_by_value, global_norm


class NumpyEngine:
    """Trains `model` as `setup` says, in plain NumPy."""

    name = "numpy"

    def __init__(self, model: Layer, setup: TrainingSetup) -> None:
        self.model = model
        self.setup = setup
        self.loss = setup.loss
        self.optimizer = setup.optimizer
        self.average = None if setup.ema is None else copy.deepcopy(model).eval()
        model.skip_input_gradient()  # images are not trained
        self.parameters = model.named_parameters()

    @property
    def dtype(self) -> np.dtype[Any]:
        """The precision of its numbers: that of the parameters."""
        return np.result_type(*(p.value.dtype for p in self.parameters.values()))

    @property
    def steps(self) -> int:
        """Optimizer updates done so far."""
        return self.optimizer.steps

    @property
    def lr_scale(self) -> float:
        """Factor on the schedule's learning rate."""
        return self.optimizer.lr_scale

    @lr_scale.setter
    def lr_scale(self, scale: float) -> None:
        self.optimizer.lr_scale = scale

    def train(self, epoch: Epoch, start: int, stop: int) -> Iterator[StepReport]:
        """The steps start … stop - 1, one by one, as far as they are finite."""
        check_epoch(self.model, epoch, start, stop)
        for batch in epoch.between(start, stop, dtype=self.dtype):
            report = self.train_step(batch.x, batch.labels)
            yield report
            if not report.is_finite:
                return

    def train_step(self, x: FloatArray, labels: AnyArray) -> StepReport:
        """Forward, loss, backward, clip, update, average: one step."""
        check_example(self.model, x.shape)
        if not self.model.training:
            self.model.train()
        with np.errstate(over="ignore", invalid="ignore"):  # the trainer looks at the results
            self.model.begin_step(self.steps)
            outputs = self.model.forward(x)
            loss, doutputs = self.loss(outputs, labels)
            self.model.zero_grad()
            self.model.backward(doutputs)
            report = StepReport(
                loss, count_correct(outputs, labels), self._clip(), self.optimizer.current_lr()
            )
            if report.is_finite:
                self.optimizer.step()
                self._update_average()
        return report

    def predict(self, x: FloatArray) -> FloatArray:
        """x (N, C, H, W) -> outputs (N, K) in evaluation mode."""
        if self.average is not None:
            return self.average.forward(x)
        if self.model.training:
            self.model.eval()
        return self.model.forward(x)

    def predict_pictures(self, images: UInt8Array, normalisation: Normalisation) -> FloatArray:
        """Outputs (N, K) for images (N, C, H, W), uint8."""
        return self.predict(normalisation(images, self.dtype))

    def evaluate(self, x: FloatArray, labels: IntArray) -> Evaluation:
        """Loss, weight and number classified right."""
        with np.errstate(over="ignore", invalid="ignore"):
            outputs = self.predict(x)
            sums = weighted_loss(self.loss, outputs, labels)
            return Evaluation(*sums, count_correct(outputs, labels))

    def weights(self) -> dict[str, AnyArray]:
        """Copies of the weights that predict: the average where one is kept."""
        return (self.model if self.average is None else self.average).state_dict()

    def state_dict(self) -> dict[str, AnyArray]:
        """Parts 'model.*', 'optimizer.*' and, with an average, 'ema.*'."""
        return {
            f"{part}.{name}": array
            for part, owner in self._parts().items()
            for name, array in owner.state_dict().items()
        }

    def load_state_dict(self, state: Mapping[str, AnyArray]) -> None:
        """Take up the state of an equal engine; raises StateError where it does not fit."""
        parts = self._parts()
        split: dict[str, dict[str, AnyArray]] = {part: {} for part in parts}
        for name, array in state.items():
            part, _, rest = name.partition(".")
            if part not in split:
                raise StateError(f"this engine has no '{part}', but the state has {name}")
            split[part][rest] = array
        for part, owner in parts.items():
            owner.load_state_dict(split[part])

    def locate_nonfinite(self, x: FloatArray) -> str:
        """Walk the network once more and name the first layer whose numbers are not finite."""
        if not np.isfinite(x).all():
            return "the input images"
        for name, parameter in self.parameters.items():
            if not np.isfinite(parameter.value).all():
                return f"the values of {name}"
        self.model.begin_step(self.steps)  # another engine may have made the steps so far
        with np.errstate(over="ignore", invalid="ignore"):
            for name, layer in self.model.named_children():
                x = layer.forward(x)
                if not np.isfinite(x).all():
                    return f"the output of layer {name} ({type(layer).__name__})"
        for name, parameter in self.parameters.items():
            if not np.isfinite(parameter.grad).all():
                return f"the gradient of {name}"
        return "the loss itself"

    def _parts(self) -> dict[str, Layer | Optimizer]:
        parts: dict[str, Layer | Optimizer] = {"model": self.model, "optimizer": self.optimizer}
        return parts if self.average is None else {**parts, "ema": self.average}

    def _clip(self) -> float:
        """Bound the gradients as asked; returns their norm before that."""
        norm = (
            global_norm(self.parameters)
            if self.setup.clip_norm is None
            else clip_by_norm(self.parameters, self.setup.clip_norm)
        )
        if self.setup.clip_value is not None:
            clip_by_value(self.parameters, self.setup.clip_value)
        return norm

    def _update_average(self) -> None:
        if self.average is None or self.setup.ema is None:
            return
        decay = average_decay(self.setup.ema, self.steps)
        for name, parameter in self.average.named_parameters().items():
            parameter.value *= decay
            parameter.value += (1.0 - decay) * self.parameters[name].value
        buffers = self.model.named_buffers()
        for name, buffer in self.average.named_buffers().items():
            buffer[...] = buffers[name]


def count_correct(outputs: FloatArray, labels: AnyArray) -> int:
    """How many rows of outputs (N, K) have their largest value at the label (N,).

    Of labels that are shares (N, K) the largest counts.
    """
    ids = labels.argmax(axis=1) if labels.ndim == 2 else labels
    return int((outputs.argmax(axis=1) == ids).sum())
