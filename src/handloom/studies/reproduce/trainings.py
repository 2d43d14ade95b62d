"""The runs of an experiment: found, gone on with, or made."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from handloom._files import make_folder
from handloom.errors import RunError
from handloom.recipes import Recipe, load_recipe
from handloom.recipes.flat import differences, flattened
from handloom.run import session
from handloom.run.results import Run, open_run
from handloom.studies.reproduce.experiment import Settings, Training
from handloom.studies.reproduce.figures import Evidence, figures_of
from handloom.training import Trainer
from handloom.training.callbacks import Callback

Tell = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Workshop:
    """Where runs are made and kept, and who is told of it.

    A run that is there and has ended is used again; one that was stopped is gone on with.
    """

    folder: Path
    quick: bool
    data_dir: Path | None
    tell: Tell
    """Gets a line now and then that says what is being done."""
    workers: int = 1
    """Processes that train trials of a study at a time."""
    threads: int | None = None
    """Of a training that begins; none: all cores, of a trial the share of its worker."""

    @property
    def overrides(self) -> Settings:
        """What it lays over every recipe."""
        return {} if self.threads is None else {"training.threads": self.threads}

    def train_all(self, subjects: Mapping[str, Training]) -> Evidence:
        """The figures of every subject, trained with each of its seeds."""
        return {label: figures_of(list(self._runs(each))) for label, each in subjects.items()}

    def _runs(self, subject: Training) -> Iterator[Run]:
        name = subject.name or subject.recipe
        overrides = {**subject.overrides, **(subject.quick if self.quick else {}), **self.overrides}
        if subject.prepare is not None:
            self.tell(f"{name}: its data")
            made = (self.folder / f"{name}-data").absolute()
            overrides |= subject.prepare(made, self.data_dir)
        data_dir = self.data_dir if subject.prepare is None else None  # what was made is there
        for seed in subject.quick_seeds if self.quick else subject.seeds:
            recipe = load_recipe(subject.recipe, overrides | {"seed": seed})
            path = self.folder / name / f"seed-{seed}"
            yield trained(recipe, path, data_dir, Telling(self.tell, f"{name}, seed {seed}"))


def trained(recipe: Recipe, path: Path, data_dir: Path | None, *listening: Callback) -> Run:
    """The run of `recipe` in the folder `path`, ended.

    One that has begun keeps its own engine and threads, for the sake of its bits. Raises RunError
    where the folder holds a run of another recipe.
    """
    make_folder(path, within=path.parents[1])
    begun = (path / "recipe.toml").is_file()
    if begun:
        run = open_run(path)
        if not _is_of(run, recipe):
            raise RunError(
                f"{path} is a run of another recipe than this version's; remove it to train it "
                "anew, or choose another --out"
            )
        if run.is_finished:
            return run
    return session.resume(
        path,
        None if begun else recipe,
        data_dir=data_dir,
        callbacks=listening,
        pictures=False,
    )


def _is_of(run: Run, recipe: Recipe) -> bool:
    """Whether a run was trained with `recipe`, but for what its folder may decide by itself."""
    free = {"training.threads"} | ({"engine"} if recipe.engine == "auto" else set())
    return set(differences(recipe, run.recipe)) <= free


class Telling(Callback):
    """Says after each epoch how far a training has come."""

    def __init__(self, tell: Tell, title: str) -> None:
        self.tell = tell
        self.title = title

    def on_fit_start(self, training: Trainer) -> None:
        """That it begins."""
        self.tell(f"{self.title}: {training.epochs} epochs")

    def on_epoch_end(self, training: Trainer) -> None:
        """The epoch and its validation accuracy."""
        accuracy = training.history.last("val_accuracy")
        self.tell(f"{self.title}: epoch {training.epoch} of {training.epochs}, {accuracy:.2%}")


def reduction(subject: Training) -> list[str]:
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
