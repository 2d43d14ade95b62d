"""A study's images: its trials as views/ draws them, into its figures/."""

from __future__ import annotations

import math

import numpy as np

from handloom import views
from handloom._typing import FloatArray
from handloom.run.pictures import sparing
from handloom.run.results import Run
from handloom.studies.search.importance import importance
from handloom.studies.search.plan.domains import Axis, Choice, Int, ListOf, Log
from handloom.studies.search.plan.space import Space
from handloom.studies.search.study import Study, StudyTrial
from handloom.views.study.trials import MOST_LEVELS, Scale


def draw_study(study: Study) -> dict[str, str]:
    """Draw the study as far as it has come, into its figures/: see `views.draw_study`.

    Returns why there is nothing to see on the images that were not written, by their names. A
    image that fails is named by a PictureWarning.
    """
    empty: dict[str, str] = {}
    again = f"try again with: handloom tune {study.path}"
    with sparing(study.path, again) as on_failure:
        trials = shown_trials(study)
        views.draw_study(
            trials,
            study.folder.own(study.folder.figures),
            importance(trials),
            on_failure=on_failure,
            on_empty=empty.__setitem__,
        )
    return empty


def shown_trials(study: Study) -> views.Trials:
    """The trials as the images take them, each with the curves of its runs."""
    return views.study_trials(
        study.name,
        study.metric,
        (_shown(trial) for trial in study.trials),
        is_maximised=study.maximise,
        scales=_scales(study.space),
    )


def _shown(trial: StudyTrial) -> views.Trial:
    return views.Trial(
        name=trial.key,
        parameters=trial.parameters,
        value=math.nan if trial.value is None else trial.value,
        spread=math.nan if trial.spread is None else trial.spread,
        state=trial.state,
        curves=tuple(_curve(run, trial.metric) for run in trial.runs),
        number=trial.number,
    )


def _curve(run: Run, metric: str) -> FloatArray:
    """The metric after every epoch (epochs,), NaN where it was not finite."""
    values = (row[metric] for row in run.history.epochs)
    return np.array([math.nan if value is None else value for value in values], np.float64)


def _scales(space: Space) -> dict[str, Scale]:
    """How the axis of each parameter is divided, where its values do not tell it."""
    axes: dict[str, Axis] = {}
    for path, domain in space.items():
        if isinstance(domain, ListOf):
            axes |= {f"{path}.{place}": domain.each for place in range(domain.length[1])}
        else:
            axes[path] = domain
    return {path: scale for path, axis in axes.items() if (scale := _scale(axis))}


def _scale(axis: Axis) -> Scale | None:
    if isinstance(axis, Choice):
        return "choice"
    if isinstance(axis, Log) or (isinstance(axis, Int) and axis.log):
        return "log"
    values = axis.values()
    return "linear" if values is None or len(values) > MOST_LEVELS else None
