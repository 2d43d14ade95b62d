"""Batch norm over a batch whose rows lie in several processes.

PyTorch's SyncBatchNorm is for CUDA alone; this one runs wherever the processes can talk.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from handloom.errors import ConfigError


class World(Protocol):
    """What the norms need of the processes that train together."""

    def gathered(self, vector: Tensor) -> Tensor:
        """Everybody's vector (K,), equal in length: (size, K)."""
        ...

    def added_up(self, vector: Tensor) -> Tensor:
        """The sum of everybody's vector (K,), to the same bits everywhere."""
        ...


def share_norms(module: torch.nn.Module, world: World) -> None:
    """Put a SharedBatchNorm with the same weights in the place of every batch norm in `module`."""
    for name, child in module.named_children():
        if isinstance(child, _BatchNorm):
            setattr(module, name, SharedBatchNorm(child, world))
        else:
            share_norms(child, world)


class SharedBatchNorm(torch.nn.Module):
    """The batch norm `norm`, whose μ and σ² are of all processes' rows together.

        y = γ (x - μ) / √(σ² + ε) + β      x (N, C) or (N, C, H, W)

    In evaluation it is `norm` as it was. The running statistics are equal everywhere.
    """

    def __init__(self, norm: _BatchNorm, world: World) -> None:
        super().__init__()
        if norm.weight is None or norm.running_mean is None or norm.momentum is None:
            raise ConfigError(
                "a batch norm that several processes share has weights, running statistics and a "
                f"momentum; got {norm}"
            )
        self.weight, self.bias = norm.weight, norm.bias
        self.running_mean: Tensor
        self.running_var: Tensor
        self.register_buffer("running_mean", norm.running_mean)
        self.register_buffer("running_var", norm.running_var)
        self.eps, self.momentum = norm.eps, norm.momentum
        self._world = world

    def forward(self, x: Tensor) -> Tensor:
        """x (N, C, ...), N of this process -> y of the same shape."""
        if not self.training:
            return torch.nn.functional.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
            )
        return self._normalised(x)

    @torch.compiler.disable()  # it talks to other processes, which no compiled code does
    def _normalised(self, x: Tensor) -> Tensor:
        """Normalise with the statistics of all; move the running ones towards them."""
        y, mean, var, count = _Normalise.apply(x, self.weight, self.bias, self.eps, self._world)
        with torch.no_grad():
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
            unbiased = var * (count / (count - 1).clamp(min=1))
            self.running_var.lerp_(unbiased.to(self.running_var.dtype), self.momentum)
        return y


class _Normalise(torch.autograd.Function):
    """x̂ γ + β with the statistics of all processes; one exchange forward, one backward.

        dβ = Σ dy      dγ = Σ dy · x̂      dx = γ / σ (dy - dβ / M - x̂ · dγ / M)

    with the sums over all M numbers of a channel in dx, and over this process's own in the dβ and
    dγ that are returned: those are added up with the gradients of all other weights.
    Source: Ioffe & Szegedy 2015; parts are merged as in Chan, Golub & LeVeque 1979.
    """

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, eps: float, world: World
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        numbers = x.to(torch.promote_types(x.dtype, torch.float32))
        axes = _all_but_channels(x)
        own = numbers.new_tensor(max(1, x.numel() // x.shape[1]))
        mean = numbers.sum(axes) / own
        squares = (numbers - _along(mean, x)).square().sum(axes)
        count = numbers.new_full((1,), x.numel() // x.shape[1])
        counts, means, deviations = world.gathered(torch.cat([count, mean, squares])).split(
            [1, len(mean), len(mean)], dim=1
        )
        total = counts.sum()
        mean = (counts * means).sum(0) / total
        var = (deviations + counts * (means - mean).square()).sum(0) / total
        inv_std = (var + eps).rsqrt()
        normal = (numbers - _along(mean, x)) * _along(inv_std, x)
        ctx.save_for_backward(normal, inv_std, weight, total)
        ctx.world = world
        ctx.mark_non_differentiable(mean, var, total)
        y = normal * _along(weight, x) + _along(bias, x)
        return y.to(x.dtype), mean, var, total

    @staticmethod
    def backward(ctx: Any, dy: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        normal, inv_std, weight, total = ctx.saved_tensors
        numbers = dy.to(normal.dtype)
        axes = _all_but_channels(dy)
        dbias, dweight = numbers.sum(axes), (numbers * normal).sum(axes)
        all_dbias, all_dweight = ctx.world.added_up(torch.cat([dbias, dweight])).chunk(2)
        dx = numbers - _along(all_dbias / total, dy) - normal * _along(all_dweight / total, dy)
        dx = dx * _along(weight * inv_std, dy)
        return dx.to(dy.dtype), dweight.to(weight.dtype), dbias.to(weight.dtype), None, None


def _all_but_channels(x: Tensor) -> list[int]:
    return [axis for axis in range(x.ndim) if axis != 1]


def _along(channels: Tensor, x: Tensor) -> Tensor:
    """(C,) as something that broadcasts over x (N, C, ...)."""
    return channels.view(-1, *[1] * (x.ndim - 2))
