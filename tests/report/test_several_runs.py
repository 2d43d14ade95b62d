from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from handloom.errors import ConfigError, RunError
from handloom.report import open_subjects, write_report
from handloom.run import session
from handloom.run.results import Run, open_run

from .conftest import Parsed, lend_pictures, read

CHANGES = {
    "wide": {},
    "wide-1": {"seed": 2},
    "slow": {"optimizer.lr": 0.001},
    "slow-1": {"optimizer.lr": 0.001, "seed": 2},
}


@pytest.fixture(scope="module")
def runs(lasting_bars: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """Two recipes, two seeds each."""
    folder = tmp_path_factory.mktemp("several")
    return {
        name: session.train(lasting_bars, overrides=o, run_dir=folder / name, pictures=False)
        for name, o in CHANGES.items()
    }


@pytest.fixture(scope="module")
def page(runs: dict[str, Run], tmp_path_factory: pytest.TempPathFactory) -> Parsed:
    return read(write_report(list(runs.values()), tmp_path_factory.mktemp("page") / "a.html"))


def test_seeds_of_a_recipe_make_a_row(page: Parsed, runs: dict[str, Run]) -> None:
    for name in ("wide", "slow"):
        accuracies = [runs[each].result["validation"]["accuracy"] for each in (name, f"{name}-1")]
        mean, spread = np.mean(accuracies), np.std(accuracies, ddof=1)
        assert f"{mean:.4f} ± {spread:.4f}" in page.text
    assert "wide · slow" in page.text


def test_sections(page: Parsed) -> None:
    assert page.sections == ["answer", "asked", "curves", "diagnosis", "ended", "repeat"]


def test_the_answer_is_that_of_compare(page: Parsed) -> None:
    assert "by 2 seeds" in page.text or "over 2 seeds" in page.text
    assert "paired t" in page.text


def test_only_what_differs_is_told_apart(page: Parsed) -> None:
    assert "optimizer.lr" in page.text
    assert "model.hidden" not in page.text


def test_a_line_a_run_the_seeds_of_a_row_in_one_colour(page: Parsed, runs: dict[str, Run]) -> None:
    series = page.charts["Validation loss"]["series"]
    assert [(each["name"], each["colour"]) for each in series] == [
        ("wide, seed 1", "c0"), ("wide, seed 2", "c0"), ("slow, seed 1", "c1"),
        ("slow, seed 2", "c1"),
    ]  # fmt: skip
    rows = runs["slow-1"].history.epochs
    assert series[-1]["y"] == pytest.approx([row["val_loss"] for row in rows], rel=1e-4)


def test_no_look_at_the_test_part_is_spent(page: Parsed, runs: dict[str, Run]) -> None:
    assert [run.looks for run in runs.values()] == [1, 1, 1, 1]


def test_each_run_can_be_repeated(page: Parsed) -> None:
    names = [link["download"] for link in page.of("a") if link.get("download")]
    assert names == ["wide.toml", "wide-1.toml", "slow.toml", "slow-1.toml"]


def test_pictures_stand_side_by_side(run: Run, runs: dict[str, Run], tmp_path: Path) -> None:
    drawn = open_run(shutil.copytree(runs["slow"].path, tmp_path / "slow"))
    lend_pictures(run, drawn)
    parsed = read(write_report([run, drawn], tmp_path / "a.html"))
    assert "pictures" in parsed.sections
    assert "bars: What the first layer has learned" in parsed.text
    assert "slow: What the first layer has learned" in parsed.text


def test_one_that_goes_on_has_curves_but_no_comparison(
    runs: dict[str, Run], tmp_path: Path
) -> None:
    copied = open_run(shutil.copytree(runs["slow"].path, tmp_path / "slow"))
    copied.folder.result.unlink()
    parsed = read(write_report([runs["wide"], copied], tmp_path / "a.html"))
    assert "cannot be compared image by image" in parsed.text
    assert len(parsed.charts["Validation loss"]["series"]) == 2
    copied.folder.metrics.unlink()
    with pytest.raises(RunError, match="no epoch has ended"):
        write_report([runs["wide"], copied])


def test_imported_weights_have_no_curves(runs: dict[str, Run], tmp_path: Path) -> None:
    copies = []
    for name in ("wide", "slow"):
        copied = open_run(shutil.copytree(runs[name].path, tmp_path / name))
        copied.folder.metrics.unlink()
        copied.folder.result.write_text(json.dumps(copied.result | {"epochs": 0, "seconds": 0.0}))
        copies.append(copied)
    parsed = read(write_report(copies, tmp_path / "a.html"))
    assert "curves" not in parsed.sections
    assert "answer" in parsed.sections


def test_many_rows_have_figures_and_curves_only(
    runs: dict[str, Run], tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("handloom.report.several_runs.MOST_SHOWN", 1)
    parsed = read(write_report(list(runs.values()), tmp_path / "a.html"))
    assert "diagnosis" not in parsed.sections


def test_seeds_of_one_recipe_alone(runs: dict[str, Run], tmp_path: Path) -> None:
    parsed = read(write_report([runs["wide"], runs["wide-1"]], tmp_path / "a.html"))
    assert "The recipes differ only in their seeds" in parsed.text


def test_the_same_training_twice_is_refused(runs: dict[str, Run]) -> None:
    with pytest.raises(ConfigError, match="give one of them"):
        write_report([runs["wide"], open_run(runs["wide"].path)])


def test_it_lies_here(runs: dict[str, Run], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert write_report([runs["wide"], runs["slow"]]) == Path("report.html")
    assert (tmp_path / "report.html").is_file()


def test_folders_are_opened(runs: dict[str, Run], tmp_path: Path) -> None:
    paths = [run.path for run in runs.values()]
    opened = open_subjects(paths)
    assert isinstance(opened, list)
    assert [run.path for run in opened] == paths
    (tmp_path / "study.toml").write_text(json.dumps({}))
    with pytest.raises(ConfigError, match="is a study, which gets a report of its own"):
        open_subjects([paths[0], tmp_path])
