"""What all rules share on a device: groups of parameters, weight decay, lookahead, the kernels."""

# pyright: reportPrivateImportUsage=false
# PyTorch documents its functions on lists of tensors, torch._foreach_*, for all their names.

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import torch
from torch.optim.adam import adam
from torch.optim.sgd import sgd

from handloom import optim

Tensors = list[torch.Tensor]


class Group(NamedTuple):
    """Parameters that take the same step: one weight decay, one learning rate."""

    names: list[str]
    decay: float
    lr_factor: float
    """Of the schedule's learning rate."""


class Rule(ABC):
    """An optimizer's step on the tensors of its parameters."""

    in_numpy: ClassVar[bool] = False
    """Whether a step takes the gradients to the CPU."""

    def __init__(self, optimizer: optim.Optimizer, parameters: Mapping[str, torch.Tensor]) -> None:
        self.optimizer = optimizer
        self.parameters = {name: parameters[name] for name in optimizer.params}
        self.slots = {
            name: {slot: _like(array, self.parameters[name]) for slot, array in slots.items()}
            for name, slots in optimizer.slots.items()
        }
        """Tensor by parameter and slot; their values are the caller's to bring and to take."""

    @abstractmethod
    def step(self) -> None:
        """One update of every parameter, at the optimizer's learning rate of now; it is counted."""


class DeviceRule(Rule):
    """One of `optim/`'s rules; a subclass is its formula for many parameters at once."""

    def __init__(self, optimizer: optim.Optimizer, parameters: Mapping[str, torch.Tensor]) -> None:
        super().__init__(optimizer, parameters)
        self.groups = self._groups()

    @abstractmethod
    def update(self, group: Group, values: Tensors, grads: Tensors, lr: float) -> None:
        """The rule's formula, in place."""

    @torch.no_grad()
    def step(self) -> None:
        """Decay, the rule, lookahead."""
        optimizer = self.optimizer
        scheduled = optimizer.current_lr()
        for group in self.groups:
            values = [self.parameters[name] for name in group.names]
            grads = [gradient_of(value) for value in values]
            lr = scheduled * group.lr_factor
            if group.decay and optimizer.weight_decay.decoupled:
                torch._foreach_mul_(values, 1.0 - lr * group.decay)
            elif group.decay:
                grads = list(torch._foreach_add(grads, values, alpha=group.decay))
            self.update(group, values, grads, lr)
        optimizer.steps += 1
        lookahead = optimizer.lookahead
        if lookahead is not None and optimizer.steps % lookahead.every == 0:
            slow = self.of("slow", [*self.parameters])
            values = [*self.parameters.values()]
            torch._foreach_lerp_(slow, values, lookahead.share)
            torch._foreach_copy_(values, slow)

    def of(self, slot: str, names: list[str]) -> Tensors:
        """One slot of some parameters."""
        return [self.slots[name][slot] for name in names]

    def _groups(self) -> list[Group]:
        groups: dict[tuple[float, float], list[str]] = {}
        for name, parameter in self.optimizer.params.items():
            key = self.optimizer.decays[name], self.optimizer.lr_of(parameter, 1.0)
            groups.setdefault(key, []).append(name)
        return [Group(names, *key) for key, names in groups.items()]


# -- PyTorch's fused kernels ----------------------------------------------------------------------


def descend(
    values: Tensors,
    grads: Tensors,
    velocities: Tensors | None,
    lr: float,
    momentum: float = 0.0,
    *,
    nesterov: bool = False,
) -> None:
    """One fused step of gradient descent, with a velocity for each parameter if there is one."""
    # A momentum of 0 asks for no velocities; the rule has one all the same, which is then g itself.
    if velocities is not None and momentum == 0.0:
        torch._foreach_copy_(velocities, grads)
        velocities = None
    sgd(
        values, grads, [None] * len(values) if velocities is None else [*velocities],
        fused=True, weight_decay=0.0, momentum=momentum, lr=lr, dampening=0.0,
        nesterov=nesterov and momentum > 0.0, maximize=False,
    )  # fmt: skip


def adapt(
    values: Tensors,
    grads: Tensors,
    first_moments: Tensors,
    second_moments: Tensors,
    done: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
) -> None:
    """One fused step of Adam, after `done` of them."""
    steps = [value.new_full((), done, dtype=torch.float32) for value in values]
    adam(
        values, grads, first_moments, second_moments, [], steps,
        fused=True, amsgrad=False, beta1=betas[0], beta2=betas[1], lr=lr, weight_decay=0.0,
        eps=eps, maximize=False,
    )  # fmt: skip


def _like(array: object, parameter: torch.Tensor) -> torch.Tensor:
    """Room for a slot; one of the parameter's shape lies in memory as the parameter does."""
    shape = getattr(array, "shape", ())
    if tuple(shape) == tuple(parameter.shape):
        return torch.zeros_like(parameter, requires_grad=False)
    return parameter.new_zeros(shape)


def gradient_of(parameter: torch.Tensor) -> torch.Tensor:
    """Zeros, where the loss does not depend on the parameter."""
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
