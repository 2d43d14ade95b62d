"""The networks that a recipe can name: what each number is, counted in the network's layers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from key import Built, Key

from handloom import nn

ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU, nn.Sigmoid, nn.Tanh)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.LayerNorm)
SMALL: dict[str, dict[str, Any]] = {
    "MLP": {"name": "mlp", "hidden": [5, 4]},
    "LeNet": {"name": "lenet", "channels": [2, 3], "hidden": [5, 4]},
    "ResNet": {"name": "resnet", "width": 2},
    "ResNetCifar": {"name": "resnet-cifar", "width": 2},
    "WideResNet": {"name": "wide-resnet", "widen": 1},
    "VGG": {"name": "vgg", "channels": [2, 3], "convolutions": [1, 1], "hidden": [5]},
    "DenseNet": {"name": "densenet", "blocks": [1, 2], "growth": 2},
    "Sequential": {
        "name": "sequential",
        "layers": [{"layer": "flatten"}, {"layer": "linear", "out_features": 3}],
    },
}


def widths(built: Built) -> list[int]:
    """Outputs of the linear layers but the last, which has one for each class."""
    return [layer.weight.shape[0] for layer in built.layers(nn.Linear)[:-1]]


def channels(built: Built) -> list[int]:
    return [layer.weight.shape[0] for layer in built.layers(nn.Conv2d)]


def kernels(built: Built) -> list[tuple[int, ...]]:
    return [layer.windows.kernel for layer in built.layers(nn.Conv2d)]


def activations(built: Built) -> list[str]:
    return [type(layer).__name__ for layer in built.layers(*ACTIVATIONS)]


def slopes(built: Built) -> list[float]:
    return [layer.negative_slope for layer in built.layers(nn.LeakyReLU)]


def norms(built: Built) -> list[str]:
    return [type(layer).__name__ for layer in built.layers(*NORMS)]


def dropped(built: Built) -> list[tuple[str, float]]:
    """Each dropout with the kind of the layer before it."""
    layers = [layer for _, layer in built.model.named_layers()]
    return [
        (type(before).__name__, layer.p)
        for before, layer in pairwise(layers)
        if isinstance(layer, nn.Dropout)
    ]


def silent(built: Built) -> int:
    """How many norms start at zero."""
    return sum(not layer.weight.value.any() for layer in built.layers(*NORMS))


def largest_weight(built: Built) -> float:
    weights = [layer.weight.value for layer in built.layers(nn.Linear, nn.Conv2d)]
    return float(max(np.abs(weight).max() for weight in weights))


def resized(built: Built) -> list[Any]:
    return [layer.size for layer in built.layers(nn.Resize)]


def first_window(built: Built) -> Any:
    windows = built.layers(nn.Conv2d)[0].windows
    return windows.kernel, windows.stride


def layer_counts(built: Built) -> dict[str, int]:
    kinds = (nn.Conv2d, nn.Linear, nn.Residual, nn.Parallel, nn.MaxPool2d)
    return {kind.__name__: len(built.layers(kind)) for kind in kinds}


def _counts(convolutions: int, linears: int, *, residual: int = 0, parallel: int = 0,
            pools: int = 0) -> dict[str, int]:  # fmt: skip
    return {
        "Conv2d": convolutions, "Linear": linears, "Residual": residual, "Parallel": parallel,
        "MaxPool2d": pools,
    }  # fmt: skip


COUNTS = {
    # ResNet-18: 17 convolutions and 3 projections in 8 blocks; ResNet-20: 19 and 2 in 9.
    "MLP": _counts(0, 3),
    "LeNet": _counts(2, 3, pools=2),
    "ResNet": _counts(20, 1, residual=8),
    "ResNetCifar": _counts(21, 1, residual=9),
    "WideResNet": _counts(15, 1, residual=6),
    "VGG": _counts(2, 2, pools=2),
    "DenseNet": _counts(1 + 2 * 3 + 1, 1, parallel=3),
    "Sequential": _counts(0, 1),
}


def _of(model: str, name: str, value: Any, look: Any, expected: Any, **beside: Any) -> Key:
    return Key(f"model.{name}", value, look, expected, {"model": SMALL[model] | beside})


def _perceptron(model: str, count: int, drops: list[str]) -> dict[str, Key]:
    """What the three networks that end in a perceptron share."""
    return {
        "activation": _of(model, "activation", "gelu", activations, ["GELU"] * count),
        "negative_slope": _of(
            model, "negative_slope", 0.3, slopes, [0.3] * count, activation="leaky-relu"
        ),
        "dropout": _of(model, "dropout", 0.25, dropped, [(kind, 0.25) for kind in drops]),
        "init": _of(model, "init", "zeros", largest_weight, 0.0),
    }


TABLES: dict[str, dict[str, Key]] = {
    "MLP": {
        "hidden": _of("MLP", "hidden", [6], widths, [6]),
        "norm": _of("MLP", "norm", "layer", norms, ["LayerNorm", "LayerNorm"]),
        **_perceptron("MLP", 2, ["ReLU", "ReLU"]),
    },
    "LeNet": {
        "channels": _of("LeNet", "channels", [4, 5], channels, [4, 5]),
        "kernel_size": _of("LeNet", "kernel_size", 3, kernels, [(3, 3), (3, 3)]),
        "hidden": _of("LeNet", "hidden", [6], widths, [6]),
        **_perceptron("LeNet", 4, ["LeakyReLU", "LeakyReLU"]),
    },
    "VGG": {
        "channels": _of("VGG", "channels", [4, 5], channels, [4, 5]),
        "convolutions": _of("VGG", "convolutions", [1, 2], channels, [2, 3, 3]),
        "hidden": _of("VGG", "hidden", [6], widths, [6]),
        "batch_norm": _of("VGG", "batch_norm", False, norms, []),
        "conv_dropout": _of(
            "VGG", "conv_dropout", 0.25, dropped, [("MaxPool2d", 0.25), ("MaxPool2d", 0.25)]
        ),
        **_perceptron("VGG", 3, ["ReLU"]),
    },
    "ResNet": {
        "depth": _of(
            "ResNet", "depth", 34, layer_counts, _counts(36, 1, residual=16)
        ),
        "form": _of("ResNet", "form", "imagenet", first_window, ((7, 7), (2, 2))),
        "resize": _of("ResNet", "resize", 20, resized, [(20, 20)]),
        "width": _of("ResNet", "width", 3, lambda b: sorted(set(channels(b))), [3, 6, 12, 24]),
        "zero_init_residual": _of("ResNet", "zero_init_residual", True, silent, 8),
    },
    "ResNetCifar": {
        "depth": _of(
            "ResNetCifar", "depth", 8, layer_counts, _counts(9, 1, residual=3)
        ),
        "width": _of("ResNetCifar", "width", 3, lambda b: sorted(set(channels(b))), [3, 6, 12]),
        "zero_init_residual": _of("ResNetCifar", "zero_init_residual", True, silent, 9),
    },
    "WideResNet": {
        "depth": _of("WideResNet", "depth", 10, layer_counts, _counts(9, 1, residual=3)),
        "widen": _of(
            "WideResNet", "widen", 2, lambda b: sorted(set(channels(b))), [16, 32, 64, 128]
        ),
        "dropout": _of("WideResNet", "dropout", 0.25, dropped, [("ReLU", 0.25)] * 6),
    },
    "DenseNet": {
        "blocks": _of(
            "DenseNet", "blocks", [3], layer_counts, _counts(1 + 2 * 3, 1, parallel=3)
        ),
        "growth": _of(
            "DenseNet", "growth", 3, lambda b: channels(b)[:3], [6, 12, 3]
        ),  # the stem has twice the growth, a bottleneck four times
        "compression": _of(
            "DenseNet", "compression", 1.0,
            lambda b: [layer.weight.shape[0] for layer in b.layers(nn.Conv2d)][3], 6,
        ),  # 4 of the stem and 2 of the first block all go on
        "dropout": _of("DenseNet", "dropout", 0.25, dropped, [("Conv2d", 0.25)] * 3),
        "form": _of("DenseNet", "form", "imagenet", first_window, ((7, 7), (2, 2))),
        "resize": _of("DenseNet", "resize", 20, resized, [(20, 20)]),
    },
    "Sequential": {
        "layers": _of(
            "Sequential", "layers",
            [{"layer": "flatten"}, {"layer": "tanh"}, {"layer": "linear", "out_features": 3}],
            lambda built: [type(layer).__name__ for layer in built.model.layers],
            ["Flatten", "Tanh", "Linear"],
        ),
    },
}  # fmt: skip

KEYS = {
    f"model.{model}.{name}": key for model, table in TABLES.items() for name, key in table.items()
} | {
    f"model.{model}.name": Key(
        "model", spec, layer_counts, COUNTS[model],
        {"model": SMALL["Sequential" if model != "Sequential" else "MLP"]},
    )
    for model, spec in SMALL.items()
}  # fmt: skip
