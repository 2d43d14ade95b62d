"""A published experiment, declared: what it trains, what was published, what was concluded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from handloom.studies.reproduce.claims import Claim

Settings = Mapping[str, Any]
Prepare = Callable[[Path, Path | None], Settings]


@dataclass(frozen=True, slots=True)
class SeriesSubject:
    """A shipped recipe, trained once a seed.

    `quick` is laid over `overrides` for the reduced version. `prepare(folder, data_dir)` makes what
    the recipe needs beside known sets, in a folder of its own, and tells the overrides that say
    where it lies. Runs are kept under `name`, or the recipe's: experiments that name the same
    share them.
    """

    recipe: str
    overrides: Settings = field(default_factory=dict)
    seeds: tuple[int, ...] = (0, 1, 2)
    quick: Settings = field(default_factory=dict)
    quick_seeds: tuple[int, ...] = (0,)
    prepare: Prepare | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class StudySubject:
    """A shipped study; its configurations are named by the values that it gave them."""

    study: str
    quick: Settings = field(default_factory=dict)
    quick_seeds: tuple[int, ...] = (0,)


@dataclass(frozen=True, slots=True)
class Published:
    """A published figure: the attribute `what` of an Outcome, of one configuration."""

    label: str
    what: str
    value: float
    most: float | None = None
    """The other end, where the publication gives a range."""

    def gap(self, ours: float) -> float:
        """Ours less the published figure; zero within a published range."""
        most = self.value if self.most is None else self.most
        return ours - min(max(ours, self.value), most)


@dataclass(frozen=True, slots=True)
class Experiment:
    """A row of the design's table: what is trained, what was published, what was concluded."""

    name: str
    title: str
    source: str
    """Which publication, and where in it."""
    subjects: Mapping[str, SeriesSubject] | StudySubject
    """Trainings by label, or a study."""
    published: tuple[Published, ...] = ()
    claims: tuple[Claim, ...] = ()
    figures: tuple[str, ...] = ("test_accuracy",)
    """What is told of every configuration, published or not."""
    note: str = ""
    """What differs from the publication at any length, in words."""
    top: int = 0
    """How many configurations of a study are told, the best first; 0: all, as they come."""
