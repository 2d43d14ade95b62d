"""reproduce(): the published experiments, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from handloom.engines import check_threads
from handloom.errors import ConfigError, MissingExtraError
from handloom.series import check_on
from handloom.studies.reproduce.experiment import Experiment, SeriesSubject, StudySubject
from handloom.studies.reproduce.figures import Evidence
from handloom.studies.reproduce.rows import EXPERIMENTS
from handloom.studies.reproduce.searches import less_of, search_all
from handloom.studies.reproduce.table import Reproduction, hold_against
from handloom.studies.reproduce.trainings import Tell, Workshop, reduction

FOLDER = Path("runs/reproduce")


def _nobody(line: str) -> None:
    """Listens to nothing."""


def reproduce(
    names: Sequence[str] = (),
    *,
    quick: bool = False,
    out: str | Path = FOLDER,
    data_dir: str | Path | None = None,
    workers: int | None = None,
    threads: int | None = None,
    on: str | None = None,
    tell: Tell = _nobody,
) -> Iterator[Reproduction]:
    """Run the published experiments of these names, or all, and hold each against its publication.

    Runs are kept in `out`/whole, or `out`/quick for the reduced versions: those that are there are
    used again, those that were stopped are resumed. `workers` processes train at a time, or, with
    `on`, Ray's machines; `threads` are those of a training, by default its worker's share of the
    cores. An experiment that needs a library which is not installed is left out, and says so.
    Raises ConfigError for an unknown name or for many more threads than cores, before anything is
    trained, and what a training raises.
    """
    chosen = choose(names)
    check_threads(threads, "threads")
    check_on(on)
    workshop = Workshop(
        Path(out) / ("quick" if quick else "whole"),
        quick,
        None if data_dir is None else Path(data_dir),
        tell,
        workers,
        threads,
        on,
    )
    return (_reproduced(experiment, workshop) for experiment in chosen)


def choose(names: Sequence[str]) -> list[Experiment]:
    """The experiments of these names, in the order of the table; all without a name."""
    if unknown := [name for name in names if name not in EXPERIMENTS]:
        raise ConfigError(
            f"there is no experiment {unknown[0]!r}; the experiments are {', '.join(EXPERIMENTS)}"
        )
    return [each for name, each in EXPERIMENTS.items() if not names or name in names]


def _reproduced(experiment: Experiment, workshop: Workshop) -> Reproduction:
    try:
        evidence = _evidence(experiment.subjects, workshop)
    except MissingExtraError as error:
        return hold_against(experiment, {}, left_out=str(error))
    reduced = "; ".join(_less(experiment.subjects)) if workshop.quick else ""
    return hold_against(experiment, evidence, reduced)


def _evidence(subjects: Mapping[str, SeriesSubject] | StudySubject, workshop: Workshop) -> Evidence:
    if isinstance(subjects, StudySubject):
        return search_all(subjects, workshop)
    return workshop.train_all(subjects)


def _less(subjects: Mapping[str, SeriesSubject] | StudySubject) -> Iterable[str]:
    """What is less in the reduced version, each thing once."""
    if isinstance(subjects, StudySubject):
        return less_of(subjects)
    return dict.fromkeys(part for each in subjects.values() for part in reduction(each))
