"""The entry point: from runs or a study to a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from handloom._files import can_become_file, make_folder, write_atomic
from handloom.errors import ConfigError, RunError
from handloom.report.blocks import Page
from handloom.report.of_study import study_page
from handloom.report.one_run import run_page
from handloom.report.render import render
from handloom.report.several_runs import runs_page
from handloom.run.results import Run, open_run
from handloom.studies.search import Study, open_study
from handloom.studies.search.plan.load import STUDY_FILE

NAME = "report.html"

Subject = Run | Study


def write_report(
    subjects: Subject | Sequence[Run],
    out: str | Path | None = None,
    *,
    data_dir: str | Path | None = None,
) -> Path:
    """Write the report of a run, of several side by side, or of a study, as one HTML file.

    Without `out` it is report.html in the folder of the run or the study, and of several runs in
    the current one; returns its path. The file is self-contained: it loads nothing, and opens from
    a disk. The same runs give the same bytes. The test set is evaluated no more often than it was
    by the training. Where data are missing, the page says so; where a `data_dir` is given, that is
    an error.
    Raises: RunError where no epoch of a run has ended, ConfigError where no run is given.
    """
    if out is not None and not can_become_file(Path(out)):
        raise RunError(f"{out} is not a file; name one to write with --out")
    folder = None if data_dir is None else Path(data_dir)
    if folder is not None:
        _check_data(subjects, folder)
    page, home = _page(subjects, folder)
    path = home / NAME if out is None else Path(out)
    make_folder(path.parent, within=None)
    write_atomic(path, render(page).encode())
    return path


def _check_data(subjects: Subject | Sequence[Run], data_dir: Path) -> None:
    """Raise DataError or RunError unless the data of all runs are available."""
    if isinstance(subjects, Study):
        runs = subjects.best.runs[:1] if subjects.best is not None else ()
    else:
        runs = [subjects] if isinstance(subjects, Run) else subjects
    for run in runs:
        run.parts(data_dir)


def open_subjects(paths: Sequence[Path]) -> Subject | list[Run]:
    """What the folders contain: a study, or runs; raises ConfigError where both are mixed."""
    are_studies = [(path / STUDY_FILE).is_file() for path in paths]
    if not any(are_studies):
        return [open_run(path) for path in paths]
    if len(paths) > 1:
        study = paths[are_studies.index(True)]
        raise ConfigError(f"{study} is a study, which gets a report of its own; give it alone")
    return open_study(paths[0])


def _page(subjects: Subject | Sequence[Run], data_dir: Path | None) -> tuple[Page, Path]:
    """The page, and the folder where it is saved by default."""
    if isinstance(subjects, Study):
        return study_page(subjects, data_dir), subjects.path
    runs = [subjects] if isinstance(subjects, Run) else list(subjects)
    if not runs:
        raise ConfigError("a report needs at least one run")
    if len(runs) == 1:
        return run_page(runs[0], data_dir), runs[0].path
    return runs_page(runs, data_dir), Path()
