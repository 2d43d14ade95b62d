"""Batches of one example, on which some batch norms cannot be trained.

A batch norm takes mean and variance from all numbers of a channel in the batch. Behind a linear
layer, or on maps of one pixel, an example brings one number, and one number has no variance.
"""

from __future__ import annotations

import math

import numpy as np

from handloom import nn
from handloom._typing import Shape
from handloom.data import Batches, Epoch
from handloom.errors import ShapeError


def norm_that_needs_two(model: nn.Layer, image_shape: Shape) -> str | None:
    """The first batch norm to which an example (C, H, W) brings one number per channel.

    For a person: 'layer 2 (BatchNorm1d)'; None where there is none.
    """
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d)
    if not any(isinstance(layer, kinds) for _, layer in model.named_layers()):
        return None
    training = model.training
    # Of a Sequential the layers themselves, whatever else a subclass does with them.
    network = nn.Sequential(*model.layers) if isinstance(model, nn.Sequential) else model
    try:  # without examples, which costs nothing
        passages = nn.trace(network.eval(), np.empty((0, *image_shape), np.float32))
    finally:
        network.train(training)
    for path, passage in passages.items():
        if isinstance(passage.layer, kinds) and math.prod(passage.x.shape[2:]) == 1:
            return f"layer {path} ({type(passage.layer).__name__})"
    return None


def check_example(model: nn.Layer, shape: Shape) -> None:
    """Raise ShapeError if the batch of this shape (N, C, H, W) is one that a norm cannot train on,
    for it is a single example."""
    if shape[0] == 1 and (norm := norm_that_needs_two(model, shape[1:])):
        raise ShapeError(
            f"{norm} needs at least two values per channel in training, got one; use a larger batch"
        )


def check_epoch(model: nn.Layer, epoch: Epoch, start: int, stop: int) -> None:
    """The same for the steps start … stop - 1 of an epoch, before any of them is made."""
    last = len(epoch.positions(stop - 1, stop)) if start < stop else 0
    _check_last(model, epoch.batches, last)


def check_batches(model: nn.Layer, batches: Batches) -> None:
    """The same for all batches of an epoch."""
    _check_last(model, batches, len(batches.dataset) - (len(batches) - 1) * batches.batch_size)


def _check_last(model: nn.Layer, batches: Batches, examples: int) -> None:
    if examples == 1 and (norm := norm_that_needs_two(model, batches.planes.shape[1:])):
        raise ShapeError(
            f"{norm} needs at least two values per channel in training, got one in a batch of one "
            f"example; of {len(batches.dataset):,} examples in batches of {batches.batch_size:,} "
            "one is left for the last: use another batch_size, or drop_single=True"
        )
