"""Labels that a network contradicts with confidence: wrong ones are often among them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from handloom._typing import FloatArray, IntArray, UInt8Array
from handloom.data import Dataset
from handloom.diagnosis.calibration import softened
from handloom.diagnosis.wording import place
from handloom.views import Suspect, Suspects

ODDS = 100.0
"""The class that was said has to be so many times as probable as the label."""
SURE = 0.9
"""And so probable by itself: odds alone are high for many a class that is hardly likely."""
MOST_SHOWN = 24


class Judged(NamedTuple):
    """A split, its log-probabilities (N, K), and what the part is called."""

    part: Dataset
    log_probabilities: FloatArray
    name: str

    @property
    def odds(self) -> FloatArray:
        """Probability of the class that was said over that of the label, (N,); 1 where right."""
        labelled = self.log_probabilities[np.arange(len(self.part)), self.part.labels]
        with np.errstate(over="ignore"):
            return np.exp(self.log_probabilities.max(axis=1) - labelled)

    @property
    def suspects(self) -> IntArray:
        """Places of the suspicious labels."""
        sure = self.log_probabilities.max(axis=1) >= np.log(SURE)
        return np.flatnonzero((self.odds >= ODDS) & sure)

    @property
    def share(self) -> float:
        """Suspicious labels among all."""
        return len(self.suspects) / len(self.part)


def judged(part: Dataset, log_probabilities: FloatArray, temperature: float, name: str) -> Judged:
    """Compare labels with probabilities, these softened where the network is too sure of itself.

    Source: Northcutt, Jiang & Chuang 2021 (confident learning), here with the odds against the
    label in place of thresholds a class; Guo et al. 2017 for the temperature.
    """
    return Judged(part, softened(log_probabilities, max(temperature, 1.0)), name)


def suspects_sheet(parts: Sequence[Judged], row_of: Callable[[UInt8Array], int | None]) -> Suspects:
    """The most suspicious labels of all parts, those with the highest odds first.

    `row_of` tells where an image stands in the data.
    """
    found = [
        (float(odds), each, int(at))
        for each in parts
        for at, odds in zip(each.suspects, each.odds[each.suspects], strict=True)
    ]
    found.sort(key=lambda one: -one[0])
    shown = []
    for _, (part, log_probabilities, name), at in found[:MOST_SHOWN]:
        image, said = part.images[at], int(log_probabilities[at].argmax())
        sureness = float(np.exp(log_probabilities[at, said]))
        where = place(name, row_of(image))
        shown.append(Suspect(image, int(part.labels[at]), said, sureness, where))
    total = sum(len(each.part) for each in parts)
    return Suspects(tuple(shown), parts[0].part.class_names, len(found), total)
