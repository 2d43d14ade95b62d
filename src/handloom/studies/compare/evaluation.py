"""What the networks say now: image by image right or wrong, and how many a second."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from handloom._typing import UInt8Array
from handloom.errors import ConfigError, RunError
from handloom.run.assemble import Parts
from handloom.run.results import PREDICT_BATCH, Run, check_same_data

Part = Literal["validation", "test"]

DIVIDES = {"data", "augment", "seed"}
"""What a recipe's parts depend on: runs that agree in it share them, which saves loading anew."""
TURNS, TURN_SECONDS = 5, 0.05
MOST_SECONDS = 3.0  # for all turns of a network that is slow


@dataclass(frozen=True)
class Evaluation:
    """A run's best weights on one part of its data."""

    run: Run
    fingerprint: str
    """Of the images and their labels: equal where they are the same."""
    loss: float
    is_right: NDArray[np.bool_]
    """Whether the image's class was predicted, (N,)."""
    some: UInt8Array
    """Images to time the network with, repeated where there are few."""

    @property
    def accuracy(self) -> float:
        """Share of images whose class was predicted right."""
        return float(self.is_right.mean())


def evaluate(runs: Sequence[Run], part: Part, data_dir: Path | None) -> list[Evaluation]:
    """Every run on its own `part`; a look at the test split is counted in the run's result.

    Raises RunError where a run has no such part, before any is looked at; as `Run.parts` does
    where the images have changed.
    """
    if part not in get_args(Part):
        raise ConfigError(f"part has to be one of {', '.join(get_args(Part))}, got {part!r}")
    for run in runs:
        if not run.data["pictures"][part]:
            raise RunError(f"{run.path}: its data have no {part} split; omit the run")
    found: dict[int, Evaluation] = {}
    divided = [run.recipe.model_dump_json(include=DIVIDES) for run in runs]
    in_turn = sorted(range(len(runs)), key=divided.__getitem__)
    for _, alike in groupby(in_turn, key=divided.__getitem__):
        parts = None
        for index in alike:
            if parts is None:
                parts = runs[index].parts(data_dir)
            found[index] = _evaluated(runs[index], part, parts)
    return [found[index] for index in range(len(runs))]


def _evaluated(run: Run, part: Part, parts: Parts) -> Evaluation:
    check_same_data(run.folder, run.data, parts)
    pictures = parts.validation if part == "validation" else parts.test
    assert pictures is not None  # evaluate() has asked
    evaluated = run.evaluate(pictures)
    if part == "test":
        run.count_look(evaluated)
    return Evaluation(
        run=run,
        fingerprint=run.data["fingerprints"][part],
        loss=evaluated.loss,
        is_right=evaluated.predicted == evaluated.labels,
        some=pictures.images[np.arange(PREDICT_BATCH) % len(pictures)],
    )


def pictures_per_second(evaluations: Sequence[Evaluation]) -> list[float]:
    """How many images each run predicts a second, here and now: the median of five turns.

    They take turns, so that a busy moment hits all alike. Each computes with its own engine and
    number of threads, which `evaluate` has warmed up.
    """
    turns: list[list[_Turn]] = [[] for _ in evaluations]
    for _ in range(TURNS):
        for evaluation, taken in zip(evaluations, turns, strict=True):
            if sum(turn.seconds for turn in taken) < MOST_SECONDS:
                taken.append(_take_turn(evaluation))
    return [median(turn.pictures / turn.seconds for turn in taken) for taken in turns]


class _Turn(NamedTuple):
    pictures: int
    seconds: float


def _take_turn(evaluation: Evaluation) -> _Turn:
    """As many predictions as fit into it, one at least."""
    begin, times = time.perf_counter(), 0
    while (seconds := time.perf_counter() - begin) < TURN_SECONDS:
        evaluation.run.predict_outputs(evaluation.some)
        times += 1
    return _Turn(times * len(evaluation.some), seconds)
