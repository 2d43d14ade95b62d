"""tune: a study from its plan to its answer, through any number of kills."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

from handloom._files import make_folder, remove, write_atomic
from handloom._optional import require
from handloom.engines import check_threads
from handloom.errors import RunError
from handloom.recipes import Recipe, load_recipe
from handloom.recipes.overrides import Overrides
from handloom.run import RUNS, RunLock, assemble
from handloom.series import check_on, identity, open_pool
from handloom.studies.search import Study, StudyPlan, load_study
from handloom.studies.search.folder import StudyFolder
from handloom.studies.search.listener import TrialListener
from handloom.studies.search.runner import StudyRunner
from handloom.studies.search.sampling import Sampler
from handloom.studies.search.storage import Storage
from handloom.studies.search.table import write_table


def tune(
    study: str | Path | StudyPlan,
    *,
    out: str | Path | None = None,
    overrides: Overrides = (),
    trials: int | None = None,
    minutes: float | None = None,
    workers: int | None = None,
    on: str | None = None,
    storage: str | Storage | None = None,
    data_dir: str | Path | None = None,
    listener: TrialListener | None = None,
    pictures: bool = True,
) -> Study:
    """Search a study (a shipped name, a file, or the folder of one) and leave its folder.

    The folder is runs/<study> unless `out` says otherwise; one that is there goes on: what was
    broken off from its checkpoints, what is new in the plan as new trials. `overrides` are laid
    over the study's recipe, `trials` and `minutes` over its budget.

    `workers` processes, one unless told, train at a time, each with its share of the cores; `on`
    "ray" or "ray=HOST:PORT", Ray places them on the machines of a cluster. With a `storage`, the
    address of a database, any number of processes share the study, on all machines that reach the
    same folder. At the end `pictures` are drawn into its figures/.

    Raises ConfigError for a plan that cannot be, RunError for a folder that is in use or of another
    study, MissingExtraError without Optuna.
    """
    require("optuna", extra="tune")
    check_on(on)
    plan = study if isinstance(study, StudyPlan) else load_study(study, overrides)
    plan = plan.limited(trials=trials, minutes=minutes)
    if on is None:  # a cluster has machines of its own
        check_threads(plan.recipe.training.threads)
    folder = StudyFolder(study_path(study, plan, out))
    if data_dir is None:
        assemble.load_parts(folder.located(plan.recipe))
    else:
        assemble.load_parts(plan.recipe, Path(data_dir))
    shared = Storage(storage) if isinstance(storage, str) else storage
    listener = listener or TrialListener()
    prepare(folder)
    with _alone(folder) if shared is None else nullcontext():
        write_down(folder, plan)
        search = Sampler(
            plan,
            shared,
            token=folder.token(),
            place=f"{folder.path.absolute()} on {socket.gethostname()}",
            say=listener.on_note,
        )
        pool = open_pool([plan.recipe], folder.own(folder.logs), workers=workers, on=on)
        try:
            conductor = StudyRunner(
                plan,
                folder,
                pool,
                search,
                data_dir=None if data_dir is None else Path(data_dir),
                listener=listener,
            )
            conductor.run()
        finally:
            pool.close()
            write_table(Study(folder, plan))
    ended = Study(folder, plan)
    if pictures:
        from handloom.studies.search.pictures import draw_study

        draw_study(ended)
    return ended


def study_path(study: str | Path | StudyPlan, plan: StudyPlan, out: str | Path | None) -> Path:
    """The folder that `out` names, or that the study is, or runs/<its name>."""
    if out is not None:
        return Path(out)
    if not isinstance(study, StudyPlan) and Path(study).is_dir():
        return Path(study)
    return RUNS / plan.name


def prepare(folder: StudyFolder) -> None:
    """Make the folder; RunError where something else is in it."""
    entries = {path.name for path in folder.path.glob("[!.]*")}
    begun = folder.plan.name in entries or entries <= {folder.base.name}  # a kill may come early
    if folder.path.is_file() or not begun:
        raise RunError(f"{folder.path} is not a study, and not empty; choose another --out")
    make_folder(folder.path, within=None)


def write_down(folder: StudyFolder, plan: StudyPlan) -> None:
    """Keep what is asked; RunError where the folder's trials answer another question."""
    if folder.plan.is_file():
        _check_same_question(folder, plan)
    write_atomic(folder.base, plan.recipe_toml().encode())
    write_atomic(folder.plan, plan.to_toml(folder.base.name).encode())


def _check_same_question(folder: StudyFolder, plan: StudyPlan) -> None:
    """Space, seeds and budget may change; trials around another recipe cannot be compared."""
    before, now = _flat(load_recipe(folder.base)), _flat(plan.recipe)
    differing = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if differing:
        raise RunError(
            f"{folder.path} was started with another recipe: {', '.join(differing)} differ; "
            "choose another --out for this one"
        )


def _flat(recipe: Recipe) -> dict[str, object]:
    """What tells two studies' recipes apart, by key path."""
    content = identity(recipe)
    tables = {name: table for name, table in content.items() if isinstance(table, dict)}
    within = {f"{name}.{key}": value for name in tables for key, value in tables[name].items()}
    return within | {name: value for name, value in content.items() if name not in tables}


@contextmanager
def _alone(folder: StudyFolder) -> Iterator[None]:
    """The folder for this process alone, which clears away what a killed one left half done."""
    with RunLock(folder.path):
        remove(*folder.own(folder.path / "trials").glob(".claim-*"), *folder.path.glob(".*.part"))
        yield
