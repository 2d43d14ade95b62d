"""The series of an experiment."""

from __future__ import annotations

import re
from pathlib import Path

from handloom.recipes import load_recipe
from handloom.studies.reproduce.experiment import SeriesSubject
from handloom.studies.reproduce.trainings import Workshop, reduction


def workshop(folder: Path, *, quick: bool = False, told: list[str] | None = None) -> Workshop:
    return Workshop(folder, quick, None, (told if told is not None else []).append)


def test_a_subject_is_trained_with_each_of_its_seeds(bars: Path, tmp_path: Path) -> None:
    subject = SeriesSubject(str(bars), {"training.epochs": 2}, seeds=(0, 7), name="bars")
    told: list[str] = []
    evidence = workshop(tmp_path / "out", told=told).train_all({"a": subject})
    assert [outcome.seed for outcome in evidence["a"].outcomes] == [0, 7]
    assert {outcome.epochs for outcome in evidence["a"].outcomes} == {2}
    assert sorted(path.name for path in (tmp_path / "out" / "bars").iterdir()) == [
        "seed-0",
        "seed-7",
    ]
    assert told[0] == "bars/seed-0: 2 epochs"
    assert re.fullmatch(r"bars/seed-0: epoch 2 of 2, \d+\.\d\d%", told[2])


def test_threads_are_those_of_a_training_that_begins(bars: Path, tmp_path: Path) -> None:
    subject = SeriesSubject(str(bars), quick_seeds=(0,), name="bars")
    for threads in (3, 2):
        Workshop(tmp_path / "out", True, None, str, threads=threads).train_all({"a": subject})
        recipe = load_recipe(tmp_path / "out" / "bars" / "seed-0" / "recipe.toml")
        assert recipe.training.threads == 3


def test_the_reduced_version_is_less(bars: Path, tmp_path: Path) -> None:
    subject = SeriesSubject(
        str(bars),
        {"training.epochs": 3},
        quick={"training.epochs": 1, "data.sample": 0.5},
        quick_seeds=(1,),
        name="bars",
    )
    (outcome,) = workshop(tmp_path / "out", quick=True).train_all({"a": subject})["a"].outcomes
    assert (outcome.seed, outcome.epochs, outcome.pictures["train"]) == (1, 1, 30)
    assert reduction(subject) == [
        "training.epochs 1 instead of 3",
        "data.sample 0.5 instead of 1",
        "seeds 1 instead of 3",
    ]
    assert reduction(SeriesSubject(str(bars), quick_seeds=(0, 1, 2))) == []


def test_what_a_subject_needs_is_made_for_it(bars: Path, tmp_path: Path) -> None:
    """Its recipe names data that are not there; what `prepare` tells is laid over it."""
    asked = []

    def prepare(folder: Path, data_dir: Path | None) -> dict[str, str]:
        asked.append((folder, data_dir))
        return {"data.images": str(bars.parent / "images.npy")}

    subject = SeriesSubject(
        str(bars), {"data.images": "nowhere.npy"}, seeds=(0,), prepare=prepare, name="bars"
    )
    evidence = workshop(tmp_path / "out").train_all({"a": subject})
    assert evidence["a"].outcomes[0].pictures["train"] == 60
    assert asked == [(tmp_path / "out" / "bars-data", None)]
