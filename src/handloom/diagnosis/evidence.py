"""What the rules look at: a run's record and its network at work, each computed once, if asked."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np

from handloom import nn
from handloom._typing import FloatArray, IntArray, UInt8Array
from handloom.data import Batch, Dataset, with_channels
from handloom.diagnosis.calibration import logarithm, relative_error, reliability
from handloom.diagnosis.duplicates import Pair, shared_pictures
from handloom.diagnosis.neighbours import Nearest, nearest_accuracy
from handloom.diagnosis.probe import (
    Signal,
    Steps,
    Units,
    examine_gradients,
    examine_steps,
    examine_units,
    relative_change,
)
from handloom.diagnosis.range_test import learning_rate_range
from handloom.diagnosis.suspicion import Judged, judged, suspects_sheet
from handloom.engines import NumpyEngine
from handloom.errors import CheckpointError, StateError
from handloom.models import summarise
from handloom.nn.losses import one_hot
from handloom.run import assemble
from handloom.run.results import Run
from handloom.training import load_checkpoint
from handloom.views import Curves, RateRange, Reliability, Suspects, curves, probabilities_of

SAMPLE_STREAM = 11  # of the recipe's seed: which images are looked at
MOST_PREDICTED = 10_000  # images of a part that are predicted
MOST_KNOWN, MOST_ASKED = 5_000, 1_000  # images compared to tell how hard the data are
MOST_IN_UNITS, LEAST_IN_UNITS = 500, 32  # images that every unit is shown
MOST_IN_GRADIENTS, LEAST_IN_GRADIENTS = 256, 16
MOST_STEPS = 6  # optimizer steps that are tried
WORK = 2e10
"""Multiply-adds that one look inside the network may take in NumPy: some seconds. A large network
is shown fewer images."""
BACKWARD = 3  # times the work of a forward pass alone, that with it


class Evidence:
    """One run, looked at closely. Every property is computed when a rule first asks for it.

    No test label is used, so no evaluation on the test set is counted. `range_test` runs the
    learning-rate range test. Raises RunError where the run's data have changed.
    """

    def __init__(
        self, run: Run, *, data_dir: str | Path | None = None, range_test: bool = False
    ) -> None:
        self.run = run
        self.recipe = run.recipe
        self.data_dir = data_dir and Path(data_dir)
        self.parts = run.parts(data_dir)
        self.range_test = range_test

    # -- the record -------------------------------------------------------------------------------

    @cached_property
    def rows(self) -> list[dict[str, Any]]:
        """The metrics of every whole epoch."""
        return self.run.history.epochs

    def metric(self, name: str) -> FloatArray:
        """One metric of every epoch, (E,); NaN where it was not finite or not measured."""
        values = (row.get(name) for row in self.rows)
        return np.array([np.nan if value is None else value for value in values], np.float64)

    def curves(self, monitor: str = "val_loss") -> Curves:
        """The training curves, with the best epoch by `monitor` marked."""
        return curves(self.run.history.rows, monitor)

    @cached_property
    def has_weights(self) -> bool:
        """Whether an epoch has ended, so that there are weights to look at."""
        return all(self.run.folder.checkpoint(name).is_file() for name in ("best", "last"))

    # -- what the best weights say ----------------------------------------------------------------

    @property
    def has_probabilities(self) -> bool:
        """Whether the network was trained to give some; one trained on squares was not."""
        return self.recipe.loss.name != "mse"

    @cached_property
    def seen(self) -> Dataset:
        """Images that were trained on, at most 10,000, without on-the-fly augmentation."""
        return self._some(self.parts.train, MOST_PREDICTED)

    @cached_property
    def validation(self) -> Dataset:
        """Images of the validation split, at most 10,000 of them."""
        return self._some(self.parts.validation, MOST_PREDICTED)

    @cached_property
    def seen_probabilities(self) -> FloatArray:
        """(N, K) for the images in `seen`."""
        return probabilities_of(self.run.model, self.run.predict_outputs(self.seen.images))

    @cached_property
    def validation_probabilities(self) -> FloatArray:
        """(N, K) for the images in `validation`."""
        return probabilities_of(self.run.model, self._validation_outputs)

    @property
    def seen_accuracy(self) -> float:
        """Of the best weights, on images that were trained on."""
        return _accuracy(self.seen_probabilities, self.seen.labels)

    @property
    def validation_accuracy(self) -> float:
        """Of the best weights."""
        return _accuracy(self.validation_probabilities, self.validation.labels)

    @property
    def validation_loss_error(self) -> float:
        """Standard error of the best weights' validation loss, as a share of that loss."""
        outputs, labels = self._validation_outputs, self.validation.labels
        if self.has_probabilities:
            logs = logarithm(self.validation_probabilities)
            losses = -logs[np.arange(len(logs)), labels]
        else:
            losses = ((outputs - one_hot(labels, outputs)) ** 2).mean(axis=1)
        weights = getattr(self.recipe.loss, "class_weights", None)
        return relative_error(losses, None if weights is None else np.asarray(weights)[labels])

    @cached_property
    def reliability(self) -> Reliability:
        """Confidence against accuracy on the validation split."""
        logs = logarithm(self.validation_probabilities)
        return reliability(logs, self.validation.labels, "validation")

    @cached_property
    def judged_seen(self) -> Judged:
        """Labels of `seen` beside what the network says of them."""
        logs = logarithm(self.seen_probabilities)
        return judged(self.seen, logs, self.reliability.temperature, "train")

    @cached_property
    def judged_validation(self) -> Judged:
        """Labels of `validation` beside what the network says of them."""
        logs = logarithm(self.validation_probabilities)
        return judged(self.validation, logs, self.reliability.temperature, "validation")

    @cached_property
    def suspects(self) -> Suspects:
        """The sheet of suspicious labels, of both parts."""
        return suspects_sheet((self.judged_validation, self.judged_seen), self.row_of)

    @cached_property
    def nearest(self) -> Nearest:
        """How often the nearest training image has a validation image's label."""
        known = self._some(self.parts.train, MOST_KNOWN)
        asked = self._some(self.parts.validation, MOST_ASKED)
        return Nearest(nearest_accuracy(known, asked), len(known), len(asked))

    # -- the network at its last weights ----------------------------------------------------------

    @cached_property
    def units(self) -> tuple[Units, ...]:
        """The activation layers, on images that were trained on."""
        count = self._affordable(MOST_IN_UNITS, LEAST_IN_UNITS)
        images = with_channels(self._some(self.parts.train, count).images)
        return examine_units(self._engine().model.eval(), images, self.run.normalisation)

    @cached_property
    def signals(self) -> tuple[Signal, ...]:
        """What the loss sends back through the layers, for images that were trained on."""
        count = self._affordable(MOST_IN_GRADIENTS, LEAST_IN_GRADIENTS, BACKWARD)
        part = self._some(self.parts.train, count)
        batch = Batch(self.run.normalisation(part.images), part.labels)
        engine = self._engine()
        return examine_gradients(engine.model, engine.loss, batch)

    @cached_property
    def travelled(self) -> float:
        """‖w - w₀‖ / ‖w₀‖ of the weight that went furthest from its first value w₀."""
        now, first = self._engine().parameters, self._first_model().named_parameters()
        ways = (
            relative_change(each.value, now[name].value)
            for name, each in first.items()
            if each.value.ndim > 1 and each.value.any()
        )
        return max(ways, default=0.0)

    @cached_property
    def steps(self) -> Steps:
        """Single steps at the highest rate of the training, on the batches that would come next."""
        epoch = assemble.training_batches(self.recipe, self.parts, self.run.model).epoch(
            len(self.rows)
        )
        a_step = self.recipe.training.batch_size * (BACKWARD + 1)
        count = min(self._affordable(MOST_STEPS, 1, a_step), len(epoch))
        batches = [epoch[step] for step in range(count)]
        return examine_steps(self._engine(), batches, self.recipe.optimizer.lr)

    @cached_property
    def averaged_accuracy(self) -> float:
        """On the validation split, of the average at the last epoch; the weights' where none is."""
        engine = self._engine()
        return self._accuracy_of(engine.average or engine.model)

    @cached_property
    def last_accuracy(self) -> float:
        """On the validation split, of the weights themselves at the last epoch."""
        return self._accuracy_of(self._engine().model)

    # -- the data ---------------------------------------------------------------------------------

    @cached_property
    def shared_with_test(self) -> tuple[Pair, ...]:
        """Images of the test split that the training split holds too."""
        test = self.parts.test
        return () if test is None else shared_pictures(self.parts.train.images, test.images)

    @cached_property
    def shared_with_validation(self) -> tuple[Pair, ...]:
        """Images of the validation split that the training split holds too."""
        return shared_pictures(self.parts.train.images, self.parts.validation.images)

    def row_of(self, image: UInt8Array) -> int | None:
        """The row, from 0, of an image in the data that the parts were split from.

        None where it stands there no more, being a varied copy.
        """
        rows = np.flatnonzero((self._source == image).all(axis=(*range(1, self._source.ndim),)))
        return int(rows[0]) if rows.size else None

    @cached_property
    def _source(self) -> UInt8Array:
        return self.run.load_data(self.data_dir).train.images

    @cached_property
    def rate_range(self) -> RateRange:
        """The learning-rate range test."""
        return learning_rate_range(self.recipe, self.parts)

    # -- details ----------------------------------------------------------------------------------

    def _some(self, part: Dataset, most: int) -> Dataset:
        """At most `most` images of a split, in its order, the same ones every time."""
        return part.take(chosen(self.recipe.seed, len(part), most))

    def _affordable(self, most: int, least: int, passes: int = 1) -> int:
        """Of `most` things that take so many forward passes each, those that WORK allows."""
        macs = summarise(self.run.model, self.run.image_shape).multiply_adds
        return min(most, max(least, int(WORK / (max(macs, 1) * passes))))

    @cached_property
    def _validation_outputs(self) -> FloatArray:
        return self.run.predict_outputs(self.validation.images)

    def _accuracy_of(self, model: nn.Layer) -> float:
        """On validation images, at most 5,000."""
        part = self._some(self.parts.validation, self._affordable(MOST_KNOWN, LEAST_IN_UNITS))
        outputs = model.eval().forward(self.run.normalisation(with_channels(part.images)))
        return _accuracy(outputs, part.labels)

    @cached_property
    def first_loss(self) -> float:
        """The loss of the network as it was before its first step, on training images."""
        part = self._some(self.parts.train, self._affordable(MOST_IN_GRADIENTS, LEAST_IN_GRADIENTS))
        loss = assemble.build_loss(self.recipe, len(self.run.class_names))
        x = self.run.normalisation(with_channels(part.images))
        return loss(self._first_model().eval().forward(x), part.labels)[0]

    def _first_model(self) -> nn.Layer:
        """The network as it was before its first step."""
        return assemble.build_model(self.recipe, self.run.image_shape, len(self.run.class_names))

    def _engine(self) -> NumpyEngine:
        """The training as it stood at its last checkpoint, in NumPy; a new one each time."""
        in_numpy = self.recipe.model_copy(update={"engine": "numpy"})
        engine = cast(NumpyEngine, assemble.build_engine(in_numpy, self.parts).engine)
        last = self.run.folder.checkpoint("last")
        try:
            engine.load_state_dict(load_checkpoint(last).tensors)
        except StateError as error:
            raise CheckpointError(f"{last} belongs to another network: {error}") from None
        return engine


def chosen(seed: int, count: int, most: int) -> IntArray:
    """At most `most` of `count` places, in order; a function of the seed."""
    if count <= most:
        return np.arange(count)
    rng = np.random.default_rng([seed, SAMPLE_STREAM])
    return np.sort(rng.choice(count, most, replace=False))


def _accuracy(probabilities: FloatArray, labels: IntArray) -> float:
    return float((probabilities.argmax(axis=1) == labels).mean())
