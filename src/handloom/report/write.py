"""The one entry: runs become a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from handloom._files import make_folder, write_atomic
from handloom.errors import ConfigError
from handloom.report.one_run import run_page
from handloom.report.render import render
from handloom.results import Run

NAME = "report.html"


def write_report(
    subjects: Run | Sequence[Run],
    out: str | Path | None = None,
    *,
    data_dir: str | Path | None = None,
) -> Path:
    """Write the report of a run as one HTML file; returns its path.

    Without `out` it is report.html in the run's folder. The file is whole: it loads nothing, and
    opens from a disk. The same run gives the same bytes.
    """
    runs = [subjects] if isinstance(subjects, Run) else list(subjects)
    if not runs:
        raise ConfigError("a report needs at least one run")
    page = run_page(runs[0], None if data_dir is None else Path(data_dir))
    path = runs[0].path / NAME if out is None else Path(out)
    make_folder(path.parent)
    write_atomic(path, render(page).encode())
    return path
