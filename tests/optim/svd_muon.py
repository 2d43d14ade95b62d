"""Muon by singular values: what Newton-Schulz does to them, and nothing of how it does it."""

from __future__ import annotations

from typing import Any

import torch

from handloom.optim.muon import QUINTIC


def orthogonalise(matrix: torch.Tensor, rounds: int) -> torch.Tensor:
    """The odd quintic on the singular values, `rounds` times."""
    u, values, vh = torch.linalg.svd(matrix, full_matrices=False)
    values = values / torch.linalg.vector_norm(values)
    a, b, c = QUINTIC
    for _ in range(rounds):
        values = a * values + b * values**3 + c * values**5
    return u @ torch.diag(values) @ vh


class Muon(torch.optim.Optimizer):
    """Matrices by Muon, all else by torch's AdamW or SGD at `scale` times the learning rate."""

    def __init__(
        self, groups: Any, lr: float, *, momentum: float = 0.95, nesterov: bool = True,
        rounds: int = 5, adamw: bool = True, scale: float = 0.1, weight_decay: float = 0.0,
    ) -> None:  # fmt: skip
        super().__init__(groups, {"lr": lr, "weight_decay": weight_decay})
        self.momentum, self.nesterov, self.rounds, self.scale = momentum, nesterov, rounds, scale
        self.others: dict[torch.Tensor, torch.optim.Optimizer] = {}
        for tensor in (tensor for group in self.param_groups for tensor in group["params"]):
            if tensor.ndim < 2:
                self.others[tensor] = (
                    torch.optim.AdamW([tensor], weight_decay=0.0)
                    if adamw
                    else torch.optim.SGD([tensor], lr=1.0, momentum=0.9, nesterov=True)
                )

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for tensor in group["params"]:
                lr = group["lr"] * (self.scale if tensor in self.others else 1.0)
                tensor.mul_(1 - lr * group["weight_decay"])
                if tensor in self.others:
                    self.others[tensor].param_groups[0]["lr"] = lr
                    self.others[tensor].step()
                else:
                    self._step_matrix(tensor, lr)

    def _step_matrix(self, tensor: torch.Tensor, lr: float) -> None:
        velocity = self.state[tensor].setdefault("velocity", torch.zeros_like(tensor))
        velocity.mul_(self.momentum).add_(tensor.grad)
        ahead = tensor.grad + self.momentum * velocity if self.nesterov else velocity
        flat = ahead.flatten(1)
        scale = max(1.0, flat.shape[0] / flat.shape[1]) ** 0.5
        tensor.sub_(lr * scale * orthogonalise(flat, self.rounds).reshape(tensor.shape))
