"""A look inside a network at work: its units, the gradients by layer, one step's updates.

All of it is computed with the layers in NumPy, whichever engine trained them, on copies: the run
is not touched.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import numpy as np

from handloom import nn, optim
from handloom._typing import FloatArray, UInt8Array
from handloom.data import Batch, Normalisation
from handloom.engines import Loss, NumpyEngine
from handloom.models import summarise
from handloom.nn.losses import loss_weight

VALUES_AT_ONCE = 2**24
"""Outputs of all layers together that a portion of images may make: 64 MB in float32."""
SQUASHING = (nn.Sigmoid, nn.Tanh)
FLAT = 0.05
"""A squashing function is saturated where its slope is below this share of its steepest."""


class Units(NamedTuple):
    """One activation layer: how many of its units (features or channels) never fire."""

    path: str
    kind: str
    num_units: int
    dead: int
    """Units whose output is zero for every image, at every place."""
    saturated: float
    """Share of a squashing function's outputs at which its slope is below 5 % of its steepest."""


class Signal(NamedTuple):
    """A linear or convolution layer, and what reaches it of the loss's derivative."""

    path: str
    kind: str
    norm: float
    """‖∂loss/∂output‖ of one image, the mean over images."""


class Update(NamedTuple):
    """One weight and how far a step of the optimizer moves it."""

    name: str
    ratio: float
    """‖Δw‖ / ‖w‖."""


class Steps(NamedTuple):
    """What single optimizer steps did, each from the same weights on a batch of its own."""

    updates: tuple[Update, ...]
    worsened: float
    """Share of the steps after which the loss of their own batch was higher than before."""
    tried: int
    """How many steps that is."""
    lr: float


def examine_units(
    model: nn.Layer, images: UInt8Array, normalisation: Normalisation
) -> tuple[Units, ...]:
    """Every ReLU, sigmoid and tanh of a model in evaluation mode; images (N, C, H, W)."""
    largest: dict[str, FloatArray] = {}
    flat: dict[str, list[float]] = {}
    layers: dict[str, nn.Layer] = {}
    for portion in _portions(model, images):
        for path, (layer, _, y) in nn.trace(model, normalisation(portion)).items():
            if isinstance(layer, nn.ReLU):
                peaks = y.max(axis=(0, *range(2, y.ndim)))
                largest[path] = np.maximum(largest.get(path, 0), peaks)
            elif isinstance(layer, SQUASHING):
                largest[path] = np.ones(y.shape[1])
                flat.setdefault(path, []).append(float((_slope(layer, y) < FLAT).mean()) * len(y))
            layers[path] = layer
    return tuple(
        Units(
            path,
            type(layers[path]).__name__,
            len(peaks),
            int((peaks <= 0).sum()),
            sum(flat.get(path, ())) / len(images),
        )
        for path, peaks in largest.items()
    )


def examine_gradients(model: nn.Layer, loss: Loss, batch: Batch) -> tuple[Signal, ...]:
    """What reaches each linear and convolution layer on the way back, in forward order.

    `model` is a copy that may be changed; it is put in training mode.
    """
    model.train()
    model.begin_step(0)
    noted: dict[str, FloatArray] = {}
    with _listening(model, noted), np.errstate(over="ignore", invalid="ignore"):
        _, doutputs = loss(model.forward(batch.x), batch.labels)
        # Each image's own derivative, without the 1 / N or the 1 / Σ w of the mean.
        model.backward(doutputs * loss_weight(loss, batch.labels))
    kinds = {path: type(layer).__name__ for path, layer in model.named_layers()}
    return tuple(
        Signal(path, kinds[path], _mean_norm(noted[path])) for path in kinds if path in noted
    )


def examine_steps(engine: NumpyEngine, batches: Sequence[Batch], lr: float) -> Steps:
    """One step on each of the batches, from the engine's state; it is put back after each.

    The learning rate is `lr`, whatever the schedule says; the optimizer's memory is the engine's.
    """
    start = engine.state_dict()
    engine.optimizer.lr, engine.lr_scale = optim.Constant(lr), 1.0
    weights = {name: each for name, each in engine.parameters.items() if each.value.ndim > 1}
    ratios: dict[str, list[float]] = {name: [] for name in weights}
    worsened = 0
    for batch in batches:
        before = {name: each.value.copy() for name, each in weights.items()}
        report = engine.train_step(batch.x, batch.labels)
        for name, each in weights.items():
            ratios[name].append(relative_change(before[name], each.value))
        worsened += not _loss_again(engine, batch) <= report.loss  # NaN is worse
        engine.load_state_dict(start)
        engine.lr_scale = 1.0
    updates = (Update(name, float(np.mean(each))) for name, each in ratios.items())
    return Steps(tuple(updates), worsened / len(batches), len(batches), lr)


def relative_change(before: FloatArray, after: FloatArray) -> float:
    """‖after - before‖ / ‖before‖, in float64; of zeros, ‖after‖."""
    change = float(np.linalg.norm(after.astype(np.float64) - before))
    return change / (float(np.linalg.norm(before.astype(np.float64))) or 1.0)


def _loss_again(engine: NumpyEngine, batch: Batch) -> float:
    """The loss of the batch that was just trained on, with the dropout of that step."""
    engine.model.begin_step(engine.steps - 1)
    with np.errstate(over="ignore", invalid="ignore"):
        return engine.loss(engine.model.forward(batch.x), batch.labels)[0]


def _portions(model: nn.Layer, images: UInt8Array) -> Iterator[UInt8Array]:
    values = summarise(model, images.shape[1:]).values
    size = max(1, VALUES_AT_ONCE // max(values, 1))
    for start in range(0, len(images), size):
        yield images[start : start + size]


def _slope(layer: nn.Layer, y: FloatArray) -> FloatArray:
    """f'(x) over its largest value, from y = f(x): y (1 - y) · 4 of a sigmoid, 1 - y² of tanh."""
    return 4 * y * (1 - y) if isinstance(layer, nn.Sigmoid) else 1 - y**2


def _mean_norm(dy: FloatArray) -> float:
    flat = dy.reshape(len(dy), -1).astype(np.float64)
    norm = float(np.sqrt(np.einsum("nd,nd->n", flat, flat)).mean())
    return norm if math.isfinite(norm) else math.inf


@contextmanager
def _listening(model: nn.Layer, noted: dict[str, FloatArray]) -> Iterator[None]:
    """For its time, `noted` gets the dy of every linear and convolution layer's backward."""
    layers = [
        (path, layer)
        for path, layer in model.named_layers()
        if isinstance(layer, nn.Linear | nn.Conv2d)
    ]
    try:
        for path, layer in layers:
            vars(layer)["backward"] = partial(_noted_backward, noted, path, layer)
        yield
    finally:
        for _, layer in layers:
            vars(layer).pop("backward", None)


def _noted_backward(
    noted: dict[str, FloatArray], path: str, layer: nn.Layer, dy: FloatArray
) -> FloatArray:
    noted[path] = dy
    return type(layer).backward(layer, dy)
