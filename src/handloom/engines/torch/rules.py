"""The rules of `optim/` on a device, in PyTorch's fused kernels where those compute the same.

A rule's slots are tensors under the names that the textbook's optimizer gives them; schedule, step
count and `lr_scale` stay where they are, in that optimizer. What is no rule of `optim/`, a class of
the user's, runs in NumPy inside the step.
"""

# pyright: reportPrivateImportUsage=false
# PyTorch documents its functions on lists of tensors, torch._foreach_*, for all their names.

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

import torch
from torch.optim.adam import adam
from torch.optim.rmsprop import rmsprop
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
    """One of `optim/`'s rules on tensors; a subclass is its formula for many parameters at once."""

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
        self.groups = self._groups()

    @abstractmethod
    def update(self, group: Group, values: Tensors, grads: Tensors, lr: float) -> None:
        """The rule's formula, in place."""

    @torch.no_grad()
    def step(self) -> None:
        """One update of every parameter, at the optimizer's learning rate of now."""
        optimizer = self.optimizer
        scheduled = optimizer.current_lr()
        for group in self.groups:
            values = [self.parameters[name] for name in group.names]
            grads = [_gradient(value) for value in values]
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


class SGD(Rule):
    """Straight down the gradient."""

    def update(self, group: Group, values: Tensors, grads: Tensors, lr: float) -> None:
        """w <- w - lr g."""
        descend(values, grads, None, lr)


class Momentum(Rule):
    """A velocity, and a step along it; Nesterov's too."""

    def update(self, group: Group, values: Tensors, grads: Tensors, lr: float) -> None:
        """v <- μ v + g, then w <- w - lr v, or w - lr (g + μ v)."""
        optimizer = self.optimizer
        assert isinstance(optimizer, optim.Momentum)
        nesterov = isinstance(optimizer, optim.Nesterov)
        velocities = self.of("velocity", group.names)
        descend(values, grads, velocities, lr, optimizer.momentum, nesterov=nesterov)


class RMSprop(Rule):
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


class Adam(Rule):
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
            ours.grad = _gradient(value).cpu().numpy().copy()
        self.optimizer.step()
        for name, value in self.parameters.items():
            value.copy_(torch.from_numpy(self.optimizer.params[name].value))

    def update(self, group: Group, values: Tensors, grads: Tensors, lr: float) -> None:
        """Nothing is left to do: `step` is all of it."""


RULES: dict[type[optim.Optimizer], type[Rule]] = {
    optim.SGD: SGD,
    optim.Momentum: Momentum,
    optim.Nesterov: Momentum,
    optim.RMSprop: RMSprop,
    optim.Adam: Adam,
    optim.AdamW: Adam,
}
"""By the exact class of the optimizer: a subclass may compute something else."""


def rule_of(optimizer: optim.Optimizer, parameters: Mapping[str, torch.Tensor]) -> Rule:
    """The optimizer's rule on the tensors of its parameters."""
    return RULES.get(type(optimizer), InNumpy)(optimizer, parameters)


# -- PyTorch's kernels ----------------------------------------------------------------------------


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


def _gradient(parameter: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
