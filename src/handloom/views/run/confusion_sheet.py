"""Draws the confusion matrix: all classes that occur, or of very many the most confused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from handloom._typing import FloatArray, IntArray, UInt8Array
from handloom.views import style
from handloom.views.run.confusion import Confusion
from handloom.views.run.pairs import most_confused
from handloom.views.sheet import SCALE_BAR_ROOM, Sheet, coloured, message_sheet, rgb

if TYPE_CHECKING:
    from matplotlib.figure import Figure

ROOM = 1000
"""About how many pixels the matrix may take across."""
NAME_ROOM = 190
MOST_WITH_COUNTS, MOST_WITH_SHARES = 13, 24
MOST_CLASSES, MOST_OF_MANY = 64, 40
"""Up to so many classes are all drawn; of more than these, so many."""
DIAGONAL, LINES = "#e4eef7", "#d8dce1"


class _Matrix(NamedTuple):
    """What is drawn: ids `classes` (n,); `counts` and `shares`, of a whole row, are (n, n)."""

    classes: IntArray
    names: list[str]
    counts: IntArray
    shares: FloatArray


@style.house_style()
def draw_confusion(confusion: Confusion) -> Figure:
    """Only mistakes are coloured, so that the diagonal does not drown them."""
    classes = shown_classes(confusion)
    if not len(classes):
        return message_sheet(_heading(confusion, 0), _none_confused(confusion))
    matrix = _matrix(confusion, classes)
    cell = _cell_size(len(classes))
    left = style.MARGIN + 34 + max(int(style.text_width(name)) for name in matrix.names) + 10
    upright, head = _column_heads(matrix.names, cell[1])
    top = SCALE_BAR_ROOM + 16 + style.line_height() + head
    width = max(left + len(classes) * cell[1] + style.MARGIN, 820)
    height = top + len(classes) * cell[0] + style.MARGIN
    heading = _heading(confusion, len(classes))
    sheet = Sheet(width, height, heading, _note(confusion, len(classes)))
    mistakes = matrix.shares.copy()
    np.fill_diagonal(mistakes, 0.0)
    most = float(np.nanmax(mistakes, initial=0.0)) or 0.01
    ends = ("0 %", style.percent(most / 2), style.percent(most))
    label = "share of the true class misclassified"
    sheet.scale_bar(style.MARGIN, 0, style.SEQUENTIAL, ends, label)
    colours = coloured(mistakes, style.SEQUENTIAL, 0, most)
    colours[matrix.counts == 0] = rgb(style.PAPER)
    np.einsum("iic->ic", colours)[:] = rgb(DIAGONAL)
    _draw_matrix(sheet, left, top, colours, cell)
    _draw_names(sheet, (left, top), matrix.names, cell, upright=upright)
    if len(classes) <= MOST_WITH_SHARES:
        _draw_numbers(sheet, (left, top), matrix, cell, most)
    return sheet.finished()


def shown_classes(confusion: Confusion) -> IntArray:
    """Ids (n,) of the classes to draw, ascending: those that occur, or of many the most confused.

    Of many, the pairs with the most mistakes bring their two classes, one after another; where
    nothing is mistaken there is none to draw.
    """
    occurring = confusion.occurring
    if len(occurring) <= MOST_CLASSES:
        return occurring
    pairs = most_confused(confusion, most=MOST_OF_MANY * MOST_OF_MANY)
    ids = dict.fromkeys(k for pair in pairs for k in (pair.true, pair.predicted))
    return np.sort(np.array([*ids][:MOST_OF_MANY], np.int64))


def _matrix(confusion: Confusion, classes: IntArray) -> _Matrix:
    names = (style.shown_name(confusion.class_names[k], int(k)) for k in classes)
    counts = confusion.counts_among(classes)
    shares = counts / np.maximum(confusion.support[classes][:, np.newaxis], 1)
    return _Matrix(classes, [style.fitted(name, NAME_ROOM) for name in names], counts, shares)


def _heading(confusion: Confusion, shown: int) -> str:
    occurring = len(confusion.occurring)
    if shown and shown < occurring:
        return f"The {shown} most confused classes, of {occurring:,}"
    return f"Confusion matrix: {style.percent(confusion.accuracy)} correct"


def _none_confused(confusion: Confusion) -> str:
    if not confusion.total:
        return "There are no images to count."
    return f"No mistakes: all {style.pictures(confusion.total, confusion.part)} are correct."


def _note(confusion: Confusion, shown: int) -> str:
    occurring, known = len(confusion.occurring), len(confusion.class_names)
    note = f"{style.pictures(confusion.total, confusion.part)}."
    if shown < occurring:
        inside = int(confusion.counts_among(shown_classes(confusion)).sum())
        right = style.percent(confusion.accuracy)
        note = f"{note[:-1]}, {right} of them correct; {inside:,} are in this part of the matrix."
    elif occurring < known:
        note += f" {occurring} of {known:,} classes occur; the others are left out."
    note += " Rows: true classes; columns: predicted classes. "
    if shown <= MOST_WITH_COUNTS:
        return note + "Numbers: images, and their share of the row. Pale blue: correct."
    if shown <= MOST_WITH_SHARES:
        return note + "Numbers: the share of the row, in %. Pale blue: correct."
    return (
        note
        + "Pale blue: correct. The darker a cell, the more of the true class is misclassified so."
    )


def _cell_size(num_classes: int) -> tuple[int, int]:
    """(height, width) of a cell in pixels."""
    if num_classes <= MOST_WITH_COUNTS:
        return 54, max(68, min(84, ROOM // num_classes))
    side = max(style.line_height(style.SMALL) + 1, min(44, ROOM // num_classes))
    return side, side


def _column_heads(names: list[str], cell_width: int) -> tuple[bool, int]:
    """Whether the column names have to stand upright, and the height that they take."""
    widest = max(style.text_width(name) for name in names)
    if widest <= cell_width - 6:
        return False, style.line_height() + 4
    return True, int(widest) + 12


def _draw_matrix(
    sheet: Sheet, left: int, top: int, colours: UInt8Array, cell: tuple[int, int]
) -> None:
    pixels = colours.repeat(cell[0], axis=0).repeat(cell[1], axis=1)
    pixels[:: cell[0]] = rgb(LINES)
    pixels[:, :: cell[1]] = rgb(LINES)
    sheet.frame(left, top, pixels.shape[1], pixels.shape[0], style.NEUTRAL, 1)
    sheet.image(left, top, pixels)


def _draw_names(
    sheet: Sheet, corner: tuple[int, int], names: list[str], cell: tuple[int, int], *, upright: bool
) -> None:
    left, top = corner
    across, down = len(names) * cell[1], len(names) * cell[0]
    for index, name in enumerate(names):
        y = top + (index + 0.5) * cell[0]
        sheet.text(left - 10, y, name, ha="right", va="center_baseline")
        x = left + (index + 0.5) * cell[1]
        if upright:
            sheet.text(x, top - 8, name, ha="center", va="bottom", rotation=90)
        else:
            sheet.text(x, top - 6, name, ha="center", va="bottom")
    settings: dict[str, Any] = {"colour": style.MUTED, "weight": "bold"}
    sheet.text(left + across / 2, SCALE_BAR_ROOM + 8, "predicted class →", ha="center", **settings)
    sheet.text(
        style.MARGIN + 10,
        top + down / 2,
        "true class",
        ha="center",
        va="center",
        rotation=90,
        **settings,
    )


def _draw_numbers(
    sheet: Sheet,
    corner: tuple[int, int],
    matrix: _Matrix,
    cell: tuple[int, int],
    most: float,
) -> None:
    with_counts = len(matrix.classes) <= MOST_WITH_COUNTS
    for row, column in np.argwhere(matrix.counts):
        share = float(matrix.shares[row, column])
        x = corner[0] + (column + 0.5) * cell[1]
        y = corner[1] + (row + 0.5) * cell[0]
        dark = row != column and share > 0.6 * most
        colour = style.PAPER if dark else style.INK
        weight = "bold" if row == column else "normal"
        settings: dict[str, Any] = {"ha": "center", "va": "center_baseline", "colour": colour}
        if with_counts:
            count = f"{matrix.counts[row, column]:,}"
            sheet.text(x, y - 10, count, weight=weight, **settings)
            sheet.text(x, y + 12, style.percent(share), size=style.SMALL, **settings)
        elif share >= 0.005:
            sheet.text(x, y, f"{100 * share:.0f}", size=style.SMALL, **settings)
