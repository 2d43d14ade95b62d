"""Committee: runs that predict together, by the mean of their probabilities."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from handloom._typing import FloatArray, IntArray, Shape, UInt8Array
from handloom.data import Dataset, check_variants
from handloom.errors import ConfigError, RunError, ShapeError
from handloom.run.results import PartResult, Run


class CombinedRuns:
    """Runs of the same classes and images, whatever their networks.

    Its probabilities are the mean of theirs. Raises ConfigError for no run at all, ShapeError or
    RunError for runs that cannot judge the same images.
    """

    def __init__(self, runs: Sequence[Run]) -> None:
        if not runs:
            raise ConfigError("at least one run is needed")
        first = runs[0]
        for run in runs[1:]:
            if run.image_shape != first.image_shape:
                raise ShapeError(
                    f"{first.path} was trained on images (C, H, W) = {first.image_shape}, "
                    f"{run.path} on {run.image_shape}; they cannot be combined"
                )
            if run.class_names != first.class_names:
                raise RunError(
                    f"{first.path} has the classes {', '.join(first.class_names)}, {run.path} "
                    f"{', '.join(run.class_names)}; they have to be the same, in the same order"
                )
        self.runs = tuple(runs)
        self.class_names = first.class_names
        """K names in the order of the class ids."""
        self.image_shape: Shape = first.image_shape
        """(C, H, W) of the images."""
        self.labels_are_ids = first.labels_are_ids
        """Whether the labels they learned from were class ids."""

    @property
    def looks(self) -> int:
        """How often the test split has been looked at: the most of any run."""
        return max(run.looks for run in self.runs)

    def predict_probabilities(self, images: UInt8Array, *, tta: Sequence[str] = ()) -> FloatArray:
        """Mean of the runs' probabilities, (N, K) float64, for images (N, H, W) or (N, C, H, W).

        `tta` and errors as in `Run.predict_outputs`.
        """
        each = (run.predict_probabilities(images, tta=tta) for run in self.runs)
        return mean_probabilities(each)

    def predict(self, images: UInt8Array, *, tta: Sequence[str] = ()) -> IntArray:
        """Class ids (N,)."""
        return self.predict_probabilities(images, tta=tta).argmax(axis=1)

    def evaluate(self, part: Dataset, *, tta: Sequence[str] = ()) -> PartResult:
        """Labels, probabilities and their mean log loss on labelled images."""
        return judged(part.labels, self.predict_probabilities(part.images, tta=tta))

    def test(self, data_dir: str | Path | None = None, *, tta: Sequence[str] = ()) -> PartResult:
        """Look at the test split, which has to be the same for all; counted in every run's result.

        Raises RunError where there is none, or where the runs were trained on other data.
        """
        check_variants(tta)
        part = self.test_part(data_dir)
        each = [run.evaluate(part, tta=tta) for run in self.runs]
        for run, tested in zip(self.runs, each, strict=True):
            run.count_look(tested, tta=tta)
        return judged(part.labels, mean_probabilities(one.probabilities for one in each))

    def test_part(self, data_dir: str | Path | None = None) -> Dataset:
        """The images that none of the runs learned from."""
        first = self.runs[0]
        part = first.parts(data_dir).test
        if part is None:
            raise RunError(f"{first.path}: its data have no test split")
        fingerprint = part.fingerprint()
        for run in self.runs[1:]:
            if run.data["fingerprints"]["test"] != fingerprint:
                raise RunError(
                    f"{first.path} and {run.path} have different test splits; test them one by one"
                )
        return part


def mean_probabilities(each: Iterable[FloatArray]) -> FloatArray:
    """The mean of probabilities (N, K), float64; its rows sum to 1, whatever theirs rounded to."""
    total = np.sum([*each], axis=0, dtype=np.float64)
    return total / total.sum(axis=1, keepdims=True)


def judged(labels: IntArray, probabilities: FloatArray) -> PartResult:
    """The result of probabilities (N, K): its loss is their mean log loss, in nats."""
    of_truth = probabilities[np.arange(len(labels)), labels]
    smallest = np.finfo(np.float64).tiny
    return PartResult(float(-np.log(np.maximum(of_truth, smallest)).mean()), labels, probabilities)
