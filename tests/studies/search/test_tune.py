"""tune: whose folder it is, and what of it must not be touched."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from handloom.errors import DataError, InUseError, RunError
from handloom.recipes import load_recipe
from handloom.run import RunLock
from handloom.studies.search import StudyPlan, load_study, tune
from handloom.studies.search.folder import StudyFolder
from handloom.studies.search.tune import prepare, study_path, write_down

pytest.importorskip("optuna")
PlanOf = Callable[..., StudyPlan]


def test_a_study_that_is_under_way_is_left_alone(plan_of: PlanOf, tmp_path: Path) -> None:
    plan, folder = plan_of(), StudyFolder(tmp_path / "held")
    prepare(folder)
    write_down(folder, plan)
    before = folder.plan.read_bytes()
    with RunLock(folder.path), pytest.raises(InUseError, match=r"held is in use by process"):
        tune(plan.limited(trials=2), out=folder.path)
    assert folder.plan.read_bytes() == before


def test_a_folder_has_one_question(plan_of: PlanOf, tmp_path: Path) -> None:
    folder = StudyFolder(tmp_path / "asked")
    prepare(folder)
    write_down(folder, plan_of())
    write_down(
        folder, plan_of("[space]\nmodel.dropout = { range = [0, 0.5] }\n[budget]\ntrials=1\n")
    )
    assert list(load_study(folder.path).space) == ["model.dropout"]
    before = folder.base.read_bytes()
    other = load_study(folder.path, ["optimizer.lr=0.7", "engine=auto", "training.threads=2"])
    with pytest.raises(RunError, match=r"another recipe: engine, optimizer\.lr differ"):
        write_down(folder, other)
    assert folder.base.read_bytes() == before


def test_missing_pictures_are_told_before_anything_is_written(
    plan_of: PlanOf, bars: Path, tmp_path: Path
) -> None:
    plan = plan_of()
    bars.with_name("images.npy").unlink()
    with pytest.raises(DataError, match=r"images\.npy"):
        tune(plan, out=tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


def test_a_study_that_was_moved_with_its_data_goes_on(
    plan_of: PlanOf, bars: Path, tmp_path: Path
) -> None:
    """What is new is trained on them too; where they are not, a sentence says what to do."""
    old, new = tmp_path / "old", tmp_path / "new"
    shutil.copytree(bars.parent, old / "data")
    plan = plan_of(
        "[search]\nsampler='random'\n[budget]\ntrials=1\n[space]\noptimizer.lr={log=[0.01,0.5]}\n"
    )
    recipe = load_recipe(old / "data" / bars.name)
    moved = replace(plan, recipe=recipe)
    tune(moved, out=old / "study", pictures=False)
    old.rename(new)
    ended = tune(new / "study", trials=2, pictures=False)
    assert [trial.state for trial in ended.trials] == ["complete", "complete"]
    shutil.rmtree(new / "data")
    with pytest.raises(DataError, match=r"does not exist.*--data-dir"):
        tune(new / "study", trials=3, pictures=False)


def test_where_the_folder_is(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_of()
    assert study_path("study.toml", plan, None) == Path("runs/study")
    assert study_path(plan, plan, "elsewhere") == Path("elsewhere")
    assert study_path(tmp_path, plan, None) == tmp_path


def test_a_study_that_was_killed_before_it_was_written_down_begins(
    plan_of: PlanOf, tmp_path: Path
) -> None:
    folder = StudyFolder(tmp_path / "early")
    prepare(folder)
    folder.token()
    with RunLock(folder.path):
        write_down(folder, plan_of())
    folder.plan.unlink()
    prepare(folder)
    write_down(folder, plan_of())
    assert load_study(folder.path).name == "study"
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is not a study"):
        prepare(StudyFolder(tmp_path / "file"))
