"""A study's table, one row per configuration, and the best one as a recipe."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from handloom._files import write_atomic
from handloom.recipes import Recipe, load_recipe, to_toml
from handloom.studies.search.study import Study, StudyTrial

METRICS = ("val_accuracy", "val_loss")


def table_columns(study: Study) -> list[str]:
    """Names of the columns: what was chosen by its key path, then what came of it."""
    figures = [name for metric in METRICS for name in (metric, f"{metric}_spread")]
    return ["number", "key", "state", *_paths(study), *figures, "seeds", "seconds", "parameters"]


def table_rows(study: Study) -> list[list[Any]]:
    """One row per trial in the order of `table_columns`, best first, then those without a value.

    Metrics are means over seeds, spreads their standard deviations; None where there is none.
    """
    return [_row(trial, _paths(study)) for trial in (*study.ranking, *_unranked(study))]


def write_table(study: Study) -> None:
    """Write trials.csv, and best.toml where a trial is complete."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table_columns(study))
    writer.writerows([_cell(value) for value in row] for row in table_rows(study))
    write_atomic(study.folder.table, text.getvalue().encode())
    if study.best is not None:
        write_atomic(study.folder.best, to_toml(best_recipe(study, study.best)).encode())


def best_recipe(study: Study, best: StudyTrial) -> Recipe:
    """The best trial's recipe with its first seed, its description told by the study."""
    description = (
        f"The best of {len(study.trials)} configurations of {study.name}: "
        f"{study.metric} {best.value:.4f}"
    )
    return load_recipe(
        study.configuration(best).recipe, {"seed": best.seeds[0], "description": description}
    )


def _unranked(study: Study) -> list[StudyTrial]:
    ranked = {trial.key for trial in study.ranking}
    return [trial for trial in study.trials if trial.key not in ranked]


def _row(trial: StudyTrial, paths: list[str]) -> list[Any]:
    figures = [get(metric) for metric in METRICS for get in (trial.mean, trial.deviation)]
    chosen = [trial.parameters.get(path) for path in paths]
    ended = [len(trial.rows), round(trial.seconds, 3), trial.num_parameters]
    return [trial.number, trial.key, trial.state, *chosen, *figures, *ended]


def _paths(study: Study) -> list[str]:
    """The space's key paths, then those of trials from before it was changed."""
    known = dict.fromkeys(study.space)
    for trial in study.trials:
        known |= dict.fromkeys(trial.parameters)
    return list(known)


def _cell(value: Any) -> Any:
    """A value in a CSV file; lists and tables as JSON."""
    return json.dumps(value) if isinstance(value, list | dict) else value


def describe(study: Study) -> dict[str, Any]:
    """The study, JSON-ready: its trials as in the table, and the best of them."""
    trials = [_described(trial) for trial in (*study.ranking, *_unranked(study))]
    return {
        "study": study.name,
        "folder": str(study.path),
        "metric": study.metric,
        "best": trials[0] if study.ranking else None,
        "trials": trials,
    }


def _described(trial: StudyTrial) -> dict[str, Any]:
    figures = {
        name: value
        for metric in METRICS
        for name, value in (
            (metric, trial.mean(metric)),
            (f"{metric}_spread", trial.deviation(metric)),
        )
    }
    return {
        "number": trial.number,
        "key": trial.key,
        "state": trial.state,
        "why": trial.why,
        "parameters": trial.parameters,
        **figures,
        "seeds": [run.recipe.seed for run in trial.runs],
        "seconds": round(trial.seconds, 3),
        "num_parameters": trial.num_parameters,
    }
