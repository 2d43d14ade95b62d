"""The experiments as declared: they ask for what there is, and speak of what they train."""

from __future__ import annotations

from dataclasses import fields
from importlib import resources
from pathlib import Path

import numpy as np
import pytest

from handloom import data
from handloom.recipes import list_recipes, load_recipe
from handloom.recipes.load import recipe_text
from handloom.studies.reproduce.experiment import Experiment, SeriesSubject, StudySubject
from handloom.studies.reproduce.figures import SeedResult
from handloom.studies.reproduce.rows import EXPERIMENTS, contest
from handloom.studies.reproduce.searches import label_of, less_of, planned
from handloom.studies.reproduce.trainings import reduction
from handloom.studies.search.plan.load import list_studies, load_study

ROWS = list(EXPERIMENTS.values())
FIGURES = {field.name for field in fields(SeedResult)} | {
    name for name, value in vars(SeedResult).items() if isinstance(value, property)
}
TRAININGS = [
    pytest.param(subject, id=f"{row.name}-{label}")
    for row in ROWS
    if not isinstance(row.subjects, StudySubject)
    for label, subject in row.subjects.items()
]
each_row = pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
each_training = pytest.mark.parametrize("subject", TRAININGS)


def labels(row: Experiment) -> set[str]:
    """All configurations that it trains."""
    if not isinstance(row.subjects, StudySubject):
        return set(row.subjects)
    points = load_study(row.subjects.study).space.points()
    assert points is not None, "a grid is shipped"
    return set(map(label_of, points))


@each_row
def test_it_speaks_of_configurations_that_it_trains(row: Experiment) -> None:
    spoken_of = {each.label for each in row.published}
    for claim in row.claims:
        spoken_of |= set(claim.check.labels)
    assert spoken_of <= labels(row)


@each_row
def test_it_speaks_of_figures_that_a_run_has(row: Experiment) -> None:
    assert {*row.figures, *(each.what for each in row.published)} <= FIGURES


@each_row
def test_its_published_figures_stand_in_the_recipe_or_the_study_as_well(row: Experiment) -> None:
    """They were copied there from the publications by themselves."""
    for each in row.published:
        if each.what in ("seconds", "lowest_epoch"):
            continue  # a recipe does not tell how long it took
        if isinstance(row.subjects, StudySubject):
            told = study_text(row.subjects.study)
        else:
            told = recipe_text(row.subjects[each.label].recipe)
        for value in filter(None, (each.value, each.most)):
            known_elsewhere = row.name == "contest-resnet" and each.what == "test_accuracy"
            assert f"{value:.4f}" in told or f"{value:.3f}" in told or known_elsewhere


def study_text(name: str) -> str:
    folder = resources.files("handloom.studies.search.plan") / "shipped"
    return (folder / f"{name}.toml").read_text("utf-8")


@each_row
def test_it_says_what_was_published_and_where(row: Experiment) -> None:
    assert row.title
    assert row.source.startswith("report ")
    assert row.published or row.claims
    assert len({claim.sentence for claim in row.claims}) == len(row.claims)


def test_every_shipped_study_and_published_recipe_is_reproduced() -> None:
    searched = {row.subjects.study for row in ROWS if isinstance(row.subjects, StudySubject)}
    assert searched == set(list_studies())
    trained = {case.values[0].recipe for case in TRAININGS}
    of_a_report = {name for name in list_recipes() if "ublished:" in recipe_text(name)}
    assert len(of_a_report) > 10
    assert of_a_report <= trained


@each_training
def test_whole_and_reduced_are_recipes(subject: SeriesSubject) -> None:
    for overrides in (subject.overrides, {**subject.overrides, **subject.quick}):
        recipe = load_recipe(subject.recipe, {**overrides, "seed": subject.seeds[0]})
        assert recipe.training.epochs >= 1
    assert set(subject.quick_seeds) <= set(subject.seeds)


@each_training
def test_the_reduced_version_has_less_to_do(subject: SeriesSubject) -> None:
    def work(overrides: dict[str, object], seeds: tuple[int, ...]) -> float:
        recipe = load_recipe(subject.recipe, overrides)
        return recipe.training.epochs * recipe.data.sample * len(seeds)

    whole = work(dict(subject.overrides), subject.seeds)
    assert work({**subject.overrides, **subject.quick}, subject.quick_seeds) <= whole / 2
    assert len(reduction(subject)) >= 1


@pytest.mark.parametrize(
    "row", [row for row in ROWS if isinstance(row.subjects, StudySubject)], ids=lambda row: row.name
)
def test_a_reduced_study_is_a_study_with_less_to_do(row: Experiment) -> None:
    assert isinstance(row.subjects, StudySubject)
    whole = load_study(row.subjects.study)
    less = planned(row.subjects, quick=True)
    work = [
        plan.recipe.training.epochs * plan.recipe.data.sample * len(plan.search.seeds)
        for plan in (less, whole)
    ]
    assert work[0] <= work[1] / 2
    assert set(row.subjects.quick_seeds) <= set(whole.search.seeds)
    assert less_of(row.subjects)


# -- the contest's files ---------------------------------------------------------------------------


def test_the_contest_is_made_of_pictures_to_learn_from_and_hidden_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (50, 28, 28)).astype(np.uint8)
    fashion = data.Dataset(images, rng.integers(0, 10, 50), tuple(map(str, range(10))))
    asked = []

    def load(name: str, data_dir: Path | None) -> data.TrainTest:
        asked.append((name, data_dir))
        return data.TrainTest(fashion)

    monkeypatch.setattr(contest.data, "load", load)
    monkeypatch.setattr(contest, "LABELLED", 30)
    monkeypatch.setattr(contest, "HIDDEN", 10)
    told = contest.make_contest(tmp_path / "made", tmp_path)
    assert asked == [("fashion-mnist", tmp_path)]
    train = data.read_table(Path(told["data.images"]), Path(told["data.labels"]))
    hidden = data.read_table(Path(told["data.test_images"]), Path(told["data.test_labels"]))
    assert (len(train), len(hidden)) == (30, 10)
    made = [*train.images.tolist(), *hidden.images.tolist()]
    places = [fashion.images.tolist().index(picture) for picture in made]
    assert len(set(places)) == 40, "no hidden image is learned from"
    for part, own in ((train, places[:30]), (hidden, places[30:])):
        names = [part.class_names[label] for label in part.labels]
        assert names == [str(label) for label in fashion.labels[own]]
    again = contest.make_contest(tmp_path / "again", tmp_path)
    assert [Path(path).read_bytes() for path in again.values()] == [
        Path(path).read_bytes() for path in told.values()
    ]
