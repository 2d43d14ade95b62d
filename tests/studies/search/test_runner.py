"""The loop of a study: each configuration once, whatever happens in between."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handloom.errors import RunError
from handloom.recipes import load_recipe
from handloom.run import RunLock, session
from handloom.studies.search import Study
from handloom.studies.search.trial_queue import curve_of, ended_trial

Search = Callable[..., Any]
TPE = """
[space]
optimizer.name = { choice = ["sgd", "momentum"] }
optimizer.lr = { log = [0.003, 1.0] }
optimizer.momentum = { range = [0.5, 0.9], step = 0.1, when = { optimizer.name = "momentum" } }
model.hidden = { length = [1, 2], each = { int = [3, 6] } }
[search]
pruner = "median"
seed = 3
[budget]
trials = 14
"""


def told(study: Study) -> list[tuple[Any, ...]]:
    """All that must not depend on kills."""
    return [
        (
            trial.number,
            trial.key,
            trial.state,
            trial.why,
            trial.value,
            trial.spread,
            len(trial.runs),
        )
        for trial in study.trials
    ]


def test_a_grid_is_trained_as_ordinary_runs(plan_of: Search, search: Search) -> None:
    study, crew, diary = search(plan_of())
    keys = [study.plan.configuration(point).key for point in study.space.points() or []]
    assert [trial.key for trial in study.trials] == keys == diary.begun
    assert diary.total == len(keys) == 6
    assert [trial.number for trial in study.trials] == list(range(1, 7))
    trial = study.trials[3]
    alone = session.train(
        load_recipe(study.configuration(trial).recipe, {"training.threads": 1, "seed": 0}),
        run_dir=study.path / "alone",
        pictures=False,
    )
    assert trial.runs[0].history.epochs[-1]["val_loss"] == alone.history.epochs[-1]["val_loss"]
    assert {tuple(m.recipe.seed for m in task.members()) for task in crew.tasks} == {(0,)}
    assert not list(study.path.rglob("figures/*.png"))


def test_the_best_is_the_best_epoch_of_the_best_trial(plan_of: Search, search: Search) -> None:
    study, *_ = search(plan_of())
    by_hand = {
        trial.key: max(row["val_accuracy"] for row in trial.runs[0].history.epochs)
        for trial in study.trials
    }
    assert study.best is not None
    assert study.best.value == max(by_hand.values())
    assert [trial.value for trial in study.ranking] == sorted(by_hand.values(), reverse=True)


def test_seeds_are_trained_together_and_their_spread_told(plan_of: Search, search: Search) -> None:
    plan = plan_of(
        "[space]\noptimizer.lr = { choice = [0.05, 0.3] }\n"
        '[search]\nsampler = "grid"\nminimise = "val_loss"\nseeds = [3, 0, 7]\n'
    )
    study, *_ = search(plan)
    trial = study.trials[0]
    assert [run.recipe.seed for run in trial.runs] == [3, 0, 7]
    # The recipe keeps its best epoch by accuracy; the loss is the one of that epoch.
    losses = []
    for run in trial.runs:
        rows = run.history.epochs
        losses.append(rows[int(np.argmax([row["val_accuracy"] for row in rows]))]["val_loss"])
    assert trial.value == pytest.approx(statistics.fmean(losses), abs=1e-15)
    assert trial.spread == pytest.approx(np.std(losses, ddof=1), abs=1e-15)
    assert study.best is min(study.trials, key=lambda each: each.value or np.inf)


@pytest.mark.parametrize("die_after", [1, 4, 7])
def test_a_grid_goes_on_after_a_kill(
    plan_of: Search, search: Search, killed: type[BaseException], die_after: int
) -> None:
    plan = plan_of()
    undisturbed, *_ = search(plan, name="undisturbed")
    with pytest.raises(killed):
        search(plan, die_after=die_after)
    study, crew, _ = search(plan)
    assert told(study) == told(undisturbed)
    done = die_after // 3  # trials of three epochs each
    assert len(crew.tasks) == 6 - done


def test_a_sampled_and_pruned_study_has_the_same_result_after_any_number_of_kills(
    plan_of: Search, search: Search, killed: type[BaseException]
) -> None:
    plan = plan_of(TPE)
    undisturbed, *_ = search(plan, name="undisturbed")
    assert {trial.state for trial in undisturbed.trials} == {"complete", "pruned"}
    kills = 0
    while True:
        try:
            study, *_ = search(plan, die_after=2 + kills % 3)
            break
        except killed:
            kills += 1
    assert kills > 5
    assert told(study) == told(undisturbed)


def test_the_pruner_hears_the_first_seed_alone_and_not_its_last_epoch(
    plan_of: Search, search: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    from handloom.studies.search.sampling import Sampler as Optuna

    heard: list[tuple[str, int, float | None]] = []

    def listen(self: Any, ticket: Any, epoch: int, value: float | None) -> bool:
        heard.append((str(ticket.parameters), epoch, value))
        return False

    monkeypatch.setattr(Optuna, "is_hopeless", listen)
    text = "seeds = [3, 0, 7]\npruner = 'median'\n"
    study, *_ = search(
        plan_of(
            "[space]\noptimizer.lr = { choice = [0.05, 0.3] }\n"
            f"[search]\nsampler = 'grid'\n{text}"
        )
    )
    expected = [
        (str(trial.parameters), row["epoch"], row["val_accuracy"])
        for trial in study.trials
        for row in trial.runs[0].history.epochs[:-1]
    ]
    assert len(expected) == 4
    assert [run.recipe.seed for run in study.trials[0].runs] == [3, 0, 7]
    assert heard == expected
    for trial in study.trials:  # and what a process that goes on tells its pruner
        told = [row["val_accuracy"] for row in trial.runs[0].history.epochs]
        assert curve_of(trial) == ended_trial(trial).curve == told


def test_a_later_seed_is_not_given_up_however_bad_it_is(
    plan_of: Search, search: Search, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from handloom.studies.search.sampling import Sampler as Optuna

    monkeypatch.setattr(Optuna, "is_hopeless", lambda self, ticket, epoch, value: True)
    one = "[space]\noptimizer.lr = { choice = [0.05] }\n[search]\nsampler = 'grid'\n"
    plan = plan_of(f"{one}seeds = [1, 2]\npruner = 'median'\n")
    pruned, *_ = search(plan, name="first")
    assert [trial.state for trial in pruned.trials] == ["pruned"]
    assert [len(run.history.epochs) for run in pruned.trials[0].runs] == [1]
    assert "median pruner stopped it after epoch 1" in pruned.trials[0].why

    def later(self: Any, ticket: Any, epoch: int, value: float | None) -> bool:
        begun = next((tmp_path / "second").glob("trials/*/seed-2/metrics.jsonl"), None)
        return begun is not None and begun.stat().st_size > 0

    monkeypatch.setattr(Optuna, "is_hopeless", later)
    whole, *_ = search(plan, name="second")
    assert [len(run.history.epochs) for run in whole.trials[0].runs] == [3, 3]


def test_a_pruned_trial_stops_early_and_stays_pruned(plan_of: Search, search: Search) -> None:
    study, *_ = search(plan_of(TPE))
    pruned = [trial for trial in study.trials if trial.state == "pruned"]
    assert all(0 < len(trial.runs[0].history.epochs) < 3 for trial in pruned)
    assert all("median pruner" in trial.why for trial in pruned)
    assert not {trial.key for trial in pruned} & {trial.key for trial in study.ranking}
    again, crew, _ = search(plan_of(TPE))
    assert crew.tasks == []
    assert told(again) == told(study)


def test_a_wider_space_and_more_seeds_train_what_is_missing(
    plan_of: Search, search: Search
) -> None:
    text = (
        "[space]\noptimizer.lr = {{ choice = {} }}\n[search]\nsampler = 'grid'\nseeds = {}\n".format
    )
    first = told(search(plan_of(text([0.1, 0.2], [0])))[0])
    wider, crew, diary = search(plan_of(text([0.1, 0.2, 0.4], [0])))
    before = [trial.runs[0].history.rows for trial in wider.trials]
    assert [task.key for task in crew.tasks] == [wider.trials[2].key]
    assert told(wider)[:2] == first
    assert diary.total == 3
    seeded, crew, _ = search(plan_of(text([0.1, 0.2, 0.4], [0, 1])))
    assert len(crew.tasks) == 3
    assert all(len(trial.runs) == 2 and trial.state == "complete" for trial in seeded.trials)
    assert [trial.runs[0].history.rows for trial in seeded.trials] == before


def test_a_configuration_that_diverges_is_one_that_failed(plan_of: Search, search: Search) -> None:
    plan = plan_of(
        "[overrides]\nloss.name = 'mse'\n[space]\noptimizer.lr = { choice = [0.1, 1e30] }\n"
        "[search]\nsampler = 'grid'\n"
    )
    study, _, diary = search(plan)
    good, bad = study.trials
    assert (good.state, bad.state) == ("complete", "failed")
    assert "no longer finite" in bad.why
    assert study.best is not None
    assert study.best.key == good.key
    assert (bad.key, "failed") in diary.ended
    _, crew, _ = search(plan)
    assert crew.tasks == []


def test_a_trial_that_somebody_holds_is_set_aside(
    plan_of: Search, search: Search, killed: type[BaseException], tmp_path: Path
) -> None:
    plan = plan_of()
    with pytest.raises(killed):
        search(plan, die_after=1)
    begun, *_ = tmp_path.glob("found/trials/*/seed-0")
    with RunLock(begun):
        study, _, diary = search(plan)
        assert [trial.state for trial in study.trials] == ["running"] + ["complete"] * 5
    assert "in use by" in diary.notes[0]
    study, crew, _ = search(plan)
    assert len(crew.tasks) == 1
    assert {trial.state for trial in study.trials} == {"complete"}


def test_where_nothing_can_be_trained_the_study_ends(
    plan_of: Search, search: Search, bars: Path
) -> None:
    plan = plan_of()
    bars.with_name("labels.csv").unlink()
    with pytest.raises(RunError, match=r"the study cannot continue: .*labels.csv"):
        search(plan)
