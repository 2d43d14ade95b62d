"""The search: Optuna's answers, which depend on nothing that a kill would lose."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handloom.errors import RunError
from handloom.studies.search import StudyPlan
from handloom.studies.search.sampling import EndedTrial, Sampler
from handloom.studies.search.storage import Storage

optuna = pytest.importorskip("optuna")
WIDE = """
[space]
optimizer.name = { choice = ["sgd", "momentum"] }
optimizer.lr = { log = [0.003, 1.0] }
model.hidden = { length = [1, 2], each = { choice = [3, 6] } }
model.dropout = { range = [0.0, 0.5], step = 0.1 }
"""


def made(plan: StudyPlan, storage: Storage | None = None, token: str = "one") -> Sampler:
    return Sampler(plan, storage, token=token, place="a folder", say=lambda text: None)


def lr_is_good(parameters: dict[str, Any]) -> float:
    return -abs(parameters["optimizer.lr"] - 0.1)


def searched(
    plan: StudyPlan, count: int, value: Callable[[dict[str, Any]], float] = lr_is_good
) -> list[dict[str, Any]]:
    search, points = made(plan), []
    for number in range(count):
        ticket = search.ask(number, 0, fresh=True)
        assert ticket is not None
        points.append(ticket.parameters)
        search.mark(ticket, str(number))
        search.tell(ticket, value(ticket.parameters))
    return points


@pytest.mark.parametrize("sampler", ["random", "tpe"])
def test_a_search_that_is_made_anew_goes_on_as_the_old_one_would(
    plan_of: Callable[..., StudyPlan], sampler: str
) -> None:
    plan = plan_of(f'{WIDE}[search]\nsampler = "{sampler}"\nseed = 1\n[budget]\ntrials = 30\n')
    points = searched(plan, 20)
    assert all(plan.space.axes(point) is not None for point in points)
    for kept in (0, 1, 11, 19):
        search = made(plan)
        pasts = [EndedTrial(str(n), p, [], lr_is_good(p)) for n, p in enumerate(points[:kept])]
        search.sync(pasts, {})
        ticket = search.ask(kept, 0, fresh=True)
        assert ticket is not None
        assert ticket.parameters == points[kept]


def test_another_seed_searches_elsewhere(plan_of: Callable[..., StudyPlan]) -> None:
    text = f"{WIDE}[search]\nsampler = 'random'\nseed = {{}}\n[budget]\ntrials = 9\n"
    one, other = (searched(plan_of(text.replace("{}", seed)), 3) for seed in "12")
    assert one != other


def test_random_does_not_listen_and_tpe_does(plan_of: Callable[..., StudyPlan]) -> None:
    def far(parameters: dict[str, Any]) -> float:
        return abs(parameters["optimizer.lr"] - 0.1)

    for sampler, listens in (("random", False), ("tpe", True)):
        plan = plan_of(f'{WIDE}[search]\nsampler = "{sampler}"\n[budget]\ntrials = 30\n')
        assert (searched(plan, 25) != searched(plan, 25, far)) == listens


def test_tpe_finds_what_is_good(plan_of: Callable[..., StudyPlan]) -> None:
    plan = plan_of(f"{WIDE}[budget]\ntrials = 40\n")
    late = searched(plan, 40)[25:]
    assert sum(0.03 < point["optimizer.lr"] < 0.3 for point in late) > len(late) / 2


def test_what_waits_is_handed_out_first_and_once(plan_of: Callable[..., StudyPlan]) -> None:
    plan = plan_of(f"{WIDE}[budget]\ntrials = 9\n")
    points = {str(n): point for n, point in enumerate(searched(plan, 3))}
    search = made(plan)
    search.offer(points)
    search.offer(points, goes_on=True)
    asked = [search.ask(0, attempt, fresh=False) for attempt in range(4)]
    assert [ticket and ticket.parameters for ticket in asked] == [*points.values(), None]
    assert not any(ticket.goes_on for ticket in asked if ticket)
    search.sync([], points)
    assert search.ask(0, 0, fresh=False) is None  # they are under way
    search.dismiss(asked[1])  # type: ignore[arg-type]
    search.sync([], points)
    again = search.ask(0, 0, fresh=False)
    assert again is not None
    assert (again.parameters, again.goes_on) == (points["1"], True)


@pytest.mark.parametrize("pruner", ["median", "hyperband", "successive-halving"])
def test_pruners_decide_as_optuna_does_by_itself(
    plan_of: Callable[..., StudyPlan], pruner: str
) -> None:
    plan = plan_of(
        f'{WIDE}[search]\nsampler = "random"\npruner = "{pruner}"\n[budget]\ntrials = 30\n'
    )
    epochs = plan.recipe.training.epochs
    theirs = {
        "median": optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1),
        "hyperband": optuna.pruners.HyperbandPruner(1, epochs),
        "successive-halving": optuna.pruners.SuccessiveHalvingPruner(1),
    }[pruner]
    search = made(plan)
    alone = optuna.create_study(
        direction="maximize", pruner=theirs, study_name=search._study.study_name
    )
    decisions, expected = [], []
    pasts = []
    for number in range(12):
        curve = [((7 * number + 3 * epoch) % 10) / 10 for epoch in range(1, epochs + 1)]
        if number == 6:  # a process that begins anew decides like the one that it replaces
            search = made(plan)
            search.sync(pasts, {})
        ticket, trial = search.ask(number, 0, fresh=True), alone.ask()
        assert ticket is not None
        search.mark(ticket, str(number))
        seen = 0
        for epoch, value in enumerate(curve, start=1):
            seen = epoch
            decisions.append(search.is_hopeless(ticket, epoch, value))
            trial.report(value, epoch)
            expected.append(trial.should_prune())
            if expected[-1]:
                break
        pruned = expected[-1]
        search.tell(ticket, None if pruned else curve[-1])
        state = optuna.trial.TrialState.PRUNED if pruned else optuna.trial.TrialState.COMPLETE
        alone.tell(trial, values=None if pruned else curve[-1], state=state)
        value = None if pruned else curve[-1]
        pasts.append(EndedTrial(str(number), ticket.parameters, curve[:seen], value))
    assert decisions == expected
    assert any(expected)
    assert not all(expected)


def test_a_storage_is_shared_by_processes_of_one_folder(
    plan_of: Callable[..., StudyPlan], tmp_path: Path
) -> None:
    plan = plan_of(f"{WIDE}[budget]\ntrials = 9\n")
    storage = Storage(f"sqlite:///{tmp_path / 'shared.db'}")
    one, other = made(plan, storage), made(plan, storage)
    one.offer({"a": searched(plan, 1)[0]})
    ticket = other.ask(0, 0, fresh=False)
    assert ticket is not None
    assert one.ask(0, 0, fresh=False) is None
    other.tell(ticket, 0.5)
    one.offer({})
    assert one._keys(optuna.trial.TrialState.COMPLETE) == {"a"}
    with pytest.raises(RunError, match=r"whose folder is a folder; give that folder with --out"):
        made(plan, storage, token="two")


def _let_time_pass(database: Path) -> None:
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE trial_heartbeats SET heartbeat = '2000-01-01 00:00:00'")
    connection.close()


def sharing(
    plan_of: Callable[..., StudyPlan], folder: Path
) -> tuple[dict[str, Any], Sampler, Sampler]:
    """A point that waits under the name a, and two searches that share it."""
    plan = plan_of(f"{WIDE}[budget]\ntrials = 9\n")
    point = searched(plan, 1)[0]
    storage = Storage(f"sqlite:///{folder / 'shared.db'}", grace=1)
    one, other = made(plan, storage), made(plan, storage)
    one.offer({"a": point})
    return point, one, other


def test_who_is_silent_is_taken_over(plan_of: Callable[..., StudyPlan], tmp_path: Path) -> None:
    point, one, other = sharing(plan_of, tmp_path)
    ticket = one.ask(0, 0, fresh=False)
    assert ticket is not None
    other.sync([], {"a": point})
    assert other.ask(0, 0, fresh=False) is None
    _let_time_pass(tmp_path / "shared.db")
    other.sync([], {"a": point})
    taken = other.ask(0, 0, fresh=False)
    assert taken is not None
    assert taken.goes_on
    assert not one.is_hopeless(ticket, 1, 0.5)
    one.tell(ticket, 0.5)  # too late, and no harm
    other.tell(taken, 0.7)
    values = [trial.value for trial in one._study.trials if trial.value is not None]
    assert values == [0.7]


def test_a_trial_that_has_ended_and_is_not_told_of_yet_counts_once(
    plan_of: Callable[..., StudyPlan], tmp_path: Path
) -> None:
    point, one, other = sharing(plan_of, tmp_path)
    ticket = one.ask(0, 0, fresh=False)
    assert ticket is not None
    other.sync([EndedTrial("a", point, [0.5], 0.5)], {})
    one.tell(ticket, 0.5)
    other.sync([EndedTrial("a", point, [0.5], 0.5)], {})
    values = [trial.value for trial in one._study.trials if trial.value is not None]
    assert values == [0.5]


def test_a_trial_that_has_ended_is_learnt_of_when_who_trained_it_is_gone(
    plan_of: Callable[..., StudyPlan], tmp_path: Path
) -> None:
    point, one, other = sharing(plan_of, tmp_path)
    assert one.ask(0, 0, fresh=False) is not None
    _let_time_pass(tmp_path / "shared.db")
    other.sync([EndedTrial("a", point, [0.5], 0.5)], {})
    assert [trial.value for trial in one._study.trials if trial.value is not None] == [0.5]
