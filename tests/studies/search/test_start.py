"""A search's start-up: balanced for every seed, with kills, several workers, dependent keys."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handloom.studies.search import StudyPlan
from handloom.studies.search.folder import StudyFolder, TrialRecord
from handloom.studies.search.plan.schema import StudyFile
from handloom.studies.search.plan.space import Parameters, Space
from handloom.studies.search.sampling import Sampler
from handloom.studies.search.start import STARTUP, start_point
from handloom.studies.search.storage import Storage
from handloom.studies.search.trial_queue import TrialQueue

EIGHT = 8
SEEDS = range(12)
SPACE = {
    "optimizer.name": {"choice": ["sgd", "momentum"]},
    "optimizer.lr": {"log": [1e-4, 1.0]},
    "optimizer.momentum": {"range": [0.5, 0.9], "when": {"optimizer.name": "momentum"}},
    "optimizer.nesterov": {"choice": [True, False], "when": {"optimizer.name": "momentum"}},
    "model.hidden": {"length": [1, 3], "each": {"int": [16, 512]}},
    "model.activation": {"choice": ["relu", "tanh", "gelu"]},
    "model.dropout": {"range": [0.0, 0.3], "step": 0.1},
    "training.batch_size": {"int": [16, 512], "log": True},
}


def started(space: Space, seed: int, count: int = EIGHT) -> list[Parameters]:
    points: list[Parameters] = []
    for number in range(count):
        values = start_point(space, points, f"{seed} {number} 0")
        points.append(space.walk(lambda name, axis, values=values: values[name]))
    return points


def made(domains: dict[str, Any]) -> Space:
    told = {"recipe": "digits", "space": domains, "budget": {"trials": EIGHT}}
    return Space(StudyFile.model_validate(told).space)


def strata(values: list[float], low: float, high: float) -> list[int]:
    """How many values lie in each of as many equal parts of the range."""
    parts = [int((value - low) / (high - low) * len(values)) for value in values]
    return [parts.count(part) for part in range(len(values))]


@pytest.mark.parametrize("seed", SEEDS)
def test_every_axis_is_spread_evenly_whatever_the_seed(seed: int) -> None:
    space = made(SPACE)
    points = started(space, seed)
    assert all(space.axes(point) is not None for point in points)

    def counts(path: str) -> list[int]:
        return sorted(Counter(str(p[path]) for p in points if path in p).values())

    assert counts("optimizer.name") == [4, 4]
    assert counts("model.activation") == [2, 3, 3]
    assert counts("model.dropout") == [2, 2, 2, 2]
    assert counts("optimizer.nesterov") == [2, 2]
    assert sorted(Counter(len(p["model.hidden"]) for p in points).values()) == [2, 3, 3]
    orders = [math.log10(p["optimizer.lr"]) for p in points]
    assert strata(orders, -4, 0) == [1] * EIGHT
    momenta = [p["optimizer.momentum"] for p in points if "optimizer.momentum" in p]
    assert strata(momenta, 0.5, 0.9) == [1] * 4
    for half in (sum(p["model.hidden"][0] < 264.5 for p in points), sum(
        p["training.batch_size"] < math.sqrt(15.5 * 512.5) for p in points
    )):  # fmt: skip
        assert half == EIGHT // 2


def test_a_start_up_is_balanced_at_every_length() -> None:
    space = made(SPACE)
    for seed in SEEDS:
        points = started(space, seed, 7)
        for count in (2, 4, 6):
            names = Counter(point["optimizer.name"] for point in points[:count])
            assert set(names.values()) == {count // 2}
        assert sum(point["optimizer.lr"] < 1e-2 for point in points[:2]) == 1


def test_points_keep_away_from_each_other() -> None:
    """All four corners of two choices come first, in whatever order: no two points coincide."""
    space = made({"optimizer.name": {"choice": ["sgd", "adam"]},
                  "model.activation": {"choice": ["relu", "tanh"]}})  # fmt: skip
    for seed in SEEDS:
        assert len({tuple(point.values()) for point in started(space, seed, 4)}) == 4
    # Of two numbers, neighbours in one are not neighbours in the other: better than by chance.
    wide = made({"optimizer.lr": {"log": [1e-4, 1.0]}, "model.dropout": {"range": [0.0, 0.5]}})
    nearest = []
    for seed in SEEDS:
        at = [(math.log10(p["optimizer.lr"]) / 4 + 1, 2 * p["model.dropout"])
              for p in started(wide, seed)]  # fmt: skip
        nearest.append(min(math.dist(a, b) for i, a in enumerate(at) for b in at[:i]))
    assert sum(nearest) / len(nearest) > 0.16  # eight independent points: 0.09


def test_another_seed_starts_elsewhere_and_the_same_one_does_not() -> None:
    space = made(SPACE)
    assert started(space, 1) == started(space, 1) != started(space, 2)


def test_a_point_that_left_the_space_counts_no_more() -> None:
    space = made({"optimizer.name": {"choice": ["sgd", "adam"]}})
    assert start_point(space, [{"optimizer.name": "muon"}, {"optimizer.name": "sgd"}], "0") == {
        "optimizer.name": "adam"
    }


def test_a_huge_range_of_whole_numbers_takes_no_memory() -> None:
    space = made(
        {
            "seed": {"int": [1, 2**40]},
            "model.hidden": {"length": [1, 100], "each": {"int": [1, 4000]}},
        }
    )
    assert space["seed"].values() is None
    assert space["model.hidden"].values() is None
    assert space.points() is None
    seeds = [point["seed"] for point in started(space, 0)]
    assert strata(seeds, 1, 2**40 + 1) == [1] * EIGHT


# -- in a study ------------------------------------------------------------------------------------

TWO = """
[space]
optimizer.name = { choice = ["sgd", "momentum"] }
optimizer.lr = { log = [0.003, 1.0] }
model.hidden = { choice = [[4], [5, 3]] }
[search]
seed = SEED
[budget]
trials = TRIALS
"""
PlanOf = Callable[..., StudyPlan]


def plan_with(plan_of: PlanOf, seed: int, trials: int = EIGHT, more: str = "") -> StudyPlan:
    return plan_of(TWO.replace("SEED", str(seed)).replace("TRIALS", str(trials)) + more)


def backlog_of(plan: StudyPlan, path: Path, storage: Storage | None = None) -> TrialQueue:
    pytest.importorskip("optuna")
    path.mkdir(exist_ok=True)
    search = Sampler(plan, storage, token="t", place="p", say=print)
    backlog = TrialQueue(plan, StudyFolder(path), search, set())
    backlog.sync()
    return backlog


def taken(backlog: TrialQueue, count: int = 99) -> list[Parameters]:
    points = []
    while len(points) < count and (found := backlog.next()) is not None:
        ticket, configuration = found
        backlog.held.add(configuration.key)  # type: ignore[attr-defined]
        points.append(configuration.parameters)
        backlog.search.tell(ticket, 0.5)
    return points


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_study_of_eight_tries_each_choice_four_times(
    plan_of: PlanOf, tmp_path: Path, seed: int
) -> None:
    plan = plan_with(plan_of, seed)
    points = taken(backlog_of(plan, tmp_path / "found"))
    assert len(points) == EIGHT
    assert Counter(point["optimizer.name"] for point in points) == {"sgd": 4, "momentum": 4}
    assert Counter(len(point["model.hidden"]) for point in points) == {1: 4, 2: 4}


def test_a_start_up_goes_on_after_a_kill_as_it_would_have(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_with(plan_of, 3)
    whole = taken(backlog_of(plan, tmp_path / "whole"))
    assert taken(backlog_of(plan, tmp_path / "killed"), 3) == whole[:3]
    again = taken(backlog_of(plan, tmp_path / "killed"))  # first those that were broken off
    assert (sorted(map(str, again[:3])), again[3:]) == (sorted(map(str, whole[:3])), whole[3:])


def test_several_workers_share_one_balanced_start_up(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_with(plan_of, 4)
    alone = taken(backlog_of(plan, tmp_path / "alone"))
    storage = Storage(f"sqlite:///{tmp_path / 'shared.db'}")
    workers = [backlog_of(plan, tmp_path / "shared", storage) for _ in range(3)]
    points: list[Parameters] = []
    while got := [point for worker in workers for point in taken(worker, 1)]:
        points += got
    assert points == alone


def test_the_start_up_ends_and_tpe_takes_over(plan_of: PlanOf, tmp_path: Path) -> None:
    def said(value: Callable[[Parameters], float], name: str) -> list[Parameters]:
        backlog = backlog_of(plan_with(plan_of, 0, 16), tmp_path / name)
        points = []
        while (found := backlog.next()) is not None:
            ticket, configuration = found
            points.append(configuration.parameters)
            backlog.search.tell(ticket, value(configuration.parameters))
        return points

    high = said(lambda point: point["optimizer.lr"], "high")
    low = said(lambda point: -point["optimizer.lr"], "low")
    assert high[:STARTUP] == low[:STARTUP]
    assert high[STARTUP:] != low[STARTUP:]


def test_what_is_too_large_does_not_stop_a_start_up(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_with(plan_of, 0, 4, "parameters = 170\n")  # of [5, 3] there is none so small
    points = taken(backlog_of(plan, tmp_path / "found"))
    assert len(points) == 4
    assert len({len(point["model.hidden"]) for point in points}) == 1


def test_a_removed_trial_leaves_its_number_free(plan_of: PlanOf, tmp_path: Path) -> None:
    plan = plan_with(plan_of, 0, 6)
    backlog = backlog_of(plan, tmp_path / "found")
    taken(backlog, 4)
    second = next(trial for trial in backlog.folder.trials() if trial.read().number == 2)
    (second.path / "trial.json").unlink()
    second.path.rmdir()
    taken(backlog_of(plan, tmp_path / "found"))
    numbers = sorted(trial.read().number for trial in backlog.folder.trials())
    assert numbers == [1, 3, 4, 5, 6, 7]
    assert isinstance(backlog.folder.trials()[0].read(), TrialRecord)
