"""The class probabilities that a network predicts for images."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from handloom._typing import FloatArray, UInt8Array
from handloom.nn import Layer, Sequential, Softmax, softmax

Normalise = Callable[[UInt8Array], FloatArray]
"""Images (n, H, W) or (n, C, H, W), uint8 -> what the network takes, float32 (n, C, H, W)."""

BATCH = 500


def probabilities(model: Layer, images: UInt8Array, normalise: Normalise) -> FloatArray:
    """Probabilities (N, K) of a model in evaluation mode for images (N, ...)."""
    parts = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
    return probabilities_of(model, np.concatenate([model.forward(normalise(x)) for x in parts]))


def probabilities_of(model: Layer, outputs: FloatArray) -> FloatArray:
    """A model's outputs (N, K) as probabilities: softmax, unless its last layer has done that."""
    last = model
    while isinstance(last, Sequential) and len(last):
        last = last[-1]
    return outputs if isinstance(last, Softmax) else softmax(outputs)
