"""What is left of a study: budgets are kept to the last one, and nothing is proposed for ever."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handloom.errors import ConfigError
from handloom.run.assemble import summarise_network
from handloom.studies.search import StudyPlan
from handloom.studies.search.sampling import Sampler
from handloom.studies.search.storage import Storage
from handloom.studies.search.trial_queue import TrialQueue, grid_points

pytest.importorskip("optuna")
SIX = """
[space]
optimizer.lr = { choice = [0.1, 0.2, 0.3] }
model.hidden = { choice = [[4], [8]] }
"""
PlanOf = Callable[..., StudyPlan]


def taken(plan: StudyPlan, folder: Any, search: Sampler) -> list[str]:
    """Keys of all that one process gets, each of which it fails to train."""
    held: set[str] = set()
    backlog, keys = TrialQueue(plan, folder, search, held), []
    backlog.sync()
    while (found := backlog.next()) is not None:
        ticket, configuration = found
        held.add(configuration.key)
        keys.append(configuration.key)
        search.tell(ticket, float(len(keys)))
    return keys


def made(plan: StudyPlan, folder: Any, storage: Storage | None = None) -> Sampler:
    return Sampler(plan, storage, token="t", place="p", say=print)


@pytest.fixture
def folder(tmp_path: Path) -> Any:
    from handloom.studies.search.folder import StudyFolder

    (tmp_path / "found").mkdir()
    return StudyFolder(tmp_path / "found")


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_every_point_of_a_small_space_is_found_once(
    plan_of: PlanOf, folder: Any, sampler: str
) -> None:
    plan = plan_of(f'{SIX}[search]\nsampler = "{sampler}"\n[budget]\ntrials = 100\n')
    keys = taken(plan, folder, made(plan, folder))
    every = {plan.configuration(point).key for point in plan.space.points() or []}
    assert len(keys) == 6
    assert set(keys) == every


@pytest.mark.parametrize("sampler", ["grid", "random"])
def test_a_budget_of_trials_is_kept(plan_of: PlanOf, folder: Any, sampler: str) -> None:
    plan = plan_of(f'{SIX}[search]\nsampler = "{sampler}"\n[budget]\ntrials = 4\n')
    assert len(taken(plan, folder, made(plan, folder))) == len(folder.trials()) == 4


def test_two_processes_share_a_budget_and_no_configuration(
    plan_of: PlanOf, folder: Any, tmp_path: Path
) -> None:
    plan = plan_of(f'{SIX}[search]\nsampler = "grid"\n[budget]\ntrials = 5\n')
    storage = Storage(f"sqlite:///{tmp_path / 'shared.db'}")
    searches = [made(plan, folder, storage) for _ in range(2)]
    backlogs = [TrialQueue(plan, folder, search, set()) for search in searches]
    for backlog in backlogs:
        backlog.sync()
    keys = []
    while found := [pair for backlog in backlogs if (pair := backlog.next())]:
        keys += [configuration.key for _, configuration in found]
    assert len(keys) == len(set(keys)) == len(folder.trials()) == 5
    assert sorted(folder.trial(key).read().number for key in keys) == list(range(1, 6))


@pytest.mark.parametrize("sampler", ["grid", "tpe"])
def test_networks_beyond_the_budget_are_not_trained(
    plan_of: PlanOf, folder: Any, sampler: str
) -> None:
    plan = plan_of(f"{SIX}[search]\nsampler = 'grid'\n")
    sizes = {
        key: summarise_network(plan.configuration(point).recipe).network.parameters
        for key, point in grid_points(plan, folder).items()
    }
    most = min(sizes.values())
    assert max(sizes.values()) > most
    small = {key for key, size in sizes.items() if size <= most}
    text = f'[search]\nsampler = "{sampler}"\n[budget]\nparameters = {most}\ntrials = 9\n'
    limited = plan_of(f"{SIX}{text}")
    assert sorted(taken(limited, folder, made(limited, folder))) == sorted(small)


def test_nothing_is_begun_when_time_is_up(plan_of: PlanOf, folder: Any) -> None:
    plan = plan_of(f"{SIX}[search]\nsampler = 'grid'\n").limited(minutes=1e-9)
    search = made(plan, folder)
    backlog = TrialQueue(plan, folder, search, set())
    backlog.sync()
    time.sleep(0.001)
    assert backlog.time_is_up
    assert backlog.next() is None
    assert folder.trials() == []


def test_a_point_that_no_recipe_can_be_is_said_at_once(plan_of: PlanOf, folder: Any) -> None:
    plan = plan_of(
        "[overrides]\naugment.erase_max = 8\n[space]\n"
        "augment.erase_min = { choice = [3, 6] }\naugment.erase_max = { choice = [4, 8] }\n"
        "[search]\nsampler = 'grid'\n"
    )
    with pytest.raises(
        ConfigError, match=r"an impossible point: .*erase_min 6 is above erase_max 4.*`when`"
    ):
        grid_points(plan, folder)
