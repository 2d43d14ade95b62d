"""What a compiled network depends on, as a text: the key under which its code is kept."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from handloom import nn
from handloom.nn.layer import Parameter

_PASSING = ("training", "needs_input_gradient", "step", "key")
"""Attributes of layers that change while a network is used, or with the seed: a dropout's key lies
in memory (Piece.fill)."""


def signature(layers: Iterable[tuple[str, nn.Layer]]) -> str:
    """Every layer's path, class and settings, and the shapes of its parameters."""
    return "; ".join(
        f"{path}: {type(layer).__qualname__}({_settings(layer)})"
        for start, outer in layers
        for path, layer in outer.named_layers(start)
    )


def _settings(layer: nn.Layer) -> str:
    told = {
        name: value.shape if isinstance(value, Parameter) else value
        for name, value in vars(layer).items()
        if name not in _PASSING and not name.startswith("_") and _is_setting(value)
    }
    return ", ".join(f"{name}={value!r}" for name, value in told.items())


def _is_setting(value: Any) -> bool:
    """Layers inside are told by themselves; arrays are not part of the code."""
    inside = isinstance(value, nn.Layer | list) or hasattr(value, "__array__")
    return not inside and not callable(value)
