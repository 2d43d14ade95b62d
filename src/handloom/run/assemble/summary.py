"""The network of a recipe: its layers, what they compute, the memory that a training takes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handloom import data
from handloom._typing import Shape
from handloom.errors import DataError
from handloom.models import LayerLine, summarise
from handloom.nn import Layer
from handloom.recipes import Recipe
from handloom.run.assemble.network import build_model, build_optimizer
from handloom.run.assemble.parts import load_data
from handloom.run.assemble.plan import KNOWN_SHAPE

ASSUMED_CLASSES = 10  # where the images are not here to be counted


@dataclass(frozen=True)
class Memory:
    """Bytes of a training step in float32; the working memory of an engine comes on top."""

    outputs: int
    """Of all layers for a batch, which the backward pass needs."""
    weights: int
    gradients: int
    optimizer: int
    """What the rule keeps of each weight, and the average that predicts, if there is one."""

    @property
    def total(self) -> int:
        """All of it."""
        return self.outputs + self.weights + self.gradients + self.optimizer


@dataclass(frozen=True)
class NetworkSummary:
    """A network as it would be trained."""

    input_shape: Shape
    num_classes: int
    why_assumed: str
    """Why images and classes are only assumed; empty where they are known."""
    batch: int
    network: LayerLine
    memory: Memory


def summarise_network(recipe: Recipe, data_dir: str | Path | None = None) -> NetworkSummary:
    """Build the network of `recipe`, untrained, and tell what it is made of.

    Where the images are not here, 28 × 28 pixels and ten classes stand for them.
    Raises: ShapeError where the network cannot fit the images.
    """
    shape, num_classes, why_assumed = _pictures(recipe, data_dir)
    model = build_model(recipe, shape, num_classes)
    network = summarise(model, shape)
    return NetworkSummary(
        input_shape=shape,
        num_classes=num_classes,
        why_assumed=why_assumed,
        batch=recipe.training.batch_size,
        network=network,
        memory=step_memory(recipe, model, network, shape),
    )


def step_memory(recipe: Recipe, model: Layer, network: LayerLine, shape: Shape) -> Memory:
    """What a training step of `recipe` holds: `network` sums up `model` for images of `shape`."""
    slots = build_optimizer(recipe, model, 1).slots.values()
    kept = sum(slot.size for named in slots for slot in named.values())
    averaged = network.parameters if recipe.training.ema is not None else 0
    batch, itemsize = recipe.training.batch_size, np.dtype(np.float32).itemsize
    return Memory(
        outputs=itemsize * batch * (math.prod(shape) + network.values),
        weights=itemsize * network.parameters,
        gradients=itemsize * network.parameters,
        optimizer=itemsize * (kept + averaged),
    )


def _pictures(recipe: Recipe, data_dir: str | Path | None) -> tuple[Shape, int, str]:
    """The shape (C, H, W) of an image, the number of classes, and why they are only assumed."""
    known = {each.name: each.num_classes for each in data.describe_sets()}
    if recipe.data.name in known:
        return KNOWN_SHAPE, known[recipe.data.name], ""
    try:
        train = load_data(recipe, None if data_dir is None else Path(data_dir)).train
    except DataError as error:
        return KNOWN_SHAPE, ASSUMED_CLASSES, str(error)
    return train.image_shape, train.num_classes, ""
