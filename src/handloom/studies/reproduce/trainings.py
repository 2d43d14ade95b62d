"""The series of an experiment: trained, or found again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from handloom.recipes import Recipe, load_recipe
from handloom.recipes.flat import flattened
from handloom.series import Listener, Member, Progress, Series, train_all
from handloom.studies.reproduce.experiment import SeriesSubject, Settings
from handloom.studies.reproduce.figures import Evidence, figures_of

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where an experiment's runs are kept, and how they are trained."""

    folder: Path
    quick: bool
    data_dir: Path | None
    tell: Tell
    """Gets a line now and then that says what is being done."""
    workers: int | None = None
    """Processes that train at a time; None: one, or as many as a cluster has room for."""
    threads: int | None = None
    """Of a training that begins; None: its worker's share of the cores."""
    on: str | None = None
    """"ray" or "ray=HOST:PORT", for the machines of a cluster."""

    @property
    def overrides(self) -> Settings:
        """What it lays over every recipe."""
        return {} if self.threads is None else {"training.threads": self.threads}

    def train_all(self, subjects: Mapping[str, SeriesSubject]) -> Evidence:
        """The figures of every subject, trained with each of its seeds."""
        members = {label: self._members(each) for label, each in subjects.items()}
        every = {member.path: member for some in members.values() for member in some}
        runs = train_all(
            list(every.values()), workers=self.workers, on=self.on, listener=_Lines(self.tell)
        )
        by_path = dict(zip(every, runs, strict=True))
        return {
            label: figures_of([by_path[member.path] for member in some])
            for label, some in members.items()
        }

    def _members(self, subject: SeriesSubject) -> list[Member]:
        name = subject.name or subject.recipe
        overrides = {**subject.overrides, **(subject.quick if self.quick else {}), **self.overrides}
        data_dir = self.data_dir
        if subject.prepare is not None:
            self.tell(f"{name}: its data")
            made = (self.folder / f"{name}-data").absolute()
            overrides |= subject.prepare(made, self.data_dir)
            data_dir = None  # what was made is where the recipe says
        seeds = subject.quick_seeds if self.quick else subject.seeds
        series = Series(load_recipe(subject.recipe, overrides), tuple(seeds))
        return series.members(self.folder / name, root=self.folder, data_dir=data_dir)


class _Lines(Listener):
    """Says after each epoch how far a training has come."""

    def __init__(self, tell: Tell) -> None:
        self.tell = tell

    def on_begin(self, member: Member) -> None:
        """That it begins."""
        self.tell(f"{member.name}: {member.recipe.training.epochs} epochs")

    def on_progress(self, member: Member, progress: Progress) -> None:
        """The epoch and its validation accuracy."""
        accuracy = "not a number" if progress.value is None else f"{progress.value:.2%}"
        self.tell(f"{member.name}: epoch {progress.epoch} of {progress.epochs}, {accuracy}")


def reduction(subject: SeriesSubject) -> list[str]:
    """What is less in the reduced version of a subject."""
    whole = load_recipe(subject.recipe, subject.overrides)
    return lessened(whole, subject.quick, subject.seeds, subject.quick_seeds)


def lessened(
    whole: Recipe, quick: Settings, seeds: Sequence[int], quick_seeds: Sequence[int]
) -> list[str]:
    """'training.epochs 5 instead of 40', and so on: how `quick` differs from the whole."""
    values = flattened(whole)
    less = [f"{key} {value:g} instead of {values[key]:g}" for key, value in quick.items()]
    if len(quick_seeds) < len(seeds):
        less.append(f"seeds {len(quick_seeds)} instead of {len(seeds)}")
    return less
