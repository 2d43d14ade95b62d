"""A network in PyTorch, made of the tables of a recipe alone: the oracle knows none of our layers.

Numbers of dropout are the one thing that has to be shared: masks come from the generator that
`handloom.nn.Dropout` documents, by the layer's key and the step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

Spec = dict[str, Any]
"""One table of `model.layers`."""
Shape = tuple[int, ...]


class Residual(nn.Module):
    def __init__(self, body: nn.Module, shortcut: nn.Module | None) -> None:
        super().__init__()
        self.body, self.shortcut = body, shortcut

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.body(x) + (x if self.shortcut is None else self.shortcut(x))


class Parallel(nn.Module):
    def __init__(self, branches: list[nn.Module]) -> None:
        super().__init__()
        for number, branch in enumerate(branches):
            self.add_module(str(number), branch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(x) for branch in self.children()], dim=1)


class Resize(nn.Module):
    def __init__(self, size: tuple[int, int]) -> None:
        super().__init__()
        self.size = size

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.interpolate(x, self.size, mode="bilinear", align_corners=False)


class Mean(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.mean(dim=(2, 3))


class Dropout(nn.Module):
    """`key` is the layer's, `step` the training's; both are set from outside."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p, self.key, self.step = p, 0, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0:
            return x
        chance = np.random.Generator(np.random.Philox(key=np.array([self.key, self.step], "u8")))
        kept = chance.random(tuple(x.shape), dtype=np.float32) >= self.p
        return x * torch.from_numpy(kept).to(x.dtype) / (1 - self.p)


def network(specs: list[Spec], shape: Shape) -> nn.Sequential:
    """The layers on pictures of `shape` (C, H, W); raises RuntimeError where they do not fit."""
    layers: list[nn.Module] = []
    for spec in specs:
        layers.append(layer(spec, shape))
        shape = output_shape(layers[-1], shape)
    return nn.Sequential(*layers)


def output_shape(made: nn.Module, shape: Shape) -> Shape:
    """Of one example; raises RuntimeError where it does not fit."""
    made.eval()
    with torch.no_grad():
        found = made(torch.zeros((1, *shape))).shape[1:]
    made.train()
    if 0 in found:
        raise RuntimeError("nothing is left")
    return tuple(found)


def layer(spec: Spec, shape: Shape) -> nn.Module:
    """The module of one table, for inputs of `shape`."""
    settings = {key: _paired(value) for key, value in spec.items() if key != "layer"}
    return LAYERS[spec["layer"]](shape, **settings)


def _batch_norm(shape: Shape, **settings: Any) -> nn.Module:
    return (nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d)(shape[0], **settings)


def _residual(shape: Shape, body: list[Spec], shortcut: list[Spec] | None = None) -> nn.Module:
    return Residual(network(body, shape), network(shortcut, shape) if shortcut else None)


LAYERS: dict[str, Callable[..., nn.Module]] = {
    "linear": lambda shape, out_features, **k: nn.Linear(shape[0], out_features, **k),
    "conv2d": lambda shape, out_channels, kernel_size, **k: nn.Conv2d(
        shape[0], out_channels, kernel_size, **k
    ),
    "max-pool": lambda shape, **k: nn.MaxPool2d(**k),
    "avg-pool": lambda shape, **k: nn.AvgPool2d(**k),
    "global-avg-pool": lambda shape: Mean(),
    "resize": lambda shape, size: Resize(size),
    "flatten": lambda shape: nn.Flatten(),
    "batch-norm": _batch_norm,
    "layer-norm": lambda shape, **k: nn.LayerNorm(list(shape), **k),
    "dropout": lambda shape, p: Dropout(p),
    "relu": lambda shape: nn.ReLU(),
    "leaky-relu": lambda shape, **k: nn.LeakyReLU(**k),
    "elu": lambda shape, **k: nn.ELU(**k),
    "gelu": lambda shape, **k: nn.GELU(**k),
    "silu": lambda shape: nn.SiLU(),
    "sigmoid": lambda shape: nn.Sigmoid(),
    "tanh": lambda shape: nn.Tanh(),
    "softmax": lambda shape: nn.Softmax(dim=1),
    "log-softmax": lambda shape: nn.LogSoftmax(dim=1),
    "residual": _residual,
    "parallel": lambda shape, branches: Parallel([network(b, shape) for b in branches]),
}
"""By the names that recipes know; each takes the shape of its input and its table's keys."""


def dropouts(root: nn.Module) -> Iterator[tuple[str, Dropout]]:
    """Every dropout of a network by its path."""
    for path, module in root.named_modules():
        if isinstance(module, Dropout):
            yield path, module


def norm_parameters(root: nn.Module) -> set[str]:
    """Names of the weights and biases of normalising layers."""
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)
    return {
        f"{path}.{name}"
        for path, module in root.named_modules()
        if isinstance(module, kinds)
        for name in ("weight", "bias")
    }


def _paired(value: Any) -> Any:
    """TOML's list of two numbers as the pair that PyTorch wants."""
    is_pair = isinstance(value, list) and all(isinstance(each, int) for each in value) and value
    return tuple(value) if is_pair else value
