"""Two parameters at once: the best value reached with each pair of theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from handloom._typing import FloatArray, IntArray
from handloom.views import style
from handloom.views.sheet import SCALE_BAR_ROOM, Sheet, coloured, message_sheet, rgb
from handloom.views.study.style import best_words, measured, metric_name
from handloom.views.study.trials import Parameter, Trials, worth_showing, written_value

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BINS = 8
"""Shares of equal width, on its own scale, into which a parameter is cut that is no choice."""


class HeatMap(NamedTuple):
    """`values` (R, C): the best of the complete trials in a cell, NaN where none is; their counts.

    Rows go with the levels or shares of `down`, from the first, columns with those of `across`.
    """

    across: Parameter
    down: Parameter
    values: FloatArray
    counts: IntArray
    best: tuple[int, int]  # the cell of the study's best trial


def heat_map(trials: Trials, across: Parameter, down: Parameter) -> HeatMap | None:
    """The best over all other parameters; None where no complete trial has both of the two."""
    columns, rows = (_cells(trials.places(p), p) for p in (across, down))
    values = np.full((num_cells(down), num_cells(across)), np.nan)
    counts = np.zeros(values.shape, np.int64)
    better = np.fmax if trials.is_maximised else np.fmin
    for row, column, value in zip(rows, columns, trials.values, strict=True):
        if min(row, column) >= 0 and np.isfinite(value):
            values[row, column] = better(values[row, column], value)
            counts[row, column] += 1
    if not counts.any():
        return None
    flat = np.nanargmax(values) if trials.is_maximised else np.nanargmin(values)
    best_row, best_column = np.unravel_index(flat, values.shape)
    return HeatMap(across, down, values, counts, (int(best_row), int(best_column)))


def num_cells(parameter: Parameter) -> int:
    """How many rows or columns a parameter takes."""
    return len(parameter.levels) if parameter.scale == "choice" else BINS


def _cells(places: FloatArray, parameter: Parameter) -> IntArray:
    """(T,): the cell of each place in [0, 1]; -1 where there is none."""
    count = num_cells(parameter)
    cells = np.minimum(np.nan_to_num(places) * count, count - 1).astype(np.int64)
    return np.where(np.isfinite(places), cells, -1)


# -- drawing ---------------------------------------------------------------------------------------

ROOM_ACROSS, ROOM_DOWN = 960, 620
TALLEST, WIDEST, LEAST = 66, 120, 20
LOW, NARROW = 46, 62
"""A lower cell has no room for the count, a narrower one none for the value."""
NAME_ROOM, BELOW = 150, 82
EMPTY = "#f3f5f7"


class _Layout(NamedTuple):
    """Pixels: the corner of the cells, the size of one, how many there are."""

    left: int
    top: int
    height: int
    width: int
    rows: int
    columns: int

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """The top left corner (x, y) of a cell; the first row is the lowest."""
        return self.left + column * self.width, self.top + (self.rows - 1 - row) * self.height

    @property
    def bottom(self) -> int:
        """Where the cells end."""
        return self.top + self.rows * self.height


def draw_heat_map(
    trials: Trials, across: Parameter | None = None, down: Parameter | None = None
) -> Figure:
    """A cell for each pair, the darker the better; by default of the first two parameters."""
    heading = f"Two parameters together: {trials.study}"
    if trials.best is None:
        return message_sheet(heading, best_words(trials))
    first, second, *_ = (*trials.parameters, None, None)
    across, down = across or first, down or second
    if across is None or down is None:
        return message_sheet(heading, "The trials do not differ in two parameters.")
    heat = heat_map(trials, across, down)
    if heat is None:
        both = f"{across.name} and {down.name}"
        return message_sheet(heading, f"No finished trial has both {both}.")
    with style.house_style():
        return _drawn(trials, heat, heading)


def _drawn(trials: Trials, heat: HeatMap, heading: str) -> Figure:
    names = _names(heat.down)
    rows, columns = heat.values.shape
    height = max(LEAST, min(TALLEST, ROOM_DOWN // rows))
    width = max(LEAST, min(WIDEST, ROOM_ACROSS // columns))
    left = style.MARGIN + 46 + max(int(style.text_width(name)) for name in names)
    layout = _Layout(left, SCALE_BAR_ROOM + 14, height, width, rows, columns)
    across = max(left + columns * width + style.MARGIN, 820)
    sheet = Sheet(across, layout.bottom + BELOW, heading, _note(trials, layout, heat))
    shades = _shades(trials, heat)
    _draw_cells(sheet, layout, heat, shades)
    _draw_scale(sheet, trials, heat)
    _write_values(sheet, layout, trials, heat, shades)
    for row, name in enumerate(names):
        y = layout.corner(row, 0)[1] + height / 2
        sheet.text(left - 10, y, name, ha="right", va="center_baseline")
    _write_columns(sheet, layout, _names(heat.across))
    bold: dict[str, Any] = {"ha": "center", "colour": style.MUTED, "weight": "bold"}
    sheet.text(left + columns * width / 2, layout.bottom + 44, heat.across.name, **bold)
    middle = layout.top + rows * height / 2
    sheet.text(style.MARGIN + 10, middle, heat.down.name, va="center", rotation=90, **bold)
    return sheet.finished()


def _has_counts(layout: _Layout, heat: HeatMap) -> bool:
    return layout.height >= LOW and bool(heat.counts.max() > 1)


def _note(trials: Trials, layout: _Layout, heat: HeatMap) -> str:
    counted = ", and of how many" if _has_counts(layout, heat) else ""
    return (
        f"{best_words(trials)} Each cell shows the best of its trials, whatever else differs in "
        f"them{counted}. The frame marks the best of all."
    )


def _names(parameter: Parameter) -> list[str]:
    """Of the levels, or of the shares by their middle."""
    if parameter.scale == "choice":
        shown = [written_value(level) for level in parameter.levels]
    else:
        middles = (parameter.value_at((share + 0.5) / BINS) for share in range(BINS))
        shown = [f"{middle:.2g}" for middle in middles]
    return [style.fitted(name, NAME_ROOM) for name in shown]


def _shades(trials: Trials, heat: HeatMap) -> FloatArray:
    """(R, C): 1 for the best, 0 for the worst worth showing, NaN where nothing was tried."""
    worse, better = worth_showing(heat.values, is_maximised=trials.is_maximised)
    if worse == better:
        return np.where(heat.counts > 0, 1.0, np.nan)
    return np.clip((heat.values - worse) / (better - worse), 0.0, 1.0)


def _draw_cells(sheet: Sheet, layout: _Layout, heat: HeatMap, shades: FloatArray) -> None:
    pixels = coloured(shades, style.SEQUENTIAL, 0.0, 1.0)
    pixels[heat.counts == 0] = rgb(EMPTY)
    pixels = pixels[::-1].repeat(layout.height, axis=0).repeat(layout.width, axis=1)
    pixels[:: layout.height] = pixels[:, :: layout.width] = rgb(style.FAINT)
    sheet.frame(layout.left, layout.top, pixels.shape[1], pixels.shape[0], style.NEUTRAL, 1)
    sheet.image(layout.left, layout.top, pixels)
    x, y = layout.corner(*heat.best)
    inside = pixels[y - layout.top :, x - layout.left :][: layout.height, : layout.width]
    kept = inside[2:-2, 2:-2].copy()
    sheet.box(x, y, layout.width, layout.height, style.BEST)
    sheet.image(x + 2, y + 2, kept)


def _draw_scale(sheet: Sheet, trials: Trials, heat: HeatMap) -> None:
    worse, better = worth_showing(heat.values, is_maximised=trials.is_maximised)
    ends = (measured(value, trials.metric) for value in (worse, (worse + better) / 2, better))
    left, middle, right = ends
    worst = np.nanmin(heat.values) if trials.is_maximised else np.nanmax(heat.values)
    if worst != worse:
        left = f"{'≤' if trials.is_maximised else '≥'} {left}"
    label = (
        f"{metric_name(trials.metric)}, {'higher' if trials.is_maximised else 'lower'} is better"
    )
    sheet.scale_bar(style.MARGIN, 0, style.SEQUENTIAL, (left, middle, right), label)


def _write_values(
    sheet: Sheet, layout: _Layout, trials: Trials, heat: HeatMap, shades: FloatArray
) -> None:
    if layout.width < NARROW:
        return
    with_counts = _has_counts(layout, heat)
    for row, column in np.argwhere(heat.counts):
        x, y = layout.corner(row, column)
        x, y = x + layout.width / 2, y + layout.height / 2
        settings: dict[str, Any] = {"ha": "center", "va": "center_baseline"}
        settings["colour"] = style.PAPER if shades[row, column] > 0.6 else style.INK
        value = measured(float(heat.values[row, column]), trials.metric)
        weight = "bold" if (row, column) == heat.best else "normal"
        sheet.text(x, y - 10 * with_counts, value, weight=weight, **settings)
        if with_counts:
            sheet.text(x, y + 13, f"of {heat.counts[row, column]:,}", size=style.SMALL, **settings)


def _write_columns(sheet: Sheet, layout: _Layout, names: list[str]) -> None:
    """Under the cells; in two lines, by turns, where they would touch each other."""
    room = layout.width - 8
    by_turns = max(map(style.text_width, names)) > room
    for column, name in enumerate(names):
        x = layout.left + (column + 0.5) * layout.width
        y = layout.bottom + 6 + style.line_height() * (by_turns and column % 2)
        sheet.text(x, y, style.fitted(name, 2 * room), ha="center")
