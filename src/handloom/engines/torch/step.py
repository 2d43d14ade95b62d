"""A training step on the device, and a prediction: tensors in, tensors out, and nothing waits."""

# pyright: reportPrivateImportUsage=false
# PyTorch documents its functions on lists of tensors, torch._foreach_*, for all their names.

from __future__ import annotations

import copy
from typing import NamedTuple

import torch

from handloom import nn
from handloom.engines.setup import TrainingSetup
from handloom.engines.torch.dropout import begin_step
from handloom.engines.torch.losses import loss_of
from handloom.engines.torch.modules import module_of
from handloom.engines.torch.rules import rule_of
from handloom.optim import average_decay


class How(NamedTuple):
    """What the setup's device and precision are on this machine."""

    device: torch.device
    dtype: torch.dtype
    """Of the weights, the loss, the predictions."""
    precision: torch.dtype
    """Of products in training: bfloat16 under autocast, or as the weights are."""

    def memory_format(self, model: nn.Layer) -> torch.memory_format:
        """How images lie in memory: a GPU's tensor cores, and a CPU's vectors, want the channels
        of a pixel together. Metal's kernels are at home in the usual order.

        On a CPU, PyTorch 2.13 reads memory that nobody wrote, or crashes, in some convolutions with
        the channels together: measured with 1,300 random ones, only where the stride differs from
        axis to axis or the kernel is dilated, so those networks keep the usual order.
        """
        if self.device.type == "mps":
            return torch.contiguous_format
        convolutions = (layer for _, layer in model.named_layers() if isinstance(layer, nn.Conv2d))
        if self.device.type == "cpu" and not all(map(_is_plain, convolutions)):
            return torch.contiguous_format
        return torch.channels_last


def _is_plain(layer: nn.Conv2d) -> bool:
    """Whether a convolution steps alike along both axes, over neighbouring pixels."""
    windows = layer.windows
    return windows.stride[0] == windows.stride[1] and windows.dilation == (1, 1)


class Numbers(NamedTuple):
    """What a step tells, on the device; () each."""

    loss: torch.Tensor
    correct: torch.Tensor
    grad_norm: torch.Tensor

    def stacked(self) -> torch.Tensor:
        """(3,), of the loss's kind."""
        return torch.stack([number.to(self.loss.dtype) for number in self])


class Step:
    """A network on the device, and what a step makes of it: gradients, then new weights."""

    def __init__(self, model: nn.Layer, setup: TrainingSetup, how: How) -> None:
        self.how = how
        self.setup = setup
        self.processes = setup.torch.processes
        module = module_of(model).to(how.device, how.dtype)
        self.memory_format = how.memory_format(model)
        if self.memory_format is torch.channels_last:
            module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.module = module
        self.average = None if setup.ema is None else copy.deepcopy(module).eval()
        self.parameters: dict[str, torch.Tensor] = dict(module.named_parameters())
        buffers = module.named_buffers()
        self._variances = [buffer for name, buffer in buffers if name.endswith("running_var")]
        self.loss, self.loss_stays = loss_of(setup.loss)
        self.rule = rule_of(setup.optimizer, self.parameters)
        spread = self.processes.spread(module)
        self._forward = torch.compile(spread) if setup.torch.compile else spread

    def gradients(self, x: torch.Tensor, labels: torch.Tensor, step: int, count: int) -> Numbers:
        """Forward and backward over this process's rows of a batch of `count` examples."""
        how = self.how
        if not self.module.training:
            self.module.train()
        begin_step(self.module, step, self.processes.part(count).start)
        for parameter in self.parameters.values():
            parameter.grad = None
        mixed = how.precision is not how.dtype
        with torch.autocast(how.device.type, how.precision if mixed else None, enabled=mixed):
            outputs = self._forward(x.to(memory_format=self.memory_format))
        outputs = self.processes.whole(outputs.to(how.dtype), count)
        labels = self.processes.whole(labels, count)
        loss = self.loss(outputs, labels)
        loss.backward()
        loss = loss.detach() + self._overflown()
        ids = labels if labels.ndim == 1 else labels.argmax(dim=1)
        correct = (outputs.detach().argmax(dim=1) == ids).sum()
        grads = [p.grad for p in self.parameters.values() if p.grad is not None]
        return Numbers(loss, correct, torch.nn.utils.get_total_norm(grads))

    def _overflown(self) -> torch.Tensor | float:
        """NaN if a running variance is no longer finite, else zero: the loss then shows it."""
        if not self._variances:
            return 0.0
        return torch.cat(torch._foreach_sub(self._variances, self._variances)).sum()  # type: ignore[arg-type]

    def update(self, grad_norm: torch.Tensor) -> None:
        """Clip the gradients, whose norm was found, change the weights, average them."""
        values = [*self.parameters.values()]
        setup = self.setup
        if setup.clip_norm is not None:
            torch.nn.utils.clip_grads_with_norm_(values, setup.clip_norm, grad_norm)
        if setup.clip_value is not None:
            torch.nn.utils.clip_grad_value_(values, setup.clip_value)
        self.rule.step()
        if self.average is not None and setup.ema is not None:
            averages: list[torch.Tensor] = [*self.average.parameters()]
            decay = average_decay(setup.ema, setup.optimizer.steps)
            with torch.no_grad():
                torch._foreach_lerp_(averages, values, 1.0 - decay)

    @torch.inference_mode()
    def predict(self, x: torch.Tensor) -> torch.Tensor:
        """x (N, C, H, W) -> outputs (N, K) in evaluation mode, of the average if there is one."""
        module = self.module if self.average is None else self.average
        if module.training:
            module.eval()
        return module(x.to(memory_format=self.memory_format))

    @torch.no_grad()
    def average_buffers(self) -> None:
        """Give the average the network's running statistics as they are."""
        if self.average is not None:
            ours = dict(self.module.named_buffers())
            for name, buffer in self.average.named_buffers():
                buffer.copy_(ours[name])
