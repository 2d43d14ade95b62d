"""Every key of a study, set off its default, is seen in what is searched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from key import schema

from handloom.studies.search import Study, StudyPlan, load_study
from handloom.studies.search import optuna_terms as terms
from handloom.studies.search.plan.schema import StudyFile
from handloom.studies.search.tune import study_path

pytest.importorskip("optuna")

LR = "optimizer.lr = { choice = [0.05, 0.2] }"
GRID = '[search]\nsampler = "grid"\n'
RANDOM = '[search]\nsampler = "random"\n[budget]\ntrials = 3\n'
Searched = Callable[[StudyPlan], Study]


@dataclass(frozen=True)
class Key:
    """Two studies, without and with the key, and what is then seen of each."""

    without: str
    given: str
    look: Callable[[StudyPlan, Searched], Any]
    expected: Any


def study(head: str = "", space: str = LR, rest: str = GRID) -> str:
    return f"{head}\n[space]\n{space}\n{rest}"


def sampler(plan: StudyPlan, searched: Searched) -> str:
    return type(terms.sampler(plan, 0, 0, at_random=False)).__name__


def pruner(plan: StudyPlan, searched: Searched) -> str:
    return type(terms.pruner(plan)).__name__


def drawn(plan: StudyPlan, searched: Searched) -> list[Any]:
    return [trial.parameters["optimizer.lr"] for trial in searched(plan).trials]


def ranked_by_loss(plan: StudyPlan, searched: Searched) -> bool:
    """Whether trials are in the order of a falling validation loss, and valued by it."""
    losses = [trial.mean("val_loss") for trial in searched(plan).ranking]
    return [trial.value for trial in searched(plan).ranking] == losses == sorted(losses)


def axis(plan: StudyPlan, searched: Searched) -> Any:
    """What Optuna draws the learning rate or the batch size from."""
    (domain,) = plan.space.values()
    return terms.distribution(domain)  # type: ignore[arg-type]


def values(plan: StudyPlan, searched: Searched) -> Any:
    (domain,) = plan.space.values()
    return domain.values()


def log_of(plan: StudyPlan, searched: Searched) -> Any:
    found = axis(plan, searched)
    return found.low, found.high, found.log


def of(domain: str) -> str:
    return study(space=f"training.batch_size = {domain}", rest=RANDOM)


def rates(domain: str) -> str:
    return study(space=f"optimizer.lr = {domain}", rest=RANDOM)


def widths(domain: str) -> str:
    return study(space=f"model.hidden = {domain}", rest=GRID)


def waiting(domain: str, path: str = "optimizer.momentum") -> Key:
    """A key that exists beside one value of another alone."""
    kinds = "optimizer.name = { choice = ['sgd', 'momentum'] }\n"
    free = f"{kinds}{path} = {{ {domain} }}"
    when = f"{kinds}{path} = {{ {domain}, when = {{ 'optimizer.name' = 'momentum' }} }}"

    def beside_sgd(plan: StudyPlan, searched: Searched) -> bool:
        return plan.space[path].applies({"optimizer.name": "sgd"})

    free = free.replace("momentum =", "lr =") if path == "optimizer.momentum" else free
    when = when.replace("optimizer.momentum =", "optimizer.lr =")
    path = "optimizer.lr" if path == "optimizer.momentum" else path
    return Key(study(space=free, rest=RANDOM), study(space=when, rest=RANDOM), beside_sgd, False)


KEYS: dict[str, Key] = {
    "schema.StudyFile.name": Key(
        study(), study('name = "mine"'),
        lambda plan, _: (plan.name, study_path("study", plan, None)),
        ("mine", Path("runs/mine")),
    ),
    "schema.StudyFile.description": Key(
        study(), study('description = "Why"'), lambda plan, _: plan.description, "Why"
    ),
    "schema.StudyFile.recipe": Key(
        study(), study('recipe = "other.toml"'), lambda plan, _: plan.recipe.optimizer.lr, 0.7
    ),
    "schema.StudyFile.overrides": Key(
        study(), study("overrides.training.epochs = 1"),
        lambda plan, searched: [
            len(run.history.epochs) for trial in searched(plan).trials for run in trial.runs
        ],
        [1, 1],
    ),
    "schema.StudyFile.space": Key(
        study(), study(space="optimizer.lr = { choice = [0.3] }"), drawn, [0.3]
    ),
    "schema.SearchTable.sampler": Key(
        study(rest=RANDOM), study(rest="[budget]\ntrials = 3\n"), sampler, "TPESampler"
    ),
    "schema.SearchTable.pruner": Key(
        study(), study(rest=f'{GRID}pruner = "median"\n'), pruner, "MedianPruner"
    ),
    "schema.SearchTable.pruner=hyperband": Key(
        study(), study(rest=f'{GRID}pruner = "hyperband"\n'), pruner, "HyperbandPruner"
    ),
    "schema.SearchTable.pruner=successive-halving": Key(
        study(), study(rest=f'{GRID}pruner = "successive-halving"\n'), pruner,
        "SuccessiveHalvingPruner",
    ),
    "schema.SearchTable.maximise": Key(
        study(rest=f'{GRID}minimise = "val_loss"\n'),
        study(rest=f'{GRID}maximise = "val_accuracy"\n'),
        lambda plan, _: plan.search.metric, "val_accuracy",
    ),
    "schema.SearchTable.minimise": Key(
        study(), study(rest=f'{GRID}minimise = "val_loss"\n'), ranked_by_loss, True
    ),
    "schema.SearchTable.seeds": Key(
        study(), study(rest=f"{GRID}seeds = [3, 4]\n"),
        lambda plan, searched: [
            run.recipe.seed for trial in searched(plan).trials for run in trial.runs
        ],
        [3, 4, 3, 4],
    ),
    "schema.Budget.trials": Key(
        study(), study(rest=f"{GRID}[budget]\ntrials = 1\n"),
        lambda plan, searched: len(searched(plan).trials), 1,
    ),
    "schema.Budget.minutes": Key(
        study(), study(rest=f"{GRID}[budget]\nminutes = 1e-9\n"),
        lambda plan, searched: len(searched(plan).trials), 0,
    ),
    "schema.Budget.parameters": Key(
        widths("{ choice = [[4], [8]] }"),
        f"{widths('{ choice = [[4], [8]] }')}[budget]\nparameters = 200\n",
        lambda plan, searched: [
            trial.parameters["model.hidden"] for trial in searched(plan).trials
        ],
        [[4]],  # 36 · 4 + 4 + 4 · 3 + 3 = 163, and 323 of the other
    ),
    "domains.Choice.choice": Key(
        of("{ choice = [8, 16] }"), of("{ choice = [8, 32] }"),
        lambda *of: axis(*of).choices, (8, 32),
    ),
    "domains.Range.range": Key(
        rates("{ range = [0.1, 0.5] }"), rates("{ range = [0.2, 0.3] }"), log_of,
        (0.2, 0.3, False),
    ),
    "domains.Range.step": Key(
        rates("{ range = [0.1, 0.5] }"), rates("{ range = [0.1, 0.5], step = 0.2 }"), values,
        [0.1, 0.3, 0.5],
    ),
    "domains.Log.log": Key(
        rates("{ log = [0.01, 0.5] }"), rates("{ log = [0.1, 0.5] }"), log_of, (0.1, 0.5, True)
    ),
    "domains.Int.int": Key(
        of("{ int = [8, 16] }"), of("{ int = [4, 9] }"), log_of, (4, 9, False)
    ),
    "domains.Int.step": Key(
        of("{ int = [8, 16] }"), of("{ int = [8, 16], step = 4 }"), values, [8, 12, 16]
    ),
    "domains.Int.log": Key(
        of("{ int = [8, 16] }"), of("{ int = [8, 16], log = true }"), log_of, (8, 16, True)
    ),
    "domains.ListOf.length": Key(
        widths("{ length = [1, 2], each = { choice = [4, 5] } }"),
        widths("{ length = [2, 2], each = { choice = [4, 5] } }"), values,
        [[4, 4], [4, 5], [5, 4], [5, 5]],
    ),
    "domains.ListOf.each": Key(
        widths("{ length = [1, 1], each = { choice = [4, 5] } }"),
        widths("{ length = [1, 1], each = { choice = [6] } }"), values, [[6]],
    ),
    "domains.Choice.when": waiting("choice = [0.1, 0.2]"),
    "domains.Range.when": waiting("range = [0.1, 0.2]"),
    "domains.Log.when": waiting("log = [0.1, 0.2]"),
    "domains.Int.when": waiting("int = [8, 16]", "training.batch_size"),
    "domains.ListOf.when": waiting(
        "length = [1, 2], each = { choice = [4, 5] }", "model.hidden"
    ),
}  # fmt: skip
TABLES = {"schema.StudyFile.search", "schema.StudyFile.budget", "schema.SearchTable.seed"}
"""Tables whose keys are here one by one; and a seed, which gives other draws: below."""


def test_every_key_of_a_study_is_tried() -> None:
    found = set(schema(StudyFile, set()))
    assert len(found) > 20
    assert {key.partition("=")[0] for key in KEYS} | TABLES == found


@pytest.fixture
def searched(search: Any) -> Searched:
    count = iter(range(10))
    return lambda plan: search(plan, name=f"found-{next(count)}")[0]


@pytest.mark.parametrize("name", KEYS)
def test_a_key_is_seen_in_what_is_searched(
    name: str, bars: Path, searched: Searched, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = bars.read_text().replace("lr = 0.2", "lr = 0.7")
    bars.with_name("other.toml").write_text(other)
    key = KEYS[name]

    def seen(text: str, stem: str) -> Any:
        head = "" if text.startswith("recipe") else 'recipe = "bars.toml"\n'
        path = bars.with_name(f"{stem}.toml")
        path.write_text(f"{head}{text}")
        return key.look(load_study(path), searched)

    assert seen(key.given, "given") == key.expected
    assert seen(key.without, "without") != key.expected


def test_a_study_s_seed_gives_other_draws(plan_of: Any, searched: Searched) -> None:
    space = "[space]\noptimizer.lr = { log = [0.01, 0.5] }\n"

    def draws(seed: int) -> list[Any]:
        text = f"{space}{RANDOM}".replace("[budget]", f"seed = {seed}\n[budget]")
        return drawn(plan_of(text), searched)

    assert draws(1) == draws(1)
    assert draws(1) != draws(2)


def test_a_pruner_hears_the_first_seed_alone(
    plan_of: Any, search: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Epochs of later seeds would be told of again under the same numbers."""
    from handloom.studies.search.sampling import Sampler

    heard: list[tuple[int, float | None]] = []
    told = Sampler.is_hopeless

    def listening(self: Sampler, ticket: Any, epoch: int, value: float | None) -> bool:
        heard.append((epoch, value))
        return told(self, ticket, epoch, value)

    monkeypatch.setattr(Sampler, "is_hopeless", listening)
    rest = 'sampler = "grid"\npruner = "median"\nseeds = [7, 0]\n'
    study, *_ = search(plan_of(f"[space]\noptimizer.lr = {{ choice = [0.2] }}\n[search]\n{rest}"))
    (trial,) = study.trials
    first = next(run for run in trial.runs if run.recipe.seed == 7)
    curve = [row["val_accuracy"] for row in first.history.epochs]
    assert heard == list(enumerate(curve[:-1], start=1))  # after the last it would be too late
