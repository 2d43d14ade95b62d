"""What folders bring to a comparison, and what is drawn of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from handloom.errors import RunError
from handloom.run import session
from handloom.run.results import Run
from handloom.studies.compare import Group, compare
from handloom.studies.compare.groups import grouped
from handloom.studies.compare.subjects import drawn, rows_in
from handloom.studies.ensemble import train_ensemble
from handloom.studies.search import load_study
from handloom.studies.search.folder import StudyFolder, TrialRecord


def test_a_run_is_one_row(good: list[Run]) -> None:
    (run,) = rows_in(good[0].path)
    assert isinstance(run, Run)
    assert run.path == good[0].path


def test_a_folder_of_anything_else_is_told(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="is not a run folder"):
        rows_in(tmp_path)


@pytest.fixture
def study(bars: Path, tmp_path: Path) -> StudyFolder:
    """A study of two rates and two seeds, of which nothing is trained yet."""
    asked = tmp_path / "rates.toml"
    asked.write_text(
        f'recipe = "{bars}"\n[space]\noptimizer.lr = {{ choice = [1e-9, 0.2] }}\n'
        '[search]\nsampler = "grid"\nseeds = [0, 1]\n'
    )
    plan, folder = load_study(asked), StudyFolder(tmp_path / "rates")
    folder.path.mkdir()
    folder.plan.write_text(plan.to_toml(folder.base.name))
    folder.base.write_text(plan.recipe_toml())
    return folder


def train(folder: StudyFolder, number: int, lr: float) -> None:
    """One trial with both seeds."""
    plan = load_study(folder.path)
    configuration = plan.configuration({"optimizer.lr": lr})
    trial = folder.trial(configuration.key)
    assert trial.claim(TrialRecord(number, {"optimizer.lr": lr}))
    for seed in plan.search.seeds:
        session.train(
            configuration.recipe,
            overrides={"seed": seed},
            run_dir=trial.run(seed),
            pictures=False,
        )


def test_of_a_study_the_complete_trials_are_rows_the_best_first(study: StudyFolder) -> None:
    with pytest.raises(RunError, match="no trial of this study is complete"):
        rows_in(study.path)
    train(study, 0, 1e-9)
    train(study, 1, 0.2)
    best, idle = rows_in(study.path)
    assert isinstance(best, Group)
    assert isinstance(idle, Group)
    assert (best.name, idle.name) == ("lr=0.2", "lr=1e-09")
    assert [run.recipe.seed for run in best.runs] == [0, 1]


def test_what_is_drawn_are_the_rows_figures(good: list[Run], idle: list[Run]) -> None:
    comparison = compare([Group("learnt", tuple(good)), Group("idle", tuple(idle))], pace=False)
    picture = drawn(comparison)
    assert picture.part == "validation"
    for shown, row in zip(picture.rows, comparison.rows, strict=True):
        assert (shown.mark, shown.name) == (row.mark, row.name)
        assert (shown.low, shown.accuracy, shown.high) == (
            row.interval.low, row.accuracy, row.interval.high,
        )  # fmt: skip
        assert (shown.parameters, shown.seconds) == (row.parameters, row.seconds)


def test_the_members_of_an_ensemble_are_one_row(bars: Path, tmp_path: Path) -> None:
    train_ensemble(bars, folds=2, seeds=2, run_dir=tmp_path / "four")
    (row,) = rows_in(tmp_path / "four")
    assert isinstance(row, Group)
    assert row.name == "four"
    assert [run.path.name for run in row.runs] == [
        "fold-1-seed-1", "fold-2-seed-1", "fold-1-seed-2", "fold-2-seed-2",
    ]  # fmt: skip
    again = grouped(row.runs)
    assert [group.runs for group in again] == [row.runs], "its runs find together by themselves"
    assert again[0].name == "four"
