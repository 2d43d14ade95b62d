"""All figures of a study, drawn into a folder."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from handloom.views.save import Drawing, OnEmpty, OnFailure, save_pictures
from handloom.views.study.curves import draw_trial_curves
from handloom.views.study.heat import draw_heat_map, num_cells
from handloom.views.study.history import draw_search_history
from handloom.views.study.importance import Importance, draw_importance
from handloom.views.study.parallel import draw_parallel
from handloom.views.study.slices import draw_slices
from handloom.views.study.trials import Parameter, Trials

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_study(
    trials: Trials,
    folder: Path,
    importance: Importance | None = None,
    *,
    on_failure: OnFailure | None = None,
    on_empty: OnEmpty | None = None,
) -> list[Path]:
    """Write every figure of a study into `folder`; returns the files, in order.

    history, parallel, importance, slices, heat-map, curves: each a .png. One on which there is
    nothing to see is not written: `on_empty` is called with its name and why. The same trials give
    the same bytes. Raises RunError where a file cannot be written; with `on_failure`, a figure
    that fails does not stop the others: it is called with its name and what was raised.
    """
    drawings = study_drawings(trials, importance)
    return save_pictures(folder, drawings, on_failure, on_empty or _leave_out)


def study_figures(
    trials: Trials, importance: Importance | None = None
) -> Iterator[tuple[str, Figure]]:
    """The figures one after another, by name."""
    for name, drawn in study_drawings(trials, importance):
        if (figure := drawn()) is not None:
            yield name, figure


def study_drawings(
    trials: Trials, importance: Importance | None = None
) -> Iterator[tuple[str, Drawing]]:
    """What draws each figure, by its name; the heat map is of the most important two."""
    yield "history", partial(draw_search_history, trials)
    yield "parallel", partial(draw_parallel, trials)
    yield "importance", partial(draw_importance, trials, importance)
    yield "slices", partial(draw_slices, trials)
    yield "heat-map", lambda: draw_heat_map(trials, *_telling_pair(trials, importance))
    yield "curves", partial(draw_trial_curves, trials)


def _leave_out(_name: str, _why: str) -> None:
    """Ignore empty figures."""


def _telling_pair(trials: Trials, importance: Importance | None) -> tuple[Parameter, ...]:
    """The two most important parameters, the one with more levels across; nothing without two."""
    by_name = {parameter.name: parameter for parameter in trials.parameters}
    names = () if importance is None else importance.names
    first_two = [by_name[name] for name in names if name in by_name][:2]
    pair = first_two if len(first_two) == 2 else trials.parameters[:2]
    return tuple(sorted(pair, key=lambda p: -num_cells(p))) if len(pair) == 2 else ()
