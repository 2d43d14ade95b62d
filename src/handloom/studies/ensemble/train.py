"""Training an ensemble: a run for each fold and seed, in a folder that outlives a kill."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np

from handloom._files import check_inside, sweep, write_atomic, write_json
from handloom.engines import check_threads
from handloom.engines.processes import find_place
from handloom.errors import ConfigError
from handloom.recipes import Recipe, load_recipe
from handloom.run import RunFolder, RunLock, assemble, new_run, session
from handloom.run.results import Run
from handloom.studies.ensemble.ensemble import OUT_OF_FOLD, RESULT, Ensemble, Plan, check_members
from handloom.training.callbacks import Callback

Listeners = Callable[[Path, str], Sequence[Callback]]
"""(a member's folder, "2 of 15") -> what listens to its training."""


def train_ensemble(
    recipe: str | Path | Recipe = "digits",
    *,
    folds: int | None = None,
    seeds: int = 1,
    overrides: Mapping[str, Any] | Sequence[str] = (),
    run_dir: str | Path | None = None,
    data_dir: str | Path | None = None,
    listeners: Listeners | None = None,
) -> Ensemble:
    """Train a recipe once for each of `folds` parts and each of `seeds` seeds, into one folder.

    With folds, the pictures to train on are divided anew for every seed, each class in proportion;
    a member validates on its fold and learns from the others, so that each picture is judged by
    members that did not see it. Without, members differ in their seed, and so in their own
    validation part. Seeds count from the recipe's. Members are ordinary runs without pictures.
    Raises what `session.train` raises, before anything is written; ConfigError for less than two
    members, or under torchrun.
    """
    _check_alone()
    said = load_recipe(recipe, overrides)
    if said.data.folds is not None:
        raise ConfigError("the recipe names a fold of its own; take data.folds and data.fold out")
    check_threads(said.training.threads)
    if seeds < 1 or (folds is None and seeds == 1):
        raise ConfigError(f"an ensemble needs folds, or two seeds; seeds is {seeds}")
    check_members(folds, seeds)
    plan = Plan(said, folds, tuple(range(said.seed, said.seed + seeds)))
    one = next(iter(plan.members().values()))
    assemble.build_engine(one, assemble.load_parts(one, _path(data_dir)))
    if 0.0 in (getattr(said.loss, "class_weights", None) or ()):  # each has another validation part
        for member in plan.members().values():
            parts = assemble.load_parts(member, _path(data_dir))
            assemble.check_class_weights(
                member, {"training": parts.train, "validation": parts.validation}
            )
    run_folder = new_run(recipe, run_dir)
    folder = run_folder.path
    with RunLock(folder):
        run_folder.check_empty()
        plan.write(folder)
        return _train(folder, plan, data_dir, listeners)


def resume_ensemble(
    run_dir: str | Path,
    *,
    data_dir: str | Path | None = None,
    listeners: Listeners | None = None,
) -> Ensemble:
    """Go on with an ensemble that was killed or stopped: its members end in the same bits.

    Raises RunError where there is no ensemble, or where another process trains it.
    """
    _check_alone()
    folder = Path(run_dir)
    plan = Plan.read(folder)
    with RunLock(folder):
        sweep(folder)
        return _train(folder, plan, data_dir, listeners)


def _check_alone() -> None:
    if find_place().size > 1:
        raise ConfigError(
            "an ensemble is trained by one process; start handloom without torchrun, or train "
            "its members one by one"
        )


def _train(
    folder: Path, plan: Plan, data_dir: str | Path | None, listeners: Listeners | None
) -> Ensemble:
    """Train the members that are not finished; then judge all of them together, once."""
    members = plan.members()
    begun = [Run(RunFolder(folder / name)) for name in members if (folder / name).is_dir()]
    first = next((run for run in begun if run.folder.data.is_file()), None)
    for number, (name, recipe) in enumerate(members.items(), start=1):
        path = folder / name
        check_inside(path, folder)
        if Run(RunFolder(path)).is_finished:
            continue
        train = session.resume if path.is_dir() else session.train
        if data_dir is None and first is not None:  # moved with its data, it finds them
            recipe = first.located(recipe=recipe)
        train(
            recipe=recipe,
            run_dir=path,
            data_dir=data_dir,
            callbacks=() if listeners is None else listeners(path, f"{number} of {len(members)}"),
            pictures=False,
        )
    ensemble = Ensemble(folder)
    if not ensemble.is_finished:
        _write_result(ensemble, data_dir)
    return ensemble


def _write_result(ensemble: Ensemble, data_dir: str | Path | None) -> None:
    """What the members are worth alone and together; one look at the test part."""
    alone = [run.result for run in ensemble.runs]
    scores = [result["validation"]["accuracy"] for result in alone]
    told: dict[str, Any] = {
        "members": len(alone),
        "folds": ensemble.plan.folds,
        "seeds": list(ensemble.plan.seeds),
        "validation": {"accuracy": fmean(scores), "spread": stdev(scores)},
        "seconds": round(sum(result["seconds"] for result in alone), 3),
        "parameters": sum(result["parameters"] for result in alone),
    }
    if ensemble.plan.folds is not None:
        judged = ensemble.out_of_fold(data_dir)
        table = io.BytesIO()
        np.save(table, judged.probabilities.astype(np.float32), allow_pickle=False)
        write_atomic(ensemble.path / OUT_OF_FOLD, table.getvalue())
        told["out_of_fold"] = judged.describe()
    if alone[0].get("test") is not None:
        tested = ensemble.evaluate(ensemble.test_part(data_dir))
        told["test"] = tested.describe() | {"evaluations": 1}
    write_json(ensemble.path / RESULT, told)


def _path(folder: str | Path | None) -> Path | None:
    return None if folder is None else Path(folder)
