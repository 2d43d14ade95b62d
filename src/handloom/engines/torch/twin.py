"""The textbook's network, optimizer and average, and their counterparts on the device."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from handloom._typing import AnyArray
from handloom.engines.numpy_engine import NumpyEngine
from handloom.engines.torch.rules import Rule


class Twin:
    """Keeps a numpy engine and a network on a device in step, by the names of their arrays.

    Only one of the two is trained. `push` gives the device what the numpy engine holds; `pull`
    brings that up to date, if `behind` says that it is older.
    """

    def __init__(
        self,
        host: NumpyEngine,
        module: torch.nn.Module,
        average: torch.nn.Module | None,
        rule: Rule,
    ) -> None:
        self.host = host
        self.behind = False
        self._module = module
        self._average = average
        self._rule = rule

    def push(self) -> None:
        """From NumPy to the device."""
        with torch.no_grad():
            for array, tensor in self._pairs():
                tensor.copy_(torch.from_numpy(np.asarray(array)))
        self.behind = False

    def pull(self) -> None:
        """From the device to NumPy, where anything has changed."""
        if self.behind:
            self.take_buffers()
            for array, tensor in self._pairs():
                array[...] = tensor.detach().cpu().numpy()
            self.behind = False

    def pull_gradients(self) -> None:
        """The gradients of the last step as well, for whoever looks for the one that is wrong."""
        self.pull()
        tensors = dict(self._module.named_parameters())
        for name, parameter in self.host.parameters.items():
            grad = tensors[name].grad
            if grad is not None:
                parameter.grad = grad.cpu().numpy()

    @torch.no_grad()
    def take_buffers(self) -> None:
        """Give the average the network's running statistics as they are."""
        if self._average is not None:
            theirs = dict(self._module.named_buffers())
            for name, buffer in self._average.named_buffers():
                buffer.copy_(theirs[name])

    def _pairs(self) -> Iterator[tuple[AnyArray, torch.Tensor]]:
        """Each array of the numpy engine, and the tensor that is the same."""
        networks = [(self.host.model, self._module)]
        if self.host.average is not None and self._average is not None:
            networks.append((self.host.average, self._average))
        for network, module in networks:
            tensors = {**dict(module.named_parameters()), **dict(module.named_buffers())}
            for name, parameter in network.named_parameters().items():
                yield parameter.value, tensors[name]
            for name, buffer in network.named_buffers().items():
                yield buffer, tensors[name]
        for name, slots in self._rule.slots.items():
            for slot, tensor in slots.items():
                yield self.host.optimizer.slots[name][slot], tensor
