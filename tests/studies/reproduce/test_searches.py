"""Studies gone through, and their configurations by the values that set them apart."""

from __future__ import annotations

from pathlib import Path

import pytest

from handloom.studies.reproduce.experiment import StudySubject
from handloom.studies.reproduce.searches import label_of, less_of, search_all
from handloom.studies.reproduce.trainings import Workshop
from handloom.studies.search import list_studies, load_study


def test_a_label_tells_the_values() -> None:
    grid = {"model.hidden": [256, 128], "optimizer.lr": 0.1, "optimizer.weight_decay": 0.0}
    assert label_of(grid) == "256-128, lr 0.1, L2 0"
    assert label_of(dict(reversed(grid.items()))) == "256-128, lr 0.1, L2 0"
    assert label_of({"model.activation": "leaky-relu"}) == "leaky-relu"
    assert label_of({"schedule.factor": 0.05}) == "gamma 0.05"


@pytest.mark.parametrize("name", list_studies())
def test_no_two_configurations_of_a_shipped_study_have_one_label(name: str) -> None:
    points = load_study(name).space.points()
    assert points is not None
    assert len(set(map(label_of, points))) == len(points)


@pytest.fixture
def study(bars: Path) -> StudySubject:
    """Three learning rates of the bars, the last of which diverges."""
    text = """
        recipe = "bars.toml"
        [space]
        optimizer.lr = { choice = [0.2, 0.05, 1e30] }
        [search]
        sampler = "grid"
        seeds = [0, 4]
    """
    (bars.parent / "rates.toml").write_text(text)
    return StudySubject(
        str(bars.parent / "rates.toml"), quick={"training.epochs": 1}, quick_seeds=(4,)
    )


def test_a_study_gives_the_figures_of_what_it_trained_to_the_end(
    study: StudySubject, tmp_path: Path
) -> None:
    pytest.importorskip("optuna")
    told: list[str] = []
    workshop = Workshop(tmp_path / "out", False, None, told.append)
    evidence = search_all(study, workshop)
    assert list(evidence) == ["lr 0.2", "lr 0.05"], "in the study's order, without the diverged one"
    for figures in evidence.values():
        assert [outcome.seed for outcome in figures.outcomes] == [0, 4]
        assert {outcome.epochs for outcome in figures.outcomes} == {3}
    assert any(line.startswith("rates: 0 of 3 trials; lr=0.2,") for line in told)
    told.clear()
    assert search_all(study, workshop) == evidence, "found again"
    assert not any("epoch" in line for line in told)


def test_the_reduced_version_is_less(study: StudySubject, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    workshop = Workshop(tmp_path / "out", True, None, lambda line: None, workers=2)
    evidence = search_all(study, workshop)
    assert list(evidence) == ["lr 0.2", "lr 0.05"]
    for figures in evidence.values():
        assert [(outcome.seed, outcome.epochs) for outcome in figures.outcomes] == [(4, 1)]
    assert less_of(study) == ["training.epochs 1 instead of 3", "seeds 1 instead of 2"]
