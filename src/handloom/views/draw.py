"""All pictures of a run, from what a run knows, into a folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handloom._files import make_folder, write_atomic
from handloom._typing import FloatArray, IntArray, Shape, UInt8Array
from handloom.errors import DataError, ShapeError, StateError
from handloom.nn import Layer
from handloom.views.activation_sheets import draw_activation_pair, draw_activations
from handloom.views.activations import Activations, activations, one_of_each_class
from handloom.views.confusion import Confusion, confusion, draw_confusion
from handloom.views.curves import curves, draw_curves
from handloom.views.kernels import draw_kernels, kernels
from handloom.views.pairs import confused_pairs, draw_confused_pairs, most_confused
from handloom.views.predictions import (
    draw_predictions,
    draw_worst_mistakes,
    random_predictions,
    worst_mistakes,
)
from handloom.views.probabilities import Normalise, probabilities
from handloom.views.sheet import png
from handloom.views.weights import draw_filters, draw_matrices, filters, matrices

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Subject:
    """What the pictures are made from: the record of a training, its network, the test part.

    `metrics` are the rows of metrics.jsonl, `monitor` the metric that chose the best epoch. `model`
    is in evaluation mode. `images` (N, H, W) or (N, C, H, W), uint8; `labels` (N,), class ids.
    `normalise` makes of images what the model takes. `seed` chooses the random pictures. `said`:
    the probabilities (N, K) that the model gives, where something quicker has computed them.
    """

    metrics: Sequence[Mapping[str, Any]]
    monitor: str
    model: Layer
    images: UInt8Array
    labels: IntArray
    class_names: tuple[str, ...]
    normalise: Normalise
    seed: int
    said: FloatArray | None = None

    def __post_init__(self) -> None:
        if any(layer.training for _, layer in self.model.named_layers()):
            raise StateError("pictures show a network in evaluation mode: call model.eval() first")
        if len(self.images) != len(self.labels):
            raise ShapeError(
                f"{len(self.images)} images, but {len(self.labels)} labels: each needs the other"
            )
        if not len(self.images):
            raise DataError("there are no test images to draw; give at least one")
        if self.said is not None and self.said.shape != (len(self.images), len(self.class_names)):
            raise ShapeError(
                f"probabilities of shape {self.said.shape} are not those of {len(self.images)} "
                f"images and {len(self.class_names)} classes"
            )

    @property
    def image_shape(self) -> Shape:
        """(C, H, W) of one image."""
        shape = self.images.shape[1:]
        return shape if len(shape) == 3 else (1, *shape)


def draw_all(subject: Subject, folder: Path) -> list[Path]:
    """Write every picture that the subject allows into `folder`; returns the files, in order.

    curves, weights-filters (the first layer is dense and reads the picture), weights-matrices (any
    dense layer), kernels (any convolution), activations, activations-pair (two classes or more),
    predictions, confusion, confused-pairs, worst-mistakes: each a .png. The same subject gives the
    same bytes. Raises RunError where a file cannot be written, LabelError for ids without a name.
    """
    make_folder(folder, within=None)
    files = []
    for name, figure in figures(subject):
        path = folder / f"{name}.png"
        write_atomic(path, png(figure))
        files.append(path)
    return files


def figures(subject: Subject) -> Iterator[tuple[str, Figure]]:
    """The pictures one after another, by name."""
    yield "curves", draw_curves(curves(subject.metrics, subject.monitor))
    yield from _weight_figures(subject)
    said = subject.said
    if said is None:
        said = probabilities(subject.model, subject.images, subject.normalise)
    table = confusion(subject.labels, said.argmax(axis=1), subject.class_names)
    yield from _activation_figures(subject, said, table)
    yield from _prediction_figures(subject, said, table)


def _weight_figures(subject: Subject) -> Iterator[tuple[str, Figure]]:
    if (first := filters(subject.model, subject.image_shape)) is not None:
        yield "weights-filters", draw_filters(first)
    if (dense := matrices(subject.model)) is not None:
        yield "weights-matrices", draw_matrices(dense)
    if (convolutions := kernels(subject.model)) is not None:
        yield "kernels", draw_kernels(convolutions)


def _activation_figures(
    subject: Subject, said: FloatArray, table: Confusion
) -> Iterator[tuple[str, Figure]]:
    labels, predicted = subject.labels, said.argmax(axis=1)

    def of(chosen: IntArray) -> Activations:
        return activations(
            subject.model,
            subject.images[chosen],
            labels[chosen],
            subject.class_names,
            subject.normalise,
        )

    num_classes = len(subject.class_names)
    chosen = one_of_each_class(labels, predicted, num_classes)
    yield "activations", draw_activations(of(chosen))
    if len(chosen) > 1:
        every = one_of_each_class(labels, predicted, num_classes, most=num_classes)
        by_class = dict(zip(labels[every].tolist(), every.tolist(), strict=True))
        pair = _telling_pair(table, by_class)
        yield "activations-pair", draw_activation_pair(of(np.array([by_class[k] for k in pair])))


def _telling_pair(table: Confusion, by_class: Mapping[int, int]) -> tuple[int, int]:
    """The two classes confused most often, where both have pictures; else the first two."""
    for pair in most_confused(table, most=1):
        if pair.predicted in by_class:
            return pair.true, pair.predicted
    first, second, *_ = by_class
    return first, second


def _prediction_figures(
    subject: Subject, said: FloatArray, table: Confusion
) -> Iterator[tuple[str, Figure]]:
    images, labels, names = subject.images, subject.labels, subject.class_names
    rng = np.random.default_rng(subject.seed)
    shown = random_predictions(images, labels, said, names, rng=rng)
    yield "predictions", draw_predictions(shown)
    yield "confusion", draw_confusion(table)
    yield "confused-pairs", draw_confused_pairs(confused_pairs(table, images, labels, said))
    worst = worst_mistakes(images, labels, said, names)
    yield "worst-mistakes", draw_worst_mistakes(worst)
