"""A random training: network, loss, rule, pictures and machine, all a function of one seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random
from typing import Any

import numpy as np
from random_networks import random_layers
from torch_networks import Shape, Spec

SHAPES = ((28, 28), (32, 32), (17, 23), (8, 8), (9, 5), (12, 12), (6, 31))
RATES = {
    "sgd": 0.05, "momentum": 0.02, "nesterov": 0.02, "rmsprop": 0.003, "adam": 0.003,
    "adamw": 0.003, "muon": 0.02,
}  # fmt: skip
PIXELS = ("noise", "dark", "strokes", "strokes", "gray", "binary")


@dataclass(frozen=True)
class Case:
    """What is trained, on what, how, and where; `stirred` is whether biases and norms have left
    the zeros and ones that they begin with."""

    seed: int
    image_shape: Shape
    classes: int
    layers: list[Spec]
    loss: Spec
    optimizer: Spec
    schedule: str
    batch_size: int
    examples: int
    pixels: str
    normalise: str
    stirred: bool
    threads: int
    target: str | None
    """What the loom compiles for; None is this machine."""
    settings: dict[str, Any] = field(default_factory=dict)
    """clip_norm, clip_value, ema."""
    mixing: dict[str, float] = field(default_factory=dict)
    augmentation: dict[str, float] = field(default_factory=dict)

    @property
    def images(self) -> np.ndarray:
        """(examples, C, H, W), uint8."""
        chance = np.random.default_rng([self.seed, 77])
        shape = (self.examples, *self.image_shape)
        if self.pixels == "binary":
            return chance.choice(np.array([0, 255], np.uint8), shape, p=[0.7, 0.3])
        low, high = (100, 140) if self.pixels == "gray" else (0, 256)
        images = chance.integers(low, high, shape, dtype=np.uint8)
        if self.pixels == "dark":
            images[chance.random(shape) > 0.15] = 0
        elif self.pixels == "strokes":  # a dark frame, as around digits
            images[chance.random(shape) < 0.3] = 0
            for axis in (2, 3):
                rim = shape[axis] // 4
                framed = images.swapaxes(0, axis)
                framed[:rim] = 0
                framed[shape[axis] - rim :] = 0
        return images

    @property
    def labels(self) -> np.ndarray:
        """(examples,), class ids."""
        return np.random.default_rng([self.seed, 78]).integers(0, self.classes, self.examples)


def random_case(seed: int, targets: tuple[str | None, ...] = (None,)) -> Case:
    """The case of a seed; `targets` are what the loom may compile for."""
    random = Random(seed)
    shape = (random.choice([1, 1, 3]), *random.choice(SHAPES))
    classes = random.choice([2, 3, 5, 10, 10, 16, 17, 26, 33, 62])
    loss: Spec = {"name": random.choice(["cross-entropy"] * 6 + ["nll", "mse"])}
    if loss["name"] == "cross-entropy" and random.random() < 0.3:
        loss["label_smoothing"] = random.choice([0.1, 0.5, 0.99])
    if loss["name"] != "mse" and random.random() < 0.25:
        weights = [random.choice([0.0, 0.5, 1.0, 2.0, 0.25, 0.1]) for _ in range(classes)]
        loss["class_weights"] = [1.0, *weights[1:]]
    layers = random_layers(random, shape, classes, loss["name"])
    batch_size, examples = _sizes(random, layers)
    settings: dict[str, Any] = {}
    if random.random() < 0.2:
        settings["clip_norm"] = random.choice([0.1, 1.0, 5.0])
    if random.random() < 0.12:
        settings["clip_value"] = random.choice([0.001, 0.01, 0.1])
    if random.random() < 0.2:
        settings["ema"] = random.choice([0.5, 0.9, 0.99])
    mixes = loss["name"] != "nll" and random.random() < 0.15
    return Case(
        seed=seed, image_shape=shape, classes=classes, layers=layers, loss=loss,
        optimizer=_optimizer(random, layers),
        schedule=random.choice(["constant", "constant", "cosine", "linear", "one-cycle", "step"]),
        batch_size=batch_size, examples=examples, pixels=random.choice(PIXELS),
        normalise=random.choice(["scale", "scale", "standard", "per-picture"]),
        stirred=random.random() < 0.6, threads=random.choice([1, 2, 3]),
        target=random.choice(targets), settings=settings,
        mixing=random.choice([{"mixup": 0.4}, {"cutmix": 1.0}]) if mixes else {},
        augmentation=random.choice([{}] * 6 + [{"flip": 0.5}, {"rotate": 10.0, "shift": 0.1}]),
    )  # fmt: skip


def _sizes(random: Random, layers: list[Spec]) -> tuple[int, int]:
    """Batch size and number of examples, often with a short last batch."""
    has_norm = "batch-norm" in repr(layers)
    batch_size = random.choice([1, 2, 3, 5, 8, 16, 17, 31, 32, 33, 64, random.randint(1, 100)])
    if has_norm:
        batch_size = max(batch_size, 4)
    last = random.randint(min(2 if has_norm else 1, batch_size), batch_size)
    return batch_size, batch_size * random.choice([1, 2, 3]) + last


def _optimizer(random: Random, layers: list[Spec]) -> Spec:
    name = random.choice(list(RATES))
    spec: Spec = {"name": name, "lr": RATES[name]}
    if random.random() < 0.45:
        spec["weight_decay"] = random.choice([0.01, 0.1, 0.001])
        spec["biases_and_norms"] = random.random() < 0.3
    if name != "adamw" and random.random() < 0.25:
        spec["decoupled"] = random.choice([True, False])
    if random.random() < 0.2:
        with_weights = ("linear", "conv2d")
        numbers = [n for n, each in enumerate(layers) if each["layer"] in with_weights]
        path = random.choice(["{}", "{}.weight"]).format(random.choice(numbers))
        spec["per_layer"] = {path: random.choice([0.3, 0.0])}
    if name in ("momentum", "nesterov") and random.random() < 0.4:
        spec["momentum"] = random.choice([0.5, 0.0, 0.99])
    if name in ("adam", "adamw"):
        spec["betas"] = random.choice([(0.8, 0.9), (0.0, 0.99), (0.9, 0.999)])
    if name in ("adam", "adamw", "rmsprop"):
        spec["eps"] = random.choice([1e-4, 1e-3])  # see `differences`
    if name == "muon":
        spec["others"] = random.choice(["adamw", "nesterov"])
        spec["nesterov"] = random.random() < 0.7
        spec["rounds"] = random.choice([1, 5])
    if random.random() < 0.15:
        spec["lookahead"] = {
            "every": random.choice([1, 2, 3]), "share": random.choice([0.5, 1.0, 0.3]),
        }  # fmt: skip
    return spec
