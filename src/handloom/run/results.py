"""What a training left: its recipe, history and figures, and its best weights at work."""

from __future__ import annotations

import copy
import math
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from handloom import _kept as kept
from handloom import nn
from handloom._typing import FloatArray, IntArray, Shape, UInt8Array
from handloom.data import Dataset, Normalisation, TrainTest, check_variants, variants, with_channels
from handloom.engines import Engine, Evaluation, limited_to
from handloom.errors import CheckpointError, RunError, ShapeError, StateError
from handloom.nn.losses import weighted_loss
from handloom.recipes import Recipe, load_recipe
from handloom.run import RunFolder, assemble, counting
from handloom.training import History, load_checkpoint

PREDICT_BATCH = 1000


@dataclass(frozen=True)
class PartResult:
    """What the best weights gave on one split."""

    loss: float
    """Mean over the images, in the loss's own unit; weighted where classes have weights, and NaN
    where all weigh 0."""
    labels: IntArray
    """True class ids (N,)."""
    probabilities: FloatArray
    """(N, K), rows sum to 1."""

    @property
    def predicted(self) -> IntArray:
        """Predicted class ids (N,)."""
        return self.probabilities.argmax(axis=1)

    @property
    def accuracy(self) -> float:
        """Share of images whose class was predicted right."""
        return float((self.predicted == self.labels).mean())

    def describe(self) -> dict[str, float | None]:
        """Accuracy and loss, JSON-ready: a loss that is not finite is None."""
        loss = self.loss if math.isfinite(self.loss) else None
        return {"accuracy": self.accuracy, "loss": loss}


class Run:
    """A training that left its folder: its recipe, history and result; its best weights at work."""

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.path = folder.path

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r})"

    @cached_property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        return load_recipe(self.folder.recipe)

    @property
    def history(self) -> History:
        """One row an epoch, as far as the training has come."""
        history = History.read(self.folder.metrics)
        for row in history.epochs:
            kept.check_kept(self.folder.metrics, row, kept.EPOCH)
        return history

    @property
    def result(self) -> dict[str, Any]:
        """The final figures; raises RunError while the training has not ended."""
        if not self.folder.result.exists():
            raise RunError(f"{self.path} has no {self.folder.result.name}: {self.what_to_do}")
        return self.folder.read_result()

    @property
    def divergence(self) -> str:
        """Where its training diverged and which weights are left, as a sentence; empty if not."""
        if self.is_finished or not self.folder.diverged.is_file():
            return ""
        epoch = self.folder.read_json(self.folder.diverged, kept.DIVERGED)["epoch"]
        sentence = f"{self.path} diverged in epoch {epoch}"
        if not self.folder.checkpoint("best").is_file():
            return f"{sentence}, before any weights were saved"
        best = load_checkpoint(self.folder.checkpoint("best")).state.get("epoch")
        return f"{sentence}; its best weights are from epoch {best}"

    @property
    def what_to_do(self) -> str:
        """With a training that has not ended: a clause for a person, with the command."""
        if not self.divergence:
            resume = shlex.join(["handloom", "train", "--resume", str(self.path)])
            return f"its training has not finished; resume it with: {resume}"
        epoch = self.folder.read_json(self.folder.diverged, kept.DIVERGED)["epoch"]
        change = f"optimizer.lr={self.recipe.optimizer.lr / 10:.3g}"
        again = shlex.join(["handloom", "train", str(self.folder.recipe), "-o", change])
        return f"it diverged in epoch {epoch}; train it again with a smaller learning rate: {again}"

    @property
    def is_finished(self) -> bool:
        """Whether the training has ended and its figures are there."""
        return self.folder.result.exists() and "best_epoch" in self.result

    @property
    def looks(self) -> int:
        """How often the test split has been looked at, in the course of the training too."""
        result = self.result if self.folder.result.exists() else {}
        return result.get("test", {}).get("evaluations", 0)

    @cached_property
    def data(self) -> dict[str, Any]:
        """Class names, image shape, normalisation, sizes of the parts."""
        return self.folder.read_json(self.folder.data, kept.DATA)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names in the order of the class ids."""
        return tuple(self.data["class_names"])

    @property
    def labels_are_ids(self) -> bool:
        """Whether the labels it learned from were class ids: a known set's, or whole numbers."""
        numbers = tuple(str(class_id) for class_id in range(len(self.class_names)))
        return self.recipe.data.name is not None or self.class_names == numbers

    @property
    def image_shape(self) -> Shape:
        """(C, H, W) of the images it was trained on."""
        return tuple(self.data["image_shape"])

    @cached_property
    def normalisation(self) -> Normalisation:
        """uint8 images -> what the network takes."""
        return Normalisation.from_json(self.data["normalisation"])

    @cached_property
    def model(self) -> nn.Sequential:
        """The network with its best weights, in evaluation mode."""
        model = assemble.build_model(self.recipe, self.image_shape, len(self.class_names))
        path = self.folder.checkpoint("best")
        if not path.exists() and not self.is_finished:
            raise CheckpointError(f"{self.path} has no weights to use: {self.what_to_do}")
        try:
            model.load_state_dict(load_checkpoint(path).tensors)
        except StateError as error:
            raise CheckpointError(f"{path} belongs to another network: {error}") from None
        model.eval()
        return model

    @cached_property
    def _engine(self) -> Engine:
        """What predicts: the engine of the training, with weights of its own."""
        return assemble.build_predictor(self.recipe, copy.deepcopy(self.model), self.image_shape)

    def predict_outputs(self, images: UInt8Array, *, tta: Sequence[str] = ()) -> FloatArray:
        """What the network gives, (N, K), for images (N, H, W) or (N, C, H, W), uint8.

        Computed with the training's engine and number of threads, so that the same images give
        the same bits. `tta`, of "flip" and "shift", asks for test-time augmentation: the logarithm
        of the mean of the probabilities over `data.variants` of the images, or for a network
        trained on mse the mean of its outputs. Raises ShapeError unless the images have the shape
        of those it was trained on, ConfigError for other variants.
        """
        images = with_channels(images)
        if images.shape[1:] != self.image_shape:
            raise ShapeError(
                f"this run was trained on images (C, H, W) = {self.image_shape}, "
                f"these are {images.shape[1:]}"
            )
        check_variants(tta)
        if not tta:
            return self._outputs(images)
        by_variant = (self._outputs(variant) for variant in variants(images, tta))
        if self.recipe.loss.name == "mse":
            return np.mean([*by_variant], axis=0)
        probabilities = np.mean([nn.softmax(outputs) for outputs in by_variant], axis=0)
        return np.log(np.maximum(probabilities, np.finfo(probabilities.dtype).tiny))

    def _outputs(self, images: UInt8Array) -> FloatArray:
        """predict_outputs of images (N, C, H, W) as they are."""
        # Weights of a training that diverged may overflow.
        with (
            limited_to(assemble.count_threads(self.recipe)),
            np.errstate(over="ignore", invalid="ignore"),
        ):
            parts = [
                self._engine.predict_pictures(
                    images[start : start + PREDICT_BATCH], self.normalisation
                )
                for start in range(0, len(images), PREDICT_BATCH)
            ]
        return np.concatenate(parts) if parts else np.empty((0, len(self.class_names)), np.float32)

    def predict_probabilities(self, images: UInt8Array, *, tta: Sequence[str] = ()) -> FloatArray:
        """Softmax of the outputs, (N, K); rows sum to 1."""
        return nn.softmax(self.predict_outputs(images, tta=tta))

    def predict(self, images: UInt8Array, *, tta: Sequence[str] = ()) -> IntArray:
        """Class ids (N,)."""
        return self.predict_outputs(images, tta=tta).argmax(axis=1)

    def test(self, data_dir: str | Path | None = None, *, tta: Sequence[str] = ()) -> PartResult:
        """Look at the test split, and count in the result how often that was done.

        What test-time augmentation gives stands there by itself, as "tta": the figures without it
        stay what they are.
        """
        check_variants(tta)
        parts = self.parts(data_dir)
        if parts.test is None:
            raise RunError(f"{self.path}: its data have no test split")
        tested = self.evaluate(parts.test, tta=tta)
        self.count_look(tested, tta=tta)
        return tested

    def count_look(self, tested: PartResult, *, tta: Sequence[str] = ()) -> None:
        """Keep in the result what the test split gave, for whoever evaluated it by himself."""
        evaluated = tested.describe()
        figures = {"tta": {"variants": [*tta], **evaluated}} if tta else evaluated
        with counting(self.path):
            result = self.result if self.folder.result.exists() else {}
            test = {**result.get("test", {}), **figures, "evaluations": self.looks + 1}
            self.folder.write_json(self.folder.result, result | {"test": test})

    def evaluate(self, part: Dataset, *, tta: Sequence[str] = ()) -> PartResult:
        """Loss, labels and probabilities on any labelled images of the same classes."""
        loss = assemble.build_loss(self.recipe, len(self.class_names))
        outputs = self.predict_outputs(part.images, tta=tta)
        found = Evaluation(*weighted_loss(loss, outputs, part.labels), 0)
        return PartResult(found.loss, part.labels, nn.softmax(outputs))

    def parts(self, data_dir: str | Path | None = None) -> assemble.Parts:
        """The run's data, divided as they were; raises RunError if they are others by now."""
        recipe = self.located(data_dir)
        parts = assemble.load_parts(recipe, known_sets(recipe, data_dir))
        check_same_data(self.folder, self.data, parts, recipe)
        return parts

    def located(self, data_dir: str | Path | None = None, recipe: Recipe | None = None) -> Recipe:
        """The recipe with its own data's paths as they are now, under `data_dir` if it is given.

        A run that was moved together with its data finds them. `recipe` is another one of the same
        data. Raises DataError where they are not.
        """
        kept = self.data.get("paths") if self.folder.data.is_file() else None
        kept = kept if isinstance(kept, dict) else {}
        recipe = self.recipe if recipe is None else recipe
        return assemble.located(recipe, data_dir, run=self.path, kept=kept)

    def load_data(self, data_dir: str | Path | None = None) -> TrainTest:
        """The run's data before they were divided; not compared with what they were."""
        recipe = self.located(data_dir)
        return assemble.load_data(recipe, known_sets(recipe, data_dir))


def open_run(path: str | Path) -> Run:
    """The run in a folder; raises RunError where there is none."""
    return Run(RunFolder.open(Path(path)))


def located(
    recipe: Recipe, data_dir: str | Path | None = None, begun: RunFolder | None = None
) -> Recipe:
    """`recipe` with its own data's paths as they are here; by a run that has `begun`, if any."""
    if begun is None or not begun.recipe.is_file():
        return assemble.located(recipe, data_dir)
    return Run(begun).located(data_dir, recipe)


def known_sets(located: Recipe, data_dir: str | Path | None) -> Path | None:
    """Where known sets are; None for own data, whose paths have been found already."""
    return None if data_dir is None or located.data.name is None else Path(data_dir)


def check_same_data(
    folder: RunFolder, kept: dict[str, Any], parts: assemble.Parts, located: Recipe | None = None
) -> None:
    """Raise RunError unless `parts`, which are `located` there, are those of the run's start."""
    now, source = parts.describe(), located and located.data
    place = source and (source.images or source.idx or source.folder)
    than = f" than {place}" if place else ""
    for part, fingerprint in now["fingerprints"].items():
        if kept["fingerprints"][part] != fingerprint:
            raise RunError(
                f"{folder.path} was trained on other data{than}: the {part} split has changed "
                f"since ({kept['pictures'][part]} images then, "
                f"{now['pictures'][part]} now)"
            )
