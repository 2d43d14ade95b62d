"""Muon on a device: matrices of one shape are made orthogonal together."""

# pyright: reportPrivateImportUsage=false
# PyTorch documents its functions on lists of tensors, torch._foreach_*, for all their names.

from __future__ import annotations

import torch

from handloom import optim
from handloom.engines.torch.rule import DeviceRule, Group, Tensors, adapt, descend
from handloom.optim.muon import LEAST_NORM, QUINTIC


class Muon(DeviceRule):
    """Orthogonal steps for the weight matrices, AdamW's or Nesterov's for the rest."""

    def update(self, group: Group, values: Tensors, grads: Tensors, lr: float) -> None:
        """V <- μ V + G, then W <- W - lr · √max(1, rows / columns) · O."""
        optimizer = self.optimizer
        assert isinstance(optimizer, optim.Muon)
        matrices = [i for i, name in enumerate(group.names) if name in optimizer.matrices]
        others = [i for i, name in enumerate(group.names) if name not in optimizer.matrices]
        for chosen, step in ((matrices, self._orthogonal_step), (others, self._other_step)):
            if chosen:
                step(
                    optimizer,
                    [group.names[i] for i in chosen],
                    [values[i] for i in chosen],
                    [grads[i] for i in chosen],
                    lr,
                )

    def _orthogonal_step(
        self, optimizer: optim.Muon, names: list[str], values: Tensors, grads: Tensors, lr: float
    ) -> None:
        ahead = velocities = self.of("velocity", names)
        torch._foreach_mul_(velocities, optimizer.momentum)
        torch._foreach_add_(velocities, grads)
        if optimizer.nesterov:
            ahead = [*torch._foreach_add(grads, velocities, alpha=optimizer.momentum)]
        alike: dict[tuple[int, int], list[int]] = {}
        for i, each in enumerate(ahead):
            alike.setdefault((len(each), each[0].numel()), []).append(i)
        for (rows, columns), places in alike.items():
            stack = torch.stack([ahead[i].reshape(rows, columns) for i in places])
            changes = orthogonalise(stack, optimizer.rounds)
            changes *= lr * max(1.0, rows / columns) ** 0.5
            for i, change in zip(places, changes, strict=True):
                values[i].sub_(change.reshape(values[i].shape))

    def _other_step(
        self, optimizer: optim.Muon, names: list[str], values: Tensors, grads: Tensors, lr: float
    ) -> None:
        rule = optimizer.other_rule
        if isinstance(rule, optim.AdamW):
            moments = self.of("first_moment", names), self.of("second_moment", names)
            adapt(values, grads, *moments, optimizer.steps, lr, rule.betas, rule.eps)
        else:
            velocities = self.of("velocity", names)
            descend(values, grads, velocities, lr, rule.momentum, nesterov=True)


def orthogonalise(matrices: torch.Tensor, rounds: int) -> torch.Tensor:
    """What `optim.muon.orthogonalise` makes of each of the matrices (B, m, n); all at once."""
    a, b, c = QUINTIC
    norms = torch.linalg.matrix_norm(matrices, keepdim=True)
    x = matrices / norms.clamp(min=LEAST_NORM)
    tall = x.shape[1] > x.shape[2]
    if tall:  # the square matrix below is of the shorter side
        x = x.mT
    for _ in range(rounds):
        gram = x @ x.mT
        inner = b * gram + c * (gram @ gram)
        x = a * x + inner @ x
    return x.mT if tall else x
