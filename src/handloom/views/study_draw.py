"""All pictures of a study, from its trials, into a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from handloom._files import make_folder, write_atomic
from handloom.views.sheet import png
from handloom.views.study_curves import draw_trial_curves
from handloom.views.study_heat import draw_heat_map, num_cells
from handloom.views.study_history import draw_search_history
from handloom.views.study_importance import Importance, draw_importance
from handloom.views.study_parallel import draw_parallel
from handloom.views.study_slices import draw_slices
from handloom.views.study_trials import Parameter, Trials

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_study(trials: Trials, folder: Path, importance: Importance | None = None) -> list[Path]:
    """Write every picture of a study into `folder`; returns the files, in order.

    history, parallel, importance, slices, heat-map, curves: each a .png, which says so where there
    is nothing to see yet. The same trials give the same bytes. Raises RunError where a file cannot
    be written.
    """
    make_folder(folder, within=None)
    files = []
    for name, figure in study_figures(trials, importance):
        path = folder / f"{name}.png"
        write_atomic(path, png(figure))
        files.append(path)
    return files


def study_figures(
    trials: Trials, importance: Importance | None = None
) -> Iterator[tuple[str, Figure]]:
    """The pictures one after another, by name; the heat map is of the most important two."""
    yield "history", draw_search_history(trials)
    yield "parallel", draw_parallel(trials)
    yield "importance", draw_importance(trials, importance)
    yield "slices", draw_slices(trials)
    yield "heat-map", draw_heat_map(trials, *_telling_pair(trials, importance))
    yield "curves", draw_trial_curves(trials)


def _telling_pair(trials: Trials, importance: Importance | None) -> tuple[Parameter, ...]:
    """The two most important parameters, the one with more levels across; nothing without two."""
    by_name = {parameter.name: parameter for parameter in trials.parameters}
    names = () if importance is None else importance.names
    first_two = [by_name[name] for name in names if name in by_name][:2]
    pair = first_two if len(first_two) == 2 else trials.parameters[:2]
    return tuple(sorted(pair, key=lambda p: -num_cells(p))) if len(pair) == 2 else ()
