"""The tables of a "sequential" network. That its layers compute what these say: tests/matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from key import Built, Key, Look

from handloom import nn


def _network(*layers: dict[str, Any]) -> dict[str, Any]:
    """Images of [1, 6, 6] -> layers -> three classes."""
    tail = [{"layer": "flatten"}, {"layer": "linear", "out_features": 3}]
    return {"name": "sequential", "layers": [*layers, *tail]}


FLAT = {"layer": "flatten"}
KINDS: dict[str, tuple[dict[str, Any], type[nn.Layer]]] = {
    "Linear": ({"layer": "linear", "out_features": 5}, nn.Linear),
    "Conv2d": ({"layer": "conv2d", "out_channels": 4, "kernel_size": 3}, nn.Conv2d),
    "MaxPool": ({"layer": "max-pool", "kernel_size": 2}, nn.MaxPool2d),
    "AvgPool": ({"layer": "avg-pool", "kernel_size": 2}, nn.AvgPool2d),
    "GlobalAvgPool": ({"layer": "global-avg-pool"}, nn.GlobalAvgPool2d),
    "Resize": ({"layer": "resize", "size": 4}, nn.Resize),
    "BatchNorm": ({"layer": "batch-norm"}, nn.BatchNorm2d),
    "LayerNorm": ({"layer": "layer-norm"}, nn.LayerNorm),
    "Dropout": ({"layer": "dropout", "p": 0.5}, nn.Dropout),
    "LeakyReLU": ({"layer": "leaky-relu"}, nn.LeakyReLU),
    "ELU": ({"layer": "elu"}, nn.ELU),
    "GELU": ({"layer": "gelu"}, nn.GELU),
    "Residual": ({"layer": "residual", "body": [{"layer": "relu"}]}, nn.Residual),
    "Parallel": ({"layer": "parallel", "branches": [[], [{"layer": "relu"}]]}, nn.Parallel),
}
PLAIN: dict[str, type[nn.Layer]] = {
    name: kind for name, kind in nn.LAYERS.items() if kind not in [it for _, it in KINDS.values()]
}


def _position(layer: str) -> int:
    return 1 if layer in ("linear", "softmax", "log-softmax") else 0


def _before(layer: str) -> list[dict[str, Any]]:
    """An image, or a row of numbers where the layer takes no images."""
    return [FLAT] * _position(layer)


def attribute(path: str) -> Any:
    """windows.stride, of the layer that a table stands for."""

    def look(layer: Any) -> Any:
        for name in path.split("."):
            layer = getattr(layer, name)
        return layer

    return look


def spread(layer: Any) -> float:
    return float(np.abs(layer.weight.value).max())


def kinds(layers: Any) -> list[str]:
    return [type(layer).__name__ for layer in layers]


SETTINGS: dict[str, tuple[Any, Any, Any]] = {
    # table.key: what it is set to, what of the layer shows it, and what that then is
    "Linear.out_features": (7, lambda layer: layer.weight.shape[0], 7),
    "Linear.bias": (False, attribute("bias"), None),
    "Linear.init": ("zeros", spread, 0.0),
    "Conv2d.out_channels": (6, lambda layer: layer.weight.shape[0], 6),
    "Conv2d.kernel_size": ([1, 2], attribute("windows.kernel"), (1, 2)),
    "Conv2d.stride": ([2, 1], attribute("windows.stride"), (2, 1)),
    "Conv2d.padding": ([1, 2], attribute("windows.before"), (1, 2)),
    "Conv2d.dilation": ([1, 2], attribute("windows.dilation"), (1, 2)),
    "Conv2d.bias": (False, attribute("bias"), None),
    "Conv2d.init": ("zeros", spread, 0.0),
    "MaxPool.kernel_size": ([1, 3], attribute("windows.kernel"), (1, 3)),
    "MaxPool.stride": ([3, 1], attribute("windows.stride"), (3, 1)),
    "MaxPool.padding": ([1, 0], attribute("windows.before"), (1, 0)),
    "MaxPool.dilation": ([2, 1], attribute("windows.dilation"), (2, 1)),
    "MaxPool.ceil_mode": (True, attribute("windows.ceil_mode"), True),
    "AvgPool.kernel_size": ([1, 3], attribute("windows.kernel"), (1, 3)),
    "AvgPool.stride": ([3, 1], attribute("windows.stride"), (3, 1)),
    "AvgPool.padding": ([1, 0], attribute("windows.before"), (1, 0)),
    "AvgPool.ceil_mode": (True, attribute("windows.ceil_mode"), True),
    "AvgPool.count_include_pad": (False, attribute("count_include_pad"), False),
    "Resize.size": ([3, 5], attribute("size"), (3, 5)),
    "BatchNorm.init": ("zeros", spread, 0.0),
    "BatchNorm.eps": (1e-3, attribute("eps"), 1e-3),
    "BatchNorm.momentum": (0.3, attribute("momentum"), 0.3),
    "LayerNorm.eps": (1e-3, attribute("eps"), 1e-3),
    "Dropout.p": (0.25, attribute("p"), 0.25),
    "LeakyReLU.negative_slope": (0.3, attribute("negative_slope"), 0.3),
    "ELU.alpha": (0.5, attribute("alpha"), 0.5),
    "GELU.approximate": ("tanh", attribute("approximate"), "tanh"),
    "Residual.body": (
        [{"layer": "tanh"}, {"layer": "elu"}], lambda layer: kinds(layer.body.layers),
        ["Tanh", "ELU"],
    ),
    "Residual.shortcut": ([{"layer": "tanh"}], lambda layer: kinds(layer.shortcut.layers)
                          if layer.shortcut else [], ["Tanh"]),
    "Parallel.branches": (
        [[{"layer": "tanh"}], [{"layer": "elu"}], []],
        lambda layer: [kinds(branch.layers) for branch in layer.branches],
        [["Tanh"], ["ELU"], []],
    ),
}  # fmt: skip


def _setting(path: str) -> Key:
    kind, _, name = path.partition(".")
    spec, _ = KINDS[kind]
    value, look, expected = SETTINGS[path]
    place = _position(spec["layer"])
    return Key(
        f"model.layers.{place}.{name}", value, _of(place, look), expected,
        {"model": _network(*_before(spec["layer"]), spec)},
    )  # fmt: skip


def _of(place: int, look: Any) -> Look:
    return lambda built: look(built.model.layers[place])


def _kind(spec: dict[str, Any], kind: type[nn.Layer]) -> Key:
    """The layer by its name, where another one stood."""
    layer = spec["layer"]
    other = {"layer": "elu" if layer != "elu" else "tanh"}
    return Key(
        "model.layers", _network(*_before(layer), spec)["layers"],
        _of(_position(layer), lambda layer: type(layer).__name__), kind.__name__,
        {"model": _network(*_before(layer), other)},
    )  # fmt: skip


def groups(built: Built) -> int:
    return built.layers(nn.Conv2d)[1].groups


CONV = KINDS["Conv2d"][0]
KEYS = (
    {f"layers.{path}": _setting(path) for path in SETTINGS}
    | {f"layers.{name}.layer": _kind(spec, kind) for name, (spec, kind) in KINDS.items()}
    | {
        f"layers.{kind.__name__}.layer": _kind({"layer": name}, kind)
        for name, kind in PLAIN.items()
    }
    | {
        "layers.Conv2d.groups": Key(
            "model.layers.1.groups", 2, groups, 2, {"model": _network(CONV, dict(CONV))}
        ),
        "layers.BatchNorm.layer=rows": Key(  # after a row of numbers it is the other one
            "model.layers", _network(FLAT, {"layer": "batch-norm"})["layers"],
            _of(1, lambda layer: type(layer).__name__), "BatchNorm1d",
            {"model": _network(FLAT, {"layer": "elu"})},
        ),
    }
)  # fmt: skip
