"""Losses, normalisations and images in the loom's terms."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from handloom import nn
from handloom._typing import FloatArray, UInt8Array
from handloom.data import Normalisation
from handloom.engines.base import Loss

if TYPE_CHECKING:
    from handloom.loom.pieces.gather import Pictures
    from handloom.loom.pieces.loss import CrossEntropy

LIT = 0.8
"""Share of the runs of pixels that may hold something, for looking out for zeros to pay."""


def cross_entropy_of(loss: Loss) -> CrossEntropy:
    """The loss as the loom knows it; raises UncoveredError if it is another one."""
    from handloom.loom.network.fuse import UncoveredError
    from handloom.loom.pieces.loss import CrossEntropy

    function: Callable[..., Any] = loss
    settings: dict[str, Any] = {}
    if isinstance(loss, partial):
        function, settings = loss.func, dict(loss.keywords)
    if function is not nn.cross_entropy:
        raise UncoveredError(f"the loss {name_of(loss)}")
    weights = settings.get("class_weights")
    return CrossEntropy(
        settings.get("label_smoothing", 0.0),
        None if weights is None else tuple(np.asarray(weights, np.float64).tolist()),
    )


def pixels_as_numbers(normalisation: Normalisation, channels: int) -> Pictures:
    """How bytes become numbers; `Pictures()`, numbers as they are, where that is not linear."""
    from handloom.loom.pieces.gather import Pictures

    if normalisation.kind == "scale":
        return Pictures((1 / 255,) * channels, (0.0,) * channels)
    if normalisation.kind == "standard":
        mean, std = normalisation.mean, normalisation.std
        return Pictures(
            tuple(1 / (255 * s) for s in std),
            tuple(-m / s for m, s in zip(mean, std, strict=True)),
        )
    return Pictures()


def mostly_dark(images: UInt8Array | FloatArray) -> bool:
    """Whether so many pixels are zero that looking for the others pays: at most LIT of the runs of
    neighbouring pixels, (M, C, H, W) read in one line, hold anything."""
    from handloom.loom.pieces.lit import TILE

    pixels = images.reshape(len(images), math.prod(images.shape[1:]))
    whole = pixels.shape[1] // TILE
    runs = pixels[:, : whole * TILE].reshape(len(images), whole, TILE)
    return bool(runs.size) and float(runs.any(axis=2).mean()) <= LIT


def name_of(loss: Loss) -> str:
    """What a loss is called."""
    function: Any = loss.func if isinstance(loss, partial) else loss
    return getattr(function, "__name__", type(function).__name__)
