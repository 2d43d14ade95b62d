"""What a folder brings to a comparison, and what is drawn of it in the end."""

from __future__ import annotations

from pathlib import Path

from handloom import views
from handloom.errors import RunError
from handloom.run.results import Run, open_run
from handloom.studies.compare.comparison import Comparison
from handloom.studies.compare.groups import Group
from handloom.studies.ensemble import is_ensemble, open_ensemble
from handloom.studies.search import open_study
from handloom.studies.search.plan.load import STUDY_FILE


def rows_in(folder: Path) -> list[Run | Group]:
    """A run; an ensemble's members as a row; of a study a row a complete trial, the best first.

    Raises RunError where the folder is none of them, where no trial is complete yet, or a member of
    the ensemble is not.
    """
    if is_ensemble(folder):
        return [Group(folder.absolute().name, open_ensemble(folder).runs)]
    if not (folder / STUDY_FILE).is_file():
        return [open_run(folder)]
    trials = open_study(folder).ranking
    if not trials:
        raise RunError(f"{folder}: no trial of this study is complete; go on with handloom tune")
    return [Group(trial.name, trial.runs) for trial in trials]


def drawn(comparison: Comparison) -> views.Compared:
    """What the picture shows."""
    return views.Compared(
        comparison.part,
        tuple(
            views.ComparedRow(
                mark=row.mark,
                name=row.name,
                accuracy=row.accuracy,
                low=row.interval.low,
                high=row.interval.high,
                parameters=row.parameters,
                seconds=row.seconds,
            )
            for row in comparison.rows
        ),
    )
