"""What is timed: six networks of the kind that this house is for, each with its batch and rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from handloom import models, nn
from handloom.errors import ConfigError

INPUT_SHAPE, NUM_CLASSES = (1, 28, 28), 10
BYTES = 4  # of a float32

Task = Literal["train", "predict"]


@dataclass(frozen=True)
class Workload:
    """One step to be timed: a training step, or the prediction of one batch.

    `layers` are told as in a recipe. A training step gathers a random batch out of uint8 pictures,
    divides by 255, and ends with the update; a prediction takes pictures as they lie and ends with
    class ids. `optimizer`: name, lr, and what its PyTorch namesake is given.
    """

    name: str
    title: str
    dataset: str
    layers: tuple[dict[str, Any], ...]
    batch_size: int
    optimizer: dict[str, Any]
    task: Task = "train"

    def network(self) -> nn.Sequential:
        """The network with its first weights, always the same ones."""
        rng = np.random.default_rng(0)
        return models.from_layers(self.layers, INPUT_SHAPE, NUM_CLASSES, rng=rng)

    def with_relu(self) -> Workload:
        """The same with ReLU in place of LeakyReLU, for those who have no other."""
        relu = {"layer": "relu"}
        layers = (relu if spec["layer"] == "leaky-relu" else spec for spec in self.layers)
        return replace(self, layers=tuple(layers))

    def operations(self) -> int:
        """Multiplications and additions of the products in one step, convolved directly.

        A layer of w weights, used at p places of a picture, takes 2 w p of them a picture forward,
        as many for the weights' gradient, and as many for its input's, which the first layer does
        without.
        """
        products = [2 * weights * places for weights, places in self._products()]
        if self.task == "predict":
            return self.batch_size * sum(products)
        return self.batch_size * (3 * sum(products) - products[0])

    def weight_bytes(self) -> int:
        """What a step reads and changes over and over: weights and the optimizer's slots."""
        return BYTES * self.network().num_parameters() * (1 + self._slots())

    def traffic(self) -> int:
        """Bytes of weights that one step has to move: an input of the roofline.

        Forward reads the weights; the update reads and writes them and each of its slots.
        """
        passes = 1 if self.task == "predict" else 3 + 2 * self._slots()
        return BYTES * self.network().num_parameters() * passes

    def _slots(self) -> int:
        return int("momentum" in self.optimizer)

    def _products(self) -> list[tuple[int, int]]:
        """(weights, places of a picture that each is used at) of every product, in order."""
        found, shape = [], INPUT_SHAPE
        for layer in self.network():
            shape = layer.output_shape(shape)
            if isinstance(layer, nn.Linear | nn.Conv2d):
                found.append((layer.weight.value.size, math.prod(shape[1:])))
        return found


def chosen(names: Sequence[str]) -> list[Workload]:
    """The workloads that `names` begin: "W6" means all four of W6. All of them where none is named.

    Raises ConfigError for a name that begins none.
    """
    for name in names:
        if not any(_begins(name, workload) for workload in WORKLOADS):
            known = ", ".join(workload.name for workload in WORKLOADS)
            raise ConfigError(f"no workload is called {name!r}; there are {known}")
    return [w for w in WORKLOADS if not names or any(_begins(name, w) for name in names)]


def _begins(name: str, workload: Workload) -> bool:
    return f"{workload.name}-".lower().startswith(f"{name}-".lower())


def _mlp(*hidden: int, activation: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    inner = [
        spec
        for width in hidden
        for spec in (
            {"layer": "linear", "out_features": width, "init": "xavier-uniform"},
            activation,
        )
    ]
    return ({"layer": "flatten"}, *inner, _CLASSES)


_RELU = {"layer": "relu"}
_LEAKY = {"layer": "leaky-relu", "negative_slope": 0.01}
_POOL = {"layer": "max-pool", "kernel_size": 2}
_CLASSES = {"layer": "linear", "out_features": NUM_CLASSES, "init": "xavier-uniform"}


def _conv(channels: int) -> tuple[dict[str, Any], ...]:
    """3 × 3, same size, normalised over the batch."""
    conv = {"layer": "conv2d", "out_channels": channels, "kernel_size": 3, "padding": 1}
    return ({**conv, "bias": False}, {"layer": "batch-norm"}, _RELU)


_W1 = Workload(
    "W1",
    "MLP 784-1000-10, LeakyReLU, momentum, L2",
    "mnist",
    _mlp(1000, activation=_LEAKY),
    batch_size=32,
    optimizer={"name": "momentum", "lr": 0.01, "momentum": 0.9, "weight_decay": 1e-3},
)
_W4 = Workload(
    "W4",
    "LeNet 6-16, 256-128-64-10, LeakyReLU, momentum, L2",
    "mnist",
    (
        {"layer": "conv2d", "out_channels": 6, "kernel_size": 5},
        _LEAKY,
        _POOL,
        {"layer": "conv2d", "out_channels": 16, "kernel_size": 5},
        _LEAKY,
        _POOL,
        *_mlp(128, 64, activation=_LEAKY),
    ),
    batch_size=32,
    optimizer={"name": "momentum", "lr": 0.01, "momentum": 0.9, "weight_decay": 1e-3},
)


def _inference(of: Workload, kind: str, batch_size: int) -> Workload:
    return Workload(
        f"W6-{kind}-{batch_size}",
        f"inference: {of.title.split(',')[0]}",
        of.dataset,
        of.layers,
        batch_size,
        optimizer={},
        task="predict",
    )


WORKLOADS = (
    _W1,
    Workload(
        "W2",
        "MLP 784-256-128-10, ReLU, SGD",
        "fashion-mnist",
        _mlp(256, 128, activation=_RELU),
        batch_size=100,
        optimizer={"name": "sgd", "lr": 0.1},
    ),
    Workload(
        "W3",
        "MLP 784-512-128-10, ReLU, SGD, L2",
        "fashion-mnist",
        _mlp(512, 128, activation=_RELU),
        batch_size=64,
        optimizer={"name": "sgd", "lr": 0.1, "weight_decay": 1e-3},
    ),
    _W4,
    Workload(
        "W5",
        "CNN 32, 64, pool, 128, pool (3 × 3, batch norm, ReLU), linear; Nesterov, L2",
        "fashion-mnist",
        (
            *_conv(32),
            *_conv(64),
            _POOL,
            *_conv(128),
            _POOL,
            {"layer": "global-avg-pool"},
            _CLASSES,
        ),
        batch_size=128,
        optimizer={"name": "nesterov", "lr": 0.05, "momentum": 0.9, "weight_decay": 5e-4},
    ),
    _inference(_W1, "mlp", 1000),
    _inference(_W1, "mlp", 1),
    _inference(_W4, "lenet", 1000),
    _inference(_W4, "lenet", 1),
)
"""In the order of the reports."""
