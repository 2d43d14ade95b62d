"""Training an ensemble: a series over folds and seeds, then one evaluation of all together."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from handloom._files import sweep, write_atomic, write_json
from handloom.engines import check_threads
from handloom.engines.processes import find_place
from handloom.errors import ConfigError
from handloom.recipes import Recipe, load_recipe
from handloom.run import RunLock, assemble, new_run
from handloom.series import Listener, Series, check_on, relocated, train_all
from handloom.series.plan import check_members
from handloom.studies.ensemble.ensemble import (
    OUT_OF_FOLD,
    RESULT,
    Ensemble,
    read_plan,
    write_plan,
)


def train_ensemble(
    recipe: str | Path | Recipe = "digits",
    *,
    folds: int | None = None,
    seeds: int | Sequence[int] = 1,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    run_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    workers: int | None = None,
    on: str | None = None,
    listener: Listener | None = None,
) -> Ensemble:
    """Train a recipe once for each of `folds` folds and each of `seeds`, into one folder.

    With folds, the training images are divided anew for every seed, each class in proportion; a
    member validates on its fold and learns from the others, so that each image is judged by members
    that did not see it. Without, members differ in their seed, and so in their own validation
    split. `seeds` is a count, from the recipe's seed up, or the seeds themselves. Members are
    ordinary runs without figures. `workers` and `on` as for `series.train_all`. Raises what
    `run.session.train` raises, before anything is written; ConfigError for less than two members,
    or under torchrun.
    """
    _check_alone()
    check_on(on)
    base = load_recipe(recipe, overrides)
    if base.data.folds is not None:
        raise ConfigError("the recipe has a fold of its own; remove data.folds and data.fold")
    if on is None:
        check_threads(base.training.threads)
    chosen = range(base.seed, base.seed + seeds) if isinstance(seeds, int) else seeds
    if not chosen or (folds is None and len(chosen) == 1):
        raise ConfigError(f"an ensemble needs folds, or at least two seeds; seeds is {seeds}")
    check_members(folds, len(chosen))
    plan = Series(base, tuple(chosen), folds)
    _check_members(plan, None if data_dir is None else Path(data_dir))
    run_folder = new_run(recipe, run_dir)
    with RunLock(run_folder.path):
        run_folder.check_empty()
        write_plan(run_folder.path, plan)
        return _train(run_folder.path, plan, data_dir, workers, on, listener)


def resume_ensemble(
    run_dir: str | Path,
    *,
    data_dir: str | Path | None = None,
    workers: int | None = None,
    on: str | None = None,
    listener: Listener | None = None,
) -> Ensemble:
    """Resume an ensemble that was killed or stopped: its members end in the same bits.

    Raises RunError where there is no ensemble, or where another process trains it.
    """
    _check_alone()
    folder = Path(run_dir)
    plan = read_plan(folder)
    with RunLock(folder):
        sweep(folder)
        return _train(folder, plan, data_dir, workers, on, listener)


def _check_alone() -> None:
    if find_place().size > 1:
        raise ConfigError(
            "an ensemble is trained by one process; start handloom without torchrun, or train "
            "its members one by one"
        )


def _check_members(plan: Series, data_dir: Path | None) -> None:
    """Whatever cannot be trained is found before anything is written."""
    first, *others = plan.recipes().values()
    assemble.build_engine(first, assemble.load_parts(first, data_dir))
    if 0.0 not in (getattr(plan.recipe.loss, "class_weights", None) or ()):
        return
    for recipe in (first, *others):  # each has a validation split of its own
        parts = assemble.load_parts(recipe, data_dir)
        splits = {"training": parts.train, "validation": parts.validation}
        assemble.check_class_weights(recipe, splits)


def _train(
    folder: Path,
    plan: Series,
    data_dir: str | Path | None,
    workers: int | None,
    on: str | None,
    listener: Listener | None,
) -> Ensemble:
    """Train the members that are not finished; then evaluate all of them together, once."""
    if data_dir is None:
        here = relocated(plan.recipe, [member.path for member in plan.members(folder)])
        plan = Series(here, plan.seeds, plan.folds)
    members = plan.members(folder, data_dir=None if data_dir is None else Path(data_dir))
    train_all(members, workers=workers, on=on, listener=listener)
    ensemble = Ensemble(folder)
    if not ensemble.is_finished:
        _write_result(ensemble, data_dir)
    return ensemble


def _write_result(ensemble: Ensemble, data_dir: str | Path | None) -> None:
    """How good the members are alone and together; one evaluation on the test split."""
    alone = [run.result for run in ensemble.runs]
    scores = [result["validation"]["accuracy"] for result in alone]
    result: dict[str, Any] = {
        "members": len(alone),
        "folds": ensemble.plan.folds,
        "seeds": list(ensemble.plan.seeds),
        "validation": {"accuracy": fmean(scores), "spread": stdev(scores)},
        "seconds": round(sum(one["seconds"] for one in alone), 3),
        "parameters": sum(one["parameters"] for one in alone),
    }
    if ensemble.plan.folds is not None:
        judged = ensemble.out_of_fold(data_dir)
        table = io.BytesIO()
        np.save(table, judged.probabilities.astype(np.float32), allow_pickle=False)
        write_atomic(ensemble.path / OUT_OF_FOLD, table.getvalue())
        result["out_of_fold"] = judged.describe()
    if alone[0].get("test") is not None:
        tested = ensemble.evaluate(ensemble.test_part(data_dir))
        result["test"] = tested.describe() | {"evaluations": 1}
    write_json(ensemble.path / RESULT, result)
