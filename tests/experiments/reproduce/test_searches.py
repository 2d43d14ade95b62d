"""Configurations of studies by the values that set them apart."""

from __future__ import annotations

import pytest

from handloom.experiments.reproduce.searches import label_of
from handloom.experiments.study.load import list_studies, load_study


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
