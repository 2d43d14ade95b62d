"""All figures of a run, drawn into a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from handloom._typing import AnyArray, FloatArray, IntArray, Shape, UInt8Array
from handloom.errors import DataError, LabelError, ShapeError, StateError
from handloom.nn import Layer
from handloom.views.run.activation_sheets import draw_activation_pair, draw_activations
from handloom.views.run.activations import Activations, activations, one_of_each_class
from handloom.views.run.confusion import Confusion, confusion
from handloom.views.run.confusion_sheet import draw_confusion
from handloom.views.run.curves import curves, draw_curves
from handloom.views.run.filters import Filters, draw_filters, filters
from handloom.views.run.kernels import draw_kernels, kernels
from handloom.views.run.pairs import confused_pairs, draw_confused_pairs, most_confused
from handloom.views.run.predictions import (
    draw_predictions,
    draw_worst_mistakes,
    random_predictions,
    worst_mistakes,
)
from handloom.views.run.probabilities import Normalise, probabilities
from handloom.views.run.weights import draw_matrices, matrices
from handloom.views.save import Drawing, OnFailure, save_pictures

if TYPE_CHECKING:
    from matplotlib.figure import Figure

T = TypeVar("T")


@dataclass(frozen=True)
class Subject:
    """What the figures are made from: the record of a training run, its network, a split.

    `metrics` are the rows of metrics.jsonl, `monitor` the metric that chose the best epoch. `model`
    is in evaluation mode. `images` (N, H, W) or (N, C, H, W), uint8; `labels` (N,), class ids.
    `normalise` makes of images what the model takes. `seed` chooses the random images.
    `part` names the split that the images are of; it is empty where they are of none.
    `said` are the model's probabilities (N, K), where something quicker has computed them.
    `start` is the network before its first step, where it is known. `dark` (C, H, W) is true for
    pixels that are black in all training images.
    """

    metrics: Sequence[Mapping[str, Any]]
    monitor: str
    model: Layer
    images: UInt8Array
    labels: IntArray
    class_names: tuple[str, ...]
    normalise: Normalise
    seed: int
    part: str = ""
    said: FloatArray | None = None
    start: Layer | None = None
    dark: AnyArray | None = None

    def __post_init__(self) -> None:
        if any(layer.training for _, layer in self.model.named_layers()):
            raise StateError("figures need the network in evaluation mode: call model.eval() first")
        if len(self.images) != len(self.labels):
            raise ShapeError(
                f"{len(self.images)} images but {len(self.labels)} labels; give one label per image"
            )
        if not len(self.images):
            raise DataError("there are no images to draw; give at least one")
        outside = self.labels[(self.labels < 0) | (self.labels >= len(self.class_names))]
        if outside.size:
            raise LabelError(
                f"label {outside[0]} has no name: there are {len(self.class_names)} classes"
            )
        if self.said is not None and self.said.shape != (len(self.images), len(self.class_names)):
            raise ShapeError(
                f"probabilities of shape {self.said.shape} do not fit {len(self.images)} "
                f"images and {len(self.class_names)} classes"
            )

    @property
    def image_shape(self) -> Shape:
        """(C, H, W) of one image."""
        shape = self.images.shape[1:]
        return shape if len(shape) == 3 else (1, *shape)


def draw_all(subject: Subject, folder: Path, on_failure: OnFailure | None = None) -> list[Path]:
    """Write every figure that the subject allows into `folder`; returns the files, in order.

    curves, weights-filters (the first layer is dense and reads the image: what it has learned; its
    weights where their start is not known), weights-filters-raw (its weights where it is),
    weights-matrices (any dense layer), kernels (any convolution), activations, activations-pair
    (two classes or more), predictions, confusion, confused-pairs, worst-mistakes: each a .png.
    The same subject gives the same bytes. Raises RunError where a file cannot be written.
    With `on_failure`, a figure that cannot be drawn or written does not stop the others: it is
    called with the figure's name and whatever was raised.
    """
    return save_pictures(folder, drawings(subject), on_failure)


def figures(subject: Subject) -> Iterator[tuple[str, Figure]]:
    """The figures one after another, by name."""
    for name, drawn in drawings(subject):
        if (figure := drawn()) is not None:
            yield name, figure


def drawings(subject: Subject) -> Iterator[tuple[str, Drawing]]:
    """What draws each figure, by its name."""
    answers = _Answers(subject)
    yield "curves", lambda: draw_curves(curves(subject.metrics, subject.monitor))
    yield "weights-filters", partial(_filters, subject)
    yield "weights-filters-raw", partial(_raw_filters, subject)
    yield "weights-matrices", partial(_of_model, matrices, draw_matrices, subject)
    yield "kernels", partial(_of_model, kernels, draw_kernels, subject)
    yield "activations", answers.activations
    yield "activations-pair", answers.activations_pair
    yield "predictions", answers.predictions
    yield "confusion", lambda: draw_confusion(answers.table)
    yield "confused-pairs", answers.confused_pairs
    yield "worst-mistakes", answers.worst_mistakes


def _of_model(
    find: Callable[[Layer], T | None], draw: Callable[[T], Figure], subject: Subject
) -> Figure | None:
    found = find(subject.model)
    return None if found is None else draw(found)


class _Answers:
    """The predictions for the images, computed once, when a figure first needs them."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    @cached_property
    def said(self) -> FloatArray:
        """Probabilities (N, K)."""
        subject = self.subject
        if subject.said is not None:
            return subject.said
        return probabilities(subject.model, subject.images, subject.normalise)

    @cached_property
    def predicted(self) -> IntArray:
        """Predicted class ids (N,)."""
        return self.said.argmax(axis=1)

    @cached_property
    def table(self) -> Confusion:
        """Labels against predictions."""
        subject = self.subject
        return confusion(subject.labels, self.predicted, subject.class_names, subject.part)

    def activations(self) -> Figure:
        """One image of each class; of many classes, some."""
        chosen = one_of_each_class(self.subject.labels, self.predicted, self._num_classes)
        return draw_activations(self._activations(chosen))

    def activations_pair(self) -> Figure | None:
        """Two classes, the most confused ones where both have images."""
        labels, count = self.subject.labels, self._num_classes
        every = one_of_each_class(labels, self.predicted, count, most=count)
        if len(every) < 2:
            return None
        by_class = dict(zip(labels[every].tolist(), every.tolist(), strict=True))
        pair = _telling_pair(self.table, by_class)
        return draw_activation_pair(self._activations(np.array([by_class[k] for k in pair])))

    def predictions(self) -> Figure:
        """Random images."""
        rng = np.random.default_rng(self.subject.seed)
        return draw_predictions(random_predictions(*self._seen, rng=rng, part=self.subject.part))

    def confused_pairs(self) -> Figure:
        """The pairs confused most."""
        images, labels, said, _ = self._seen
        return draw_confused_pairs(confused_pairs(self.table, images, labels, said))

    def worst_mistakes(self) -> Figure:
        """The most confident mistakes."""
        return draw_worst_mistakes(worst_mistakes(*self._seen, part=self.subject.part))

    @property
    def _num_classes(self) -> int:
        return len(self.subject.class_names)

    @property
    def _seen(self) -> tuple[UInt8Array, IntArray, FloatArray, tuple[str, ...]]:
        subject = self.subject
        return subject.images, subject.labels, self.said, subject.class_names

    def _activations(self, chosen: IntArray) -> Activations:
        subject = self.subject
        return activations(
            subject.model,
            subject.images[chosen],
            subject.labels[chosen],
            subject.class_names,
            subject.normalise,
            subject.part,
        )


def _filters(subject: Subject) -> Figure | None:
    """What was learned; the weights as they are where nothing is known of their start."""
    found = _learnt_filters(subject) or _filters_as_they_are(subject)
    return None if found is None else draw_filters(found)


def _raw_filters(subject: Subject) -> Figure | None:
    """The weights as they are, beside what was learned."""
    found = None if _learnt_filters(subject) is None else _filters_as_they_are(subject)
    return None if found is None else draw_filters(found)


def _learnt_filters(subject: Subject) -> Filters | None:
    if subject.start is None:
        return None
    shape = subject.image_shape
    return filters(subject.model, shape, start=subject.start, dark=subject.dark)


def _filters_as_they_are(subject: Subject) -> Filters | None:
    return filters(subject.model, subject.image_shape, dark=subject.dark)


def _telling_pair(table: Confusion, by_class: Mapping[int, int]) -> tuple[int, int]:
    """The two classes confused most often, where both have images; else the first two."""
    for pair in most_confused(table, most=1):
        if pair.predicted in by_class:
            return pair.true, pair.predicted
    first, second, *_ = by_class
    return first, second
