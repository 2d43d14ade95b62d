"""The textbook's network, optimizer and average, and their counterparts on the device."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from handloom._typing import AnyArray
from handloom.engines.numpy.engine import NumpyEngine
from handloom.engines.torch.step import Step


class Twin:
    """Keeps a numpy engine and a network on a device equal, by the names of their arrays.

    Only the one on the device is trained. `push` gives it what the numpy engine holds; `pull`
    brings the numpy engine up to date, where `behind` says that it is older.
    """

    def __init__(self, host: NumpyEngine, step: Step) -> None:
        self.host = host
        self.behind = False
        self._step = step

    def push(self) -> None:
        """From NumPy to the device."""
        with torch.no_grad():
            for array, tensor in self._pairs():
                tensor.copy_(torch.from_numpy(array))
        self.behind = False

    def pull(self) -> None:
        """From the device to NumPy, where anything has changed."""
        if self.behind:
            self._step.average_buffers()
            for array, tensor in self._pairs():
                array[...] = tensor.detach().cpu().numpy()
            self.behind = False

    def pull_gradients(self) -> None:
        """The gradients of the last step as well, for whoever looks for the one that is wrong."""
        self.pull()
        for name, parameter in self.host.parameters.items():
            grad = self._step.parameters[name].grad
            if grad is not None:
                parameter.grad = grad.cpu().numpy()

    def tensors(self) -> list[torch.Tensor]:
        """All that a step changes on the device, in an order that stays."""
        return [tensor.detach() for _, tensor in self._pairs()]

    def _pairs(self) -> Iterator[tuple[AnyArray, torch.Tensor]]:
        """Each array of the numpy engine, and the tensor that is the same."""
        networks = [(self.host.model, self._step.module)]
        if self.host.average is not None and self._step.average is not None:
            networks.append((self.host.average, self._step.average))
        for network, module in networks:
            tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
            for name, parameter in network.named_parameters().items():
                yield parameter.value, tensors[name]
            for name, buffer in network.named_buffers().items():
                yield buffer, tensors[name]
        for name, slots in self._step.rule.slots.items():
            for slot, tensor in slots.items():
                yield self.host.optimizer.slots[name][slot], tensor
