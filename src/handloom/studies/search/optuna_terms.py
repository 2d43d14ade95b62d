"""A study's plan in Optuna's terms: distributions, a sampler, a pruner."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from handloom._optional import require
from handloom.studies.search.plan.domains import Axis, Choice, Int, Range, Value
from handloom.studies.search.plan.load import StudyPlan

if TYPE_CHECKING:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

_DIGITS = 12  # of a step's multiple


def kept(axis: Axis, value: Value) -> Any:
    """A value as Optuna keeps it: a choice that is a list or a table is its JSON there."""
    return json.dumps(value) if isinstance(axis, Choice) and _is_structured(value) else value


def suggest(trial: optuna.Trial, name: str, axis: Axis) -> Value:
    """The value of an axis in a trial: what it has already, or what the sampler draws."""
    if isinstance(axis, Choice):
        choices = [kept(axis, value) for value in axis.choice]
        return axis.choice[choices.index(trial.suggest_categorical(name, choices))]
    if isinstance(axis, Int):
        low, high = axis.ends()
        return trial.suggest_int(name, low, high, step=axis.step, log=axis.log)
    if isinstance(axis, Range):
        low, high = _bounds(axis)
        value = trial.suggest_float(name, low, high, step=axis.step)
        return value if axis.step is None else round(value, _DIGITS)
    return trial.suggest_float(name, *axis.log, log=True)


def distribution(axis: Axis) -> BaseDistribution:
    """What `suggest` draws from."""
    distributions = require("optuna", extra="tune").distributions
    if isinstance(axis, Choice):
        return distributions.CategoricalDistribution([kept(axis, value) for value in axis.choice])
    if isinstance(axis, Int):
        low, high = axis.ends()
        return distributions.IntDistribution(low, high, step=axis.step, log=axis.log)
    if isinstance(axis, Range):
        return distributions.FloatDistribution(*_bounds(axis), step=axis.step)
    return distributions.FloatDistribution(*axis.log, log=True)


def sampler(
    plan: StudyPlan,
    number: int,
    attempt: int,
    *,
    at_random: bool,
    start: Mapping[str, Value] | None = None,
) -> BaseSampler:
    """The plan's sampler, whose chance is a function of seed, `number` and `attempt`.

    With a `start`, the point of these values by the names of their axes.
    """
    samplers = require("optuna", extra="tune").samplers
    text = f"{plan.search.seed} {number} {attempt}".encode()
    seed = int.from_bytes(hashlib.sha256(text).digest()[:4], "big")
    if start is not None:
        fixed = {name: json.dumps(value) if _is_structured(value) else value
                 for name, value in start.items()}  # fmt: skip
        return samplers.PartialFixedSampler(fixed, samplers.RandomSampler(seed=seed))
    if plan.search.sampler == "tpe" and not at_random:
        return samplers.TPESampler(seed=seed, constant_liar=True)
    return samplers.RandomSampler(seed=seed)


def pruner(plan: StudyPlan) -> BasePruner:
    """The plan's pruner. The median's leaves five trials, and a fifth of the epochs, in peace."""
    pruners, epochs = require("optuna", extra="tune").pruners, plan.recipe.training.epochs
    if plan.search.pruner == "median":
        return pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=1 + epochs // 5)
    if plan.search.pruner == "hyperband":
        return pruners.HyperbandPruner(min_resource=1, max_resource=epochs)
    if plan.search.pruner == "successive-halving":
        return pruners.SuccessiveHalvingPruner(min_resource=1)
    return pruners.NopPruner()


def fingerprint(plan: StudyPlan) -> str:
    """What must not change under the trials that a storage holds, in eight characters."""
    settings = [plan.search.metric, plan.search.pruner]
    settings += [f"{path} {domain.model_dump_json()}" for path, domain in plan.space.items()]
    return hashlib.sha256("\n".join(settings).encode()).hexdigest()[:8]


def _is_structured(value: Value) -> bool:
    return isinstance(value, list | tuple | dict)


def _bounds(axis: Range) -> tuple[float, float]:
    """The lowest and the highest value; of a range with a step, its last one."""
    return axis.range[0], axis.range[1] if axis.count is None else axis.at(axis.count - 1)
