"""How each layer of `nn` is spelled in PyTorch, and the small modules that PyTorch lacks.

Children keep their names, so that the weights' names stay as they are.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, NamedTuple

from handloom import nn
from handloom._registry import Registry
from handloom.exchange.torch.code import Call

Spell = Callable[[nn.Layer, str], Call]
"""(layer, its path) -> the call that makes its module."""
Speller = Callable[[Any, Spell], Call]
"""(layer, how to spell a layer inside it) -> the call that makes its module."""


class Spelling(NamedTuple):
    """The function that spells a kind of layer, and the class that its call needs, as source."""

    spell: Speller
    helper: str


def _as_in_pytorch(kind: type[nn.Layer]) -> Spelling | None:
    """A layer of `nn` that is not spelled below has PyTorch's name and settings."""
    return Spelling(_by_name, "") if kind.__module__.startswith(f"{nn.__name__}.") else None


def _by_name(layer: nn.Layer, spell: Spell) -> Call:
    """nn.ReLU(), nn.ELU(alpha=1.5): the settings that are not at their default."""
    told = [
        f"{name}={_quoted(getattr(layer, name))}"
        for name, setting in inspect.signature(type(layer)).parameters.items()
        if getattr(layer, name) != setting.default
    ]
    return Call(f"nn.{type(layer).__name__}", tuple(told))


def _quoted(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else repr(value)


SPELLINGS: Registry[Spelling] = Registry(
    "PyTorch's code", "handloom.exchange.torch.spells", _as_in_pytorch
)


def spells(kind: type[nn.Layer], *, helper: str = "") -> Callable[[Speller], Speller]:
    """A decorator that makes a function the speller of a kind of layer.

        @spells(Gain, helper=SOURCE_OF_A_MODULE_CALLED_GAIN)
        def gain(layer, spell):
            return Call("Gain", (str(layer.weight.shape[0]),))

    The written file defines `helper`, which may use `torch`, `nn` and `Tensor`. Parameters of the
    module have to be called as the layer's. `spell(child, name)` spells a layer inside.
    """

    def add(speller: Speller) -> Speller:
        SPELLINGS.register(kind)(Spelling(speller, helper))
        return speller

    return add


# -- containers ------------------------------------------------------------------------------------


@spells(nn.Sequential)
def sequential(layer: nn.Sequential, spell: Spell) -> Call:
    """Children are called '0', '1', … in both."""
    return Call("nn.Sequential", _children(layer, spell))


@spells(
    nn.Residual,
    helper='''\
class Residual(nn.Module):
    """y = body(x) + shortcut(x)."""

    def __init__(self, body: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.body = body
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)
''',
)
def residual(layer: nn.Residual, spell: Spell) -> Call:
    """Without a shortcut, x itself."""
    shortcut = layer.shortcut
    way = Call("nn.Identity") if shortcut is None else spell(shortcut, "shortcut")
    return Call("Residual", (spell(layer.body, "body"), way))


@spells(
    nn.Parallel,
    helper='''\
class Parallel(nn.Sequential):
    """Branches that all see x, joined on the channel axis."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([branch(x) for branch in self], dim=1)
''',
)
def parallel(layer: nn.Parallel, spell: Spell) -> Call:
    """Branches are called '0', '1', … in both."""
    return Call("Parallel", _children(layer, spell))


def _children(layer: nn.Layer, spell: Spell) -> tuple[Call, ...]:
    return tuple(spell(child, name) for name, child in layer.named_children())


# -- layers with weights ---------------------------------------------------------------------------


@spells(nn.Linear)
def linear(layer: nn.Linear, spell: Spell) -> Call:
    """nn.Linear(784, 256)."""
    out_features, in_features = layer.weight.shape
    return Call("nn.Linear", (f"{in_features}", f"{out_features}", *_unless_bias(layer)))


@spells(nn.Conv2d)
def conv2d(layer: nn.Conv2d, spell: Spell) -> Call:
    """nn.Conv2d(6, 16, 5)."""
    windows = layer.windows
    arguments = [str(layer.in_channels), str(layer.out_channels), _pair(windows.kernel)]
    arguments += [f"stride={_pair(windows.stride)}"] if windows.stride != (1, 1) else []
    if layer.padding == "same":
        arguments += ['padding="same"']
    elif windows.before != (0, 0):
        arguments += [f"padding={_pair(windows.before)}"]
    arguments += [f"dilation={_pair(windows.dilation)}"] if windows.dilation != (1, 1) else []
    arguments += [f"groups={layer.groups}"] if layer.groups != 1 else []
    return Call("nn.Conv2d", (*arguments, *_unless_bias(layer)))


@spells(nn.BatchNorm1d)
@spells(nn.BatchNorm2d)
def batch_norm(layer: nn.BatchNorm1d | nn.BatchNorm2d, spell: Spell) -> Call:
    """nn.BatchNorm2d(16)."""
    arguments = [str(layer.weight.shape[0]), *_eps(layer)]
    arguments += [f"momentum={layer.momentum!r}"] if layer.momentum != 0.1 else []
    return Call(f"nn.{type(layer).__name__}", tuple(arguments))


@spells(nn.LayerNorm)
def layer_norm(layer: nn.LayerNorm, spell: Spell) -> Call:
    """nn.LayerNorm((16, 8, 8))."""
    shape = layer.weight.shape
    return Call("nn.LayerNorm", (str(shape[0] if len(shape) == 1 else shape), *_eps(layer)))


def _unless_bias(layer: nn.Linear | nn.Conv2d) -> list[str]:
    return ["bias=False"] if layer.bias is None else []


def _eps(layer: Any) -> list[str]:
    return [f"eps={layer.eps!r}"] if layer.eps != 1e-5 else []


# -- images --------------------------------------------------------------------------------------


@spells(nn.MaxPool2d)
@spells(nn.AvgPool2d)
def pool(layer: nn.MaxPool2d | nn.AvgPool2d, spell: Spell) -> Call:
    """nn.MaxPool2d(2)."""
    windows = layer.windows
    arguments = [_pair(windows.kernel)]
    arguments += [f"stride={_pair(windows.stride)}"] if windows.stride != windows.kernel else []
    arguments += [f"padding={_pair(windows.before)}"] if windows.before != (0, 0) else []
    arguments += [f"dilation={_pair(windows.dilation)}"] if windows.dilation != (1, 1) else []
    arguments += ["ceil_mode=True"] if windows.ceil_mode else []
    if isinstance(layer, nn.AvgPool2d) and not layer.count_include_pad:
        arguments += ["count_include_pad=False"]
    return Call(f"nn.{type(layer).__name__}", tuple(arguments))


@spells(
    nn.GlobalAvgPool2d,
    helper='''\
class GlobalAvgPool2d(nn.Module):
    """(N, C, H, W) -> (N, C), the mean of each channel."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(dim=(2, 3))
''',
)
def global_avg_pool(layer: nn.GlobalAvgPool2d, spell: Spell) -> Call:
    """GlobalAvgPool2d()."""
    return Call("GlobalAvgPool2d")


@spells(nn.Resize)
def resize(layer: nn.Resize, spell: Spell) -> Call:
    """nn.Upsample(size=(224, 224), mode="bilinear")."""
    return Call("nn.Upsample", (f"size={layer.size}", 'mode="bilinear"'))


def _pair(value: tuple[int, int]) -> str:
    """'3', or '(3, 2)' where the sides differ."""
    return str(value[0] if value[0] == value[1] else value)


# -- number by number, and over the classes --------------------------------------------------------


@spells(nn.Dropout)
def dropout(layer: nn.Dropout, spell: Spell) -> Call:
    """nn.Dropout(0.5)."""
    return Call("nn.Dropout", (repr(layer.p),))


@spells(nn.LeakyReLU)
def leaky_relu(layer: nn.LeakyReLU, spell: Spell) -> Call:
    """nn.LeakyReLU(0.01)."""
    return Call("nn.LeakyReLU", (repr(layer.negative_slope),))


@spells(nn.Softmax)
@spells(nn.LogSoftmax)
def softmax(layer: nn.Softmax | nn.LogSoftmax, spell: Spell) -> Call:
    """nn.Softmax(dim=1)."""
    return Call(f"nn.{type(layer).__name__}", ("dim=1",))
