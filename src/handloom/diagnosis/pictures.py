"""A diagnosis's figures as files."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from handloom._files import remove
from handloom.diagnosis.finding import Diagnosis
from handloom.views import OnFailure, draw_picture, save_pictures

PREFIX = "diagnose-"


def draw_diagnosis(
    diagnosis: Diagnosis, folder: Path, on_failure: OnFailure | None = None
) -> dict[str, Path]:
    """Write every figure into `folder` as diagnose-<rule>.png; returns the files by rule.

    What an earlier diagnosis left there goes. Raises RunError where a file cannot be written; with
    `on_failure`, a figure that fails does not stop the others: it is called with its name and what
    was raised.
    """
    names = {f"{PREFIX}{rule}": rule for rule in diagnosis.pictures}
    drawings = (
        (name, partial(draw_picture, diagnosis.pictures[rule])) for name, rule in names.items()
    )
    files = save_pictures(folder, drawings, on_failure)
    remove(*set(folder.glob(f"{PREFIX}*.png")) - set(files))
    return {names[path.stem]: path for path in files}
