"""reproduce(): the published experiments, one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from handloom.errors import ConfigError
from handloom.experiments.reproduce.experiment import Experiment, Search
from handloom.experiments.reproduce.rows import EXPERIMENTS
from handloom.experiments.reproduce.tell import Reproduction, hold_against
from handloom.experiments.reproduce.trainings import Tell, Workshop, reduction

FOLDER = Path("runs/reproduce")


def _nobody(line: str) -> None:
    """Listens to nothing."""


def reproduce(
    names: Sequence[str] = (),
    *,
    quick: bool = False,
    out: str | Path = FOLDER,
    data_dir: str | Path | None = None,
    tell: Tell = _nobody,
) -> Iterator[Reproduction]:
    """Run the published experiments of these names, or all, and hold each against its publication.

    Runs are kept in `out`/whole, or `out`/quick for the reduced versions: those that are there are
    used again, those that were stopped gone on with. Raises ConfigError for a name that is none,
    before anything is trained, and whatever a training raises.
    """
    chosen = choose(names)
    workshop = Workshop(
        Path(out) / ("quick" if quick else "whole"),
        quick,
        None if data_dir is None else Path(data_dir),
        tell,
    )
    return (_reproduced(experiment, workshop) for experiment in chosen)


def choose(names: Sequence[str]) -> list[Experiment]:
    """The experiments of these names, in the order of the table; all without a name."""
    if unknown := [name for name in names if name not in EXPERIMENTS]:
        raise ConfigError(
            f"no experiment is called {unknown[0]!r}; there are {', '.join(EXPERIMENTS)}"
        )
    return [
        each
        for name, each in EXPERIMENTS.items()
        if (not names or name in names) and not isinstance(each.subjects, Search)
    ]


def _reproduced(experiment: Experiment, workshop: Workshop) -> Reproduction:
    subjects = experiment.subjects
    assert not isinstance(subjects, Search)
    evidence = workshop.train_all(subjects)
    less = dict.fromkeys(part for each in subjects.values() for part in reduction(each))
    reduced = "; ".join(less)
    return hold_against(experiment, evidence, reduced if workshop.quick else "")
