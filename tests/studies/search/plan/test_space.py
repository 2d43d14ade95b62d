"""The space: all its points, and that every point tells by which choices it is reached."""

from __future__ import annotations

import itertools
import random
from typing import Any

from pydantic import TypeAdapter

from handloom.studies.search.plan.domains import Axis, Domain
from handloom.studies.search.plan.schema import StudyFile
from handloom.studies.search.plan.space import MOST_POINTS, Space

ADAPTER: TypeAdapter[dict[str, Any]] = TypeAdapter(dict[str, Domain])
MIXED = {
    "optimizer.name": {"choice": ["sgd", "momentum", "adam"]},
    "optimizer.momentum": {
        "choice": [0.8, 0.9],
        "when": {"optimizer.name": ["momentum", "nesterov"]},
    },
    "model.hidden": {"length": [1, 2], "each": {"int": [8, 16], "step": 8}},
    "schedule.name": {"choice": ["step", "constant"]},
    "schedule.every": {"int": [1, 2], "when": {"schedule.name": "step"}},
    "schedule.factor": {
        "choice": [0.5],
        "when": {"schedule.name": "step", "schedule.every": 2},
    },
}


def space(told: dict[str, Any]) -> Space:
    return Space(ADAPTER.validate_python(told))


def test_points_are_the_product_the_last_key_fastest() -> None:
    made = space({"a": {"choice": [1, 2]}, "b": {"choice": ["x", "y", "z"]}})
    expected = [{"a": a, "b": b} for a, b in itertools.product([1, 2], ["x", "y", "z"])]
    assert made.points() == expected


def test_a_dependent_key_exists_beside_its_value_alone() -> None:
    points = space(MIXED).points()
    assert points is not None
    # (sgd, adam: 1; momentum: 2) x hidden (2 + 4) x (constant: 1; step: every 1, and 2 with factor)
    assert len(points) == (1 + 2 + 1) * 6 * 3
    for point in points:
        assert ("optimizer.momentum" in point) == (point["optimizer.name"] == "momentum")
        assert ("schedule.factor" in point) == (point.get("schedule.every") == 2)
    assert len({repr(point) for point in points}) == len(points)


def test_axes_lead_to_their_point_again() -> None:
    made = space(MIXED | {"optimizer.lr": {"log": [1e-4, 1.0]}})
    rng = random.Random(0)

    def draw(name: str, axis: Axis) -> Any:
        values = axis.values()
        return rng.uniform(1e-4, 1.0) if values is None else rng.choice(values)

    for _ in range(50):
        point = made.walk(draw)
        axes = made.axes(point)
        assert axes is not None
        assert made.walk(lambda name, axis: axes[name][1]) == point  # noqa: B023


def test_a_point_outside_has_no_axes() -> None:
    made = space({"a": {"int": [1, 4]}, "b": {"choice": ["x", "y"]}})
    assert made.axes({"a": 2, "b": "x"}) is not None
    assert made.axes({"a": 9, "b": "x"}) is None
    assert made.axes({"a": 2}) is None
    assert made.axes({"a": 2, "b": "x", "c": 1}) is None


def test_a_space_without_end_has_no_list_of_points() -> None:
    assert space({"a": {"range": [0.0, 1.0]}}).points() is None
    wide = {name: {"int": [1, 100]} for name in "abc"}
    assert 100 ** len(wide) > MOST_POINTS
    assert space(wide).points() is None


def test_probes_hold_what_a_key_needs_and_no_more() -> None:
    probes = [point for path, point in space(MIXED).probes() if path == "schedule.factor"]
    assert probes == [{"schedule.name": "step", "schedule.every": 2, "schedule.factor": 0.5}]


def test_a_grid_may_have_exactly_as_many_points_as_are_listed() -> None:
    values = list(range(MOST_POINTS // 100))
    axes = {"seed": {"choice": values}, "training.batch_size": {"int": [1, 100]}}
    exactly = StudyFile.model_validate({"recipe": "digits", "space": axes, "budget": {"trials": 1}})
    points = Space(exactly.space).points()
    assert points is not None
    assert len(points) == MOST_POINTS
    axes["training.batch_size"] = {"int": [1, 101]}
    more = StudyFile.model_validate({"recipe": "digits", "space": axes, "budget": {"trials": 1}})
    assert Space(more.space).points() is None
