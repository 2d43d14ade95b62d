"""The activations of every layer for chosen images: numbers only; `activation_sheets` draws."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from handloom._typing import AnyArray, FloatArray, IntArray, Shape, UInt8Array
from handloom.nn import Dropout, Flatten, Layer, Sequential, trace
from handloom.views.run.probabilities import Normalise, probabilities_of
from handloom.views.tiles import symmetric_limit

MOST_PICTURES = 10
MOST_LAYERS = 12


class LayerOutput(NamedTuple):
    """One layer's outputs for the chosen images: `values` (P, K) or (P, C, H, W).

    `limit` is the size of value at the ends of the layer's colour scale.
    """

    path: str
    kind: str
    values: FloatArray
    limit: float

    @property
    def shape(self) -> Shape:
        """Shape of the output for one image."""
        return self.values.shape[1:]


class Activations(NamedTuple):
    """Images (P, ...), their true and predicted class ids (P,), the probability of the latter.

    `layers` are those shown, in order, of the `num_layers` that change anything. `part` names
    the split that the images are of.
    """

    images: UInt8Array
    true: IntArray
    predicted: IntArray
    probability: FloatArray
    layers: tuple[LayerOutput, ...]
    num_layers: int
    class_names: tuple[str, ...]
    part: str = ""


def one_of_each_class(
    labels: IntArray, predicted: IntArray, num_classes: int, most: int = MOST_PICTURES
) -> IntArray:
    """Index of the first correctly classified image of each class, or else of its first image.

    Of more than `most` classes, `most` evenly spread ones are taken; classes without an image are
    left out.
    """
    present = np.flatnonzero(np.bincount(labels, minlength=num_classes))
    if len(present) > most:
        present = present[np.linspace(0, len(present) - 1, most).round().astype(np.int64)]
    # By class, within it the right ones first, and these in their order.
    order = np.lexsort((predicted != labels, labels))
    return order[np.searchsorted(labels[order], present)].astype(np.int64)


def activations(
    model: Layer,
    images: UInt8Array,
    labels: IntArray,
    class_names: tuple[str, ...],
    normalise: Normalise,
    part: str = "",
    most: int = MOST_LAYERS,
) -> Activations:
    """The outputs of every layer of a model in evaluation mode, for a few images.

    Left out are the layers that only pass values on: Flatten, Dropout, and a Sequential, whose
    output is its last layer's. Of more than `most` layers, evenly spread ones are kept, the first
    and the last among them.
    """
    passages = trace(model, normalise(images))
    outputs = [
        LayerOutput(path, type(layer).__name__, y, symmetric_limit(y))
        for path, (layer, _, y) in passages.items()
        if not isinstance(layer, (Sequential, Flatten, Dropout))
    ]
    probabilities = probabilities_of(model, passages[""].y)
    predicted = probabilities.argmax(axis=1)
    kept = np.linspace(len(outputs) - 1, 0, min(most, len(outputs))).round().astype(int)[::-1]
    return Activations(
        images,
        labels,
        predicted,
        probabilities[np.arange(len(labels)), predicted],
        tuple(outputs[place] for place in kept),
        len(outputs),
        class_names,
        part,
    )


def as_planes(values: AnyArray) -> FloatArray:
    """One image's output as planes (C, H, W); what is no map, (K,) or (K, 1, 1), as (1, 1, K)."""
    is_map = values.ndim == 3 and values.shape[1:] != (1, 1)
    return (values if is_map else values.reshape(1, 1, -1)).astype(np.float64)
