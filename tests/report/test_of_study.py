from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from handloom.recipes import load_recipe
from handloom.report import open_subjects, write_report
from handloom.run import session
from handloom.run.results import Run
from handloom.studies.search import Study, load_study, open_study
from handloom.studies.search.folder import StudyFolder

from .conftest import HOSTILE, Parsed, lend_pictures, read

STUDY = """
description = "How wide & how fast"
recipe = "bars.toml"

[space]
model.hidden = { choice = [[4], [8]] }
optimizer.lr = { choice = [0.001, 0.2] }

[search]
sampler = "grid"
maximise = "val_accuracy"
seeds = [0, 1]
"""
POINTS = [
    {"model.hidden": hidden, "optimizer.lr": lr} for hidden in ([4], [8]) for lr in (0.001, 0.2)
]


def begin(bars: Path, folder: Path) -> StudyFolder:
    """A study's folder, with nothing but what was asked."""
    (bars.parent / "wide.toml").write_text(STUDY)
    plan = load_study(bars.parent / "wide.toml")
    folder.mkdir(parents=True)
    made = StudyFolder(folder)
    made.base.write_text(plan.recipe_toml())
    made.plan.write_text(plan.to_toml(made.base.name))
    return made


@pytest.fixture(scope="module")
def study(lasting_bars: Path, run: Run, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """Two complete trials of two seeds, one that was pruned, one that failed."""
    folder = begin(lasting_bars, tmp_path_factory.mktemp("studies") / "wide")
    plan = load_study(folder.path)
    for number, point in enumerate(POINTS):
        configuration = plan.configuration(point)
        trial = folder.trial(configuration.key)
        trial.path.mkdir(parents=True)
        ended = {2: "pruned", 3: "failed"}.get(number)
        record = {"trial": number + 1, "parameters": point}
        if ended is not None:
            record |= {"ended": ended, "why": HOSTILE}
        (trial.path / "trial.json").write_text(json.dumps(record))
        for seed in (0, 1) if ended is None else (0,):
            changes = {"seed": seed} | ({"training.epochs": 1} if ended else {})
            recipe = load_recipe(configuration.recipe, changes)
            lend_pictures(run, session.train(recipe, run_dir=trial.run(seed), pictures=False))
    return open_study(folder.path)


@pytest.fixture(scope="module")
def page(study: Study, tmp_path_factory: pytest.TempPathFactory) -> Parsed:
    return read(write_report(study, tmp_path_factory.mktemp("page") / "report.html"))


def best_of(study: Study) -> tuple[float, list[float]]:
    """By hand: the better of the two complete configurations, its mean and its seeds."""
    values = [
        [run.result["validation"]["accuracy"] for run in trial.runs] for trial in study.trials[:2]
    ]
    means = [sum(each) / len(each) for each in values]
    return max(means), values[means.index(max(means))]


def test_sections(page: Parsed) -> None:
    assert page.sections == [
        "answer", "asked", "trials", "search", "curves", "diagnosis", "classes", "mistakes",
        "weights", "activations", "repeat",
    ]  # fmt: skip


def test_the_answer_is_the_best_configuration(page: Parsed, study: Study) -> None:
    mean, values = best_of(study)
    spread = abs(values[0] - values[1]) / 2**0.5
    assert f"{100 * mean:.2f} ± {100 * spread:.2f} %" in page.text
    assert "Of 2 complete configurations, the best is model.hidden = 4" in page.text
    assert "2 complete, 1 pruned, 1 failed" in page.text


def test_every_configuration_has_a_row_the_best_first(page: Parsed) -> None:
    rows = [attributes.get("class") for tag, attributes in page.elements if tag == "tr"]
    assert rows.count("best") == 1
    for state in ("pruned", "failed"):
        assert state in page.text
    assert HOSTILE in page.text  # why a trial failed


def test_the_course_of_the_search(page: Parsed, study: Study) -> None:
    best, each = page.charts["Results in the order of the trials"]["series"]
    mean, _ = best_of(study)
    assert best["y"][1:] == pytest.approx([mean] * 3, rel=1e-4)
    assert each["dots"]
    assert each["labels"] == [trial.name for trial in study.trials]
    assert each["y"][3] is None  # it failed


def test_a_line_a_run_the_best_trials_last(page: Parsed) -> None:
    series = page.charts["All runs by epoch"]["series"]
    assert len(series) == 6
    assert [each["colour"] for each in series] == ["neutral"] * 4 + ["validation"] * 2


def test_pictures_of_the_search_have_words(page: Parsed) -> None:
    alts = [image["alt"] or "" for image in page.of("img")]
    for begin in ("Parallel coordinates", "One panel per parameter", "A heat map"):
        assert sum(alt.startswith(begin) for alt in alts) == 1, begin


def test_a_picture_without_anything_to_see_is_a_sentence(page: Parsed) -> None:
    assert not any((image["alt"] or "").startswith("Bars: the share") for image in page.of("img"))
    assert "Parameter importance: " in page.text


def test_the_files_of_the_page_are_the_study(page: Parsed, study: Study, tmp_path: Path) -> None:
    for link in page.of("a"):
        if name := link.get("download"):
            encoded = (link["href"] or "").removeprefix("data:application/toml;base64,")
            (tmp_path / name).write_bytes(base64.b64decode(encoded))
    assert "handloom tune wide.toml" in page.text
    again = load_study(tmp_path / "wide.toml")
    assert again.recipe == study.recipe
    assert dict(again.space) == dict(study.space)
    assert again.search == study.plan.search
    best = study.best
    assert best is not None
    assert load_recipe(tmp_path / "wide-best.toml") == study.configuration(best).recipe


def test_a_study_that_has_just_begun(bars: Path, tmp_path: Path) -> None:
    folder = begin(bars, tmp_path / "young")
    parsed = read(write_report(open_study(folder.path)))
    assert parsed.sections == ["answer", "asked", "repeat"]
    assert "No configuration is complete yet." in parsed.text
    assert (folder.path / "report.html").is_file()


def test_a_folder_is_opened_as_a_study(study: Study) -> None:
    opened = open_subjects([study.path])
    assert isinstance(opened, Study)
    assert (opened.path, opened.name) == (study.path, "wide")
