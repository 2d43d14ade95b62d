"""A diagnosis's pictures as files."""

from __future__ import annotations

from pathlib import Path

from handloom._files import make_folder, remove, write_atomic
from handloom.experiments.diagnose.finding import Diagnosis
from handloom.views import draw_picture, png

PREFIX = "diagnose-"


def draw_diagnosis(diagnosis: Diagnosis, folder: Path) -> dict[str, Path]:
    """Write every picture into `folder` as diagnose-<rule>.png; returns the files by rule.

    What an earlier diagnosis left there goes. Raises RunError where a file cannot be written.
    """
    make_folder(folder, within=None)
    files = {rule: folder / f"{PREFIX}{rule}.png" for rule in diagnosis.pictures}
    remove(*set(folder.glob(f"{PREFIX}*.png")) - set(files.values()))
    for rule, path in files.items():
        write_atomic(path, png(draw_picture(diagnosis.pictures[rule])))
    return files
