"""Every layer of `nn/` as a module of PyTorch's, and a way to add layers of one's own.

A module computes what its layer does and calls its weights by the layer's names, in the layer's
shapes: "weight", "0.bias", "body.2.running_mean". So states are exchanged by name, and nothing is
ever transposed. A layer of one's own is made known before a training:

    @register(Scale)
    def scale(layer: Scale) -> torch.nn.Module:
        return ScaleModule(len(layer.weight.value))

The values of the weights follow by themselves. A layer of `nn/` without weights that PyTorch has
under the same name, with the same settings, needs no maker.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from handloom import nn
from handloom._registry import Registry
from handloom.engines.torch.dropout import Dropout
from handloom.errors import ConfigError, ShapeError

Maker = Callable[[Any], torch.nn.Module]
Made = TypeVar("Made", bound=Maker)


def _as_in_pytorch(kind: type[nn.Layer]) -> Maker | None:
    """A layer of `nn` without a maker below is PyTorch's module of its name and settings."""
    if not kind.__module__.startswith(f"{nn.__name__}.") or not hasattr(torch.nn, kind.__name__):
        return None
    module = getattr(torch.nn, kind.__name__)
    settings = inspect.signature(kind).parameters
    return lambda layer: module(**{name: getattr(layer, name) for name in settings})


MAKERS: Registry[Maker] = Registry("PyTorch", "handloom.engines.torch.register", _as_in_pytorch)
"""Maker by the exact class of a layer: a subclass may compute something else."""


def register(kind: type[nn.Layer]) -> Callable[[Made], Made]:
    """Make the decorated function, layer -> module, the one for layers of the class `kind`."""
    return MAKERS.register(kind)  # type: ignore[return-value]


def module_of(layer: nn.Layer) -> torch.nn.Module:
    """The module that computes `layer`, its weights by the same names and still of any values.

    Raises ConfigError for a layer that no maker is registered for, or whose module has other
    weights than the layer.
    """
    with torch.random.fork_rng(devices=[]):  # modules draw first weights, which nobody will see
        module = _made(layer, "")
    names = {
        "parameters": (layer.named_parameters(), dict(module.named_parameters())),
        "buffers": (layer.named_buffers(), module.state_dict()),
    }
    for sort, (ours, theirs) in names.items():
        for name, array in ours.items():
            if name not in theirs or tuple(theirs[name].shape) != array.shape:
                found = tuple(theirs[name].shape) if name in theirs else "not present"
                raise ConfigError(
                    f"the {sort} of a layer and its module differ: {name} is {array.shape} in the "
                    f"layer, and {found} in the module; the maker given to register has to agree"
                )
    surplus = names["parameters"][1].keys() - names["parameters"][0].keys()
    if surplus:
        raise ConfigError(
            f"the module trains {', '.join(sorted(surplus))}, which its layer does not have; "
            "make it a buffer that is not persistent, or a Parameter of the layer"
        )
    return module


def unmapped(layer: nn.Layer) -> list[str]:
    """Paths and classes of the layers that no maker is registered for."""
    return [
        f"{path} ({type(inner).__name__})" if path else type(inner).__name__
        for path, inner in layer.named_layers()
        if MAKERS.form_of(type(inner)) is None
    ]


def _made(layer: nn.Layer, path: str) -> torch.nn.Module:
    maker = MAKERS.form_of(type(layer))
    if maker is None:
        kind = type(layer).__name__
        where = f"layer {path} is a {kind}" if path else f"the network is a {kind}"
        raise ConfigError(
            f"{where}, for which there is no PyTorch module; register one (see docs/torch.md), "
            'or train with engine = "numpy"'
        )
    if isinstance(layer, nn.Sequential | nn.Residual | nn.Parallel):
        inner = {
            name: _made(child, f"{path}.{name}" if path else name)
            for name, child in layer.named_children()
        }
        return maker(inner)
    return maker(layer)


# -- containers: their makers take the modules of the layers inside, by name ----------------------


class Residual(torch.nn.Module):
    """y = body(x) + shortcut(x); without a shortcut, y = body(x) + x."""

    def __init__(self, inner: dict[str, torch.nn.Module]) -> None:
        super().__init__()
        self.body = inner["body"]
        self.shortcut = inner.get("shortcut")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, ...) -> (N, ...)."""
        return self.body(x) + (x if self.shortcut is None else self.shortcut(x))


class Parallel(torch.nn.Module):
    """Branches that all see x, joined on axis 1."""

    def __init__(self, inner: dict[str, torch.nn.Module]) -> None:
        super().__init__()
        for name, branch in inner.items():
            self.add_module(name, branch)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(N, C, ...) -> (N, Σᵢ Cᵢ, ...)."""
        return torch.cat([branch(x) for branch in self.children()], dim=1)


@register(nn.Sequential)
def _sequential(inner: dict[str, torch.nn.Module]) -> torch.nn.Module:
    return torch.nn.Sequential(*inner.values())


register(nn.Residual)(Residual)
register(nn.Parallel)(Parallel)

# -- layers with weights --------------------------------------------------------------------------


@register(nn.Linear)
def _linear(layer: nn.Linear) -> torch.nn.Module:
    out_features, in_features = layer.weight.shape
    return torch.nn.Linear(in_features, out_features, bias=layer.bias is not None)


@register(nn.Conv2d)
def _conv(layer: nn.Conv2d) -> torch.nn.Module:
    windows = layer.windows
    return torch.nn.Conv2d(
        layer.in_channels,
        layer.out_channels,
        windows.kernel,
        windows.stride,
        "same" if layer.padding == "same" else windows.before,
        windows.dilation,
        layer.groups,
        bias=layer.bias is not None,
    )


class BatchNorm(torch.nn.BatchNorm2d):
    """PyTorch's batch norm, of rows (N, C) or images (N, C, H, W), which counts no batches."""

    def __init__(self, layer: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
        super().__init__(layer.weight.shape[0], eps=layer.eps, momentum=layer.momentum)
        self.num_batches_tracked = None
        self._kind = type(layer).__name__

    def _check_input_dim(self, input: torch.Tensor) -> None:
        if self.training and input.numel() == input.shape[1]:
            raise ShapeError(
                f"{self._kind} expects at least two values per channel in training, got one; "
                "use a larger batch"
            )


register(nn.BatchNorm1d)(BatchNorm)
register(nn.BatchNorm2d)(BatchNorm)


@register(nn.LayerNorm)
def _layer_norm(layer: nn.LayerNorm) -> torch.nn.Module:
    return torch.nn.LayerNorm([*layer.weight.shape], eps=layer.eps)


# -- layers without weights -----------------------------------------------------------------------


class GlobalAvgPool2d(torch.nn.Module):
    """x (N, C, H, W) -> (N, C)."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The mean of each channel."""
        return x.mean(dim=(2, 3))


@register(nn.MaxPool2d)
def _max_pool(layer: nn.MaxPool2d) -> torch.nn.Module:
    w = layer.windows
    return torch.nn.MaxPool2d(w.kernel, w.stride, w.before, w.dilation, ceil_mode=w.ceil_mode)


@register(nn.AvgPool2d)
def _avg_pool(layer: nn.AvgPool2d) -> torch.nn.Module:
    w, counted = layer.windows, layer.count_include_pad
    return torch.nn.AvgPool2d(w.kernel, w.stride, w.before, w.ceil_mode, counted)


@register(nn.Resize)
def _resize(layer: nn.Resize) -> torch.nn.Module:
    return torch.nn.Upsample(size=layer.size, mode="bilinear", align_corners=False)


register(nn.Dropout)(Dropout)
register(nn.GlobalAvgPool2d)(lambda _: GlobalAvgPool2d())
register(nn.Softmax)(lambda _: torch.nn.Softmax(dim=1))
register(nn.LogSoftmax)(lambda _: torch.nn.LogSoftmax(dim=1))
