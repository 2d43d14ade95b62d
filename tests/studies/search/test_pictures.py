"""A study's folder as its images see it; the runs are trained one by one, without a search."""

from __future__ import annotations

import math
import shutil
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from handloom import open_study, train
from handloom.errors import PictureWarning
from handloom.studies.search import Study, StudyTrial
from handloom.studies.search.folder import StudyFolder, TrialRecord
from handloom.studies.search.pictures import draw_study, shown_trials
from handloom.studies.search.plan.load import load_study
from handloom.views import Parameter

STUDY = """
recipe = "{recipe}"
[space]
"optimizer.lr" = {{ log = [0.001, 1.0] }}
"optimizer.name" = {{ choice = ["sgd", "momentum"] }}
"optimizer.momentum" = {{ range = [0.1, 0.9], when = {{ "optimizer.name" = "momentum" }} }}
"model.hidden" = {{ length = [1, 2], each = {{ int = [4, 12] }} }}
"data.validation" = {{ choice = [0.25] }}
[search]
minimise = "val_loss"
sampler = "random"
seeds = [1, 2]
[budget]
trials = 9
"""
SAME = {"data.validation": 0.25}
POINTS = (
    {"optimizer.lr": 0.2, "optimizer.name": "sgd", "model.hidden": [8]},
    {"optimizer.lr": 0.05, "optimizer.name": "momentum", "optimizer.momentum": 0.5},
    {"optimizer.lr": 0.01, "optimizer.name": "sgd", "model.hidden": [4, 6]},
)
HIDDEN = {"model.hidden": [5]}


@pytest.fixture(scope="module")
def study(lasting_bars: Path) -> Study:
    """One complete trial of two seeds, one pruned after a seed, one that has just begun."""
    folder = StudyFolder(lasting_bars.parent / "study")
    folder.path.mkdir()
    folder.plan.write_text(STUDY.format(recipe=lasting_bars))
    plan = load_study(folder.path)
    for number, point in enumerate(POINTS):
        told = HIDDEN | point | SAME
        configuration = plan.configuration(told)
        trial = folder.trial(configuration.key)
        ended = "pruned" if number == 1 else None
        assert trial.claim(TrialRecord(number + 1, told, ended, "stopped it" if ended else ""))
        for seed in (1, 2)[: 2 - number]:
            overrides = {"seed": seed}
            train(
                configuration.recipe, overrides=overrides, run_dir=trial.run(seed), pictures=False
            )
    return open_study(folder.path)


def test_trials_are_shown_as_their_runs_tell(study: Study) -> None:
    shown = shown_trials(study)
    assert (shown.study, shown.metric, shown.is_maximised) == ("study", "val_loss", False)
    complete, pruned, running = shown.trials
    assert [trial.state for trial in shown.trials] == ["complete", "pruned", "running"]
    losses = [run.result["validation"]["loss"] for run in study.trials[0].runs]
    assert complete.value == pytest.approx(statistics.fmean(losses), rel=1e-5)
    assert complete.spread == pytest.approx(statistics.stdev(losses), rel=1e-4)
    assert pruned.value == study.trials[1].value
    assert math.isnan(pruned.spread)
    assert math.isnan(running.value)
    assert [len(trial.curves) for trial in shown.trials] == [2, 1, 0]
    for curve, run in zip(complete.curves, study.trials[0].runs, strict=True):
        np.testing.assert_array_equal(curve, [row["val_loss"] for row in run.history.epochs])
    assert shown.best == 0


def test_axes_are_as_the_space_tells(study: Study) -> None:
    rate, rule, momentum, hidden = sorted(
        shown_trials(study).parameters, key=lambda p: list(study.space).index(p.name)
    )[:4]
    assert rate == Parameter("optimizer.lr", "log", (0.01, 0.2))
    assert rule == Parameter("optimizer.name", "choice", ("sgd", "momentum"))
    assert momentum == Parameter("optimizer.momentum", "choice", (0.5,))  # only one has it
    assert hidden == Parameter("model.hidden", "choice", ((4, 6), (5,), (8,)))


def test_the_widths_of_many_networks_have_the_axis_of_each(study: Study) -> None:
    """Made up of one folder's trials, for twelve networks take long to train."""
    wide = Study(study.folder, study.plan)
    wide.trials = [
        _with_hidden(trial, [4 + number % 9] * (1 + number % 2))
        for number, trial in enumerate(study.trials * 6)
    ]
    by_name = {parameter.name: parameter for parameter in shown_trials(wide).parameters}
    assert by_name["model.hidden.length"] == Parameter("model.hidden.length", "choice", (1, 2))
    assert by_name["model.hidden.0"].scale == "choice"
    assert by_name["model.hidden.1"].levels[0] == 4


def _with_hidden(trial: StudyTrial, hidden: list[int]) -> StudyTrial:
    return replace(trial, parameters={**trial.parameters, "model.hidden": hidden})


def test_pictures_stand_in_the_studys_figures(study: Study) -> None:
    study.folder.own(study.folder.figures).joinpath("importance.png").write_bytes(b"of old")
    empty = draw_study(study)
    assert list(empty) == ["importance"]
    assert empty["importance"].startswith("Too few trials have finished")
    files = list(study.folder.figures.iterdir())
    names = {"history", "parallel", "slices", "heat-map", "curves"}
    assert {file.stem for file in files} == names
    assert all(file.read_bytes().startswith(b"\x89PNG") for file in files)
    shutil.rmtree(study.folder.figures)


def test_pictures_that_fail_are_named_with_what_to_do(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError("no room")

    monkeypatch.setattr("handloom.views.draw_study", fail)
    with pytest.warns(PictureWarning) as heard:
        assert draw_study(study) == {}
    told = str(heard[0].message)
    assert told.startswith(f"{study.path}: could not be drawn: the figures (")
    assert told.endswith(f"try again with: handloom tune {study.path}")
