"""The rules of `optim/` on a device, in PyTorch's fused kernels where those compute the same.

A rule's slots are tensors under the names that the textbook's optimizer gives them; schedule, step
count and `lr_scale` stay where they are, in that optimizer. What is no rule of `optim/`, a class of
the user's, runs in NumPy inside the step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch.optim.rmsprop import rmsprop

from handloom import optim
from handloom._registry import Registry
from handloom.engines.torch.muon import Muon
from handloom.engines.torch.rule import (
    DeviceRule,
    Group,
    Rule,
    Tensors,
    adapt,
    descend,
    gradient_of,
)


class SGD(DeviceRule):
    """Straight down the gradient."""

    def update(self, group: Group, values: Tensors, grads: Tensors, lr: float) -> None:
        """w <- w - lr g."""
        descend(values, grads, None, lr)


class Momentum(DeviceRule):
    """A velocity, and a step along it; Nesterov's too."""

    def update(self, group: Group, values: Tensors, grads: Tensors, lr: float) -> None:
        """v <- μ v + g, then w <- w - lr v, or w - lr (g + μ v)."""
        optimizer = self.optimizer
        assert isinstance(optimizer, optim.Momentum)
        nesterov = isinstance(optimizer, optim.Nesterov)
        velocities = self.of("velocity", group.names)
        descend(values, grads, velocities, lr, optimizer.momentum, nesterov=nesterov)


class RMSprop(DeviceRule):
    """The gradient over its running root mean square."""

    def update(self, group: Group, values: Tensors, grads: Tensors, lr: float) -> None:
        """s <- α s + (1 - α) g², then w <- w - lr g / (√s + eps)."""
        optimizer = self.optimizer
        assert isinstance(optimizer, optim.RMSprop)
        rmsprop(
            values, grads, self.of("mean_square", group.names), [], [],
            [torch.zeros(()) for _ in values],  # steps, which this rule does not look at
            foreach=True, lr=lr, alpha=optimizer.alpha, eps=optimizer.eps,
            weight_decay=0.0, momentum=0.0, centered=False,
        )  # fmt: skip


class Adam(DeviceRule):
    """Both moments, freed of their zero start; AdamW too, whose decay the base applies."""

    def update(self, group: Group, values: Tensors, grads: Tensors, lr: float) -> None:
        """m, v, and the step that they make."""
        optimizer = self.optimizer
        assert isinstance(optimizer, optim.Adam)
        moments = self.of("first_moment", group.names), self.of("second_moment", group.names)
        adapt(values, grads, *moments, optimizer.steps, lr, optimizer.betas, optimizer.eps)


class InNumpy(Rule):
    """An optimizer of the user's own, as it is written; its slots stay with it."""

    in_numpy: ClassVar[bool] = True

    def __init__(self, optimizer: optim.Optimizer, parameters: Mapping[str, torch.Tensor]) -> None:
        super().__init__(optimizer, parameters)
        self.slots = {}

    @torch.no_grad()
    def step(self) -> None:
        """Gradients and weights there, weights back."""
        for name, value in self.parameters.items():
            ours = self.optimizer.params[name]
            ours.value[...] = value.cpu().numpy()
            ours.grad = gradient_of(value).cpu().numpy().copy()
        self.optimizer.step()
        for name, value in self.parameters.items():
            value.copy_(torch.from_numpy(self.optimizer.params[name].value))


RULES: Registry[type[Rule]] = Registry("PyTorch", "RULES.register")
"""By the exact class of the optimizer: a subclass may compute something else."""
RULES.register(optim.SGD)(SGD)
RULES.register(optim.Momentum, optim.Nesterov)(Momentum)
RULES.register(optim.RMSprop)(RMSprop)
RULES.register(optim.Adam, optim.AdamW)(Adam)
RULES.register(optim.Muon)(Muon)


def rule_of(optimizer: optim.Optimizer, parameters: Mapping[str, torch.Tensor]) -> Rule:
    """The optimizer's rule on the tensors of its parameters."""
    return (RULES.form_of(type(optimizer)) or InNumpy)(optimizer, parameters)
