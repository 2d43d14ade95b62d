"""Which classes are taken for which: the confusion matrix and the table of every class."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from handloom._typing import FloatArray, IntArray, UInt8Array
from handloom.errors import LabelError, ShapeError
from handloom.views import style
from handloom.views.sheet import SCALE_BAR_ROOM, Sheet, coloured, rgb

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Confusion(NamedTuple):
    """`counts` (K, K), int64: row = true class, column = predicted class."""

    counts: IntArray
    class_names: tuple[str, ...]

    @property
    def shares(self) -> FloatArray:
        """Counts as fractions of their row, float64; a class without examples has zeros."""
        return self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1)

    @property
    def accuracy(self) -> float:
        """The fraction on the diagonal; 0 without examples."""
        return float(np.trace(self.counts) / max(self.counts.sum(), 1))


class ClassScore(NamedTuple):
    """How well one class is recognised; fractions in [0, 1], 0 where nothing can be divided."""

    name: str
    precision: float  # of what was called so, how much is
    recall: float  # of what is so, how much was called so
    f1: float  # harmonic mean of the two
    support: int  # examples


def confusion(labels: IntArray, predicted: IntArray, class_names: tuple[str, ...]) -> Confusion:
    """Count (true, predicted) pairs of class ids, both (N,).

    Raises ShapeError where the two differ in shape, LabelError for an id without a name.
    """
    if labels.shape != predicted.shape or labels.ndim != 1:
        raise ShapeError(f"labels {labels.shape} and predictions {predicted.shape} must be (N,)")
    num_classes = len(class_names)
    for what, ids in (("label", labels), ("predicted class", predicted)):
        outside = ids[(ids < 0) | (ids >= num_classes)]
        if outside.size:
            raise LabelError(f"{what} {outside[0]} has no name: there are {num_classes} classes")
    pairs = labels.astype(np.int64) * num_classes + predicted
    counts = np.bincount(pairs, minlength=num_classes**2).reshape(num_classes, num_classes)
    return Confusion(counts.astype(np.int64), class_names)


def class_scores(confusion: Confusion) -> tuple[ClassScore, ...]:
    """Precision, recall, F1 and support of every class, in order."""
    hits = np.diag(confusion.counts)
    called, support = confusion.counts.sum(axis=0), confusion.counts.sum(axis=1)
    columns = (
        hits / np.maximum(called, 1),
        hits / np.maximum(support, 1),
        2 * hits / np.maximum(called + support, 1),
    )
    return tuple(
        ClassScore(name, float(precision), float(recall), float(f1), int(count))
        for name, precision, recall, f1, count in zip(
            confusion.class_names, *columns, support, strict=True
        )
    )


# -- drawing ---------------------------------------------------------------------------------------

ROOM = 1000
"""About how many pixels the matrix may take across."""
NAME_ROOM = 190
MOST_WITH_COUNTS, MOST_WITH_SHARES = 13, 24
DIAGONAL, LINES = "#e4eef7", "#d8dce1"


@style.house_style()
def draw_confusion(confusion: Confusion) -> Figure:
    """Only mistakes are coloured, so that the diagonal does not drown them."""
    num_classes = len(confusion.class_names)
    cell = _cell_size(num_classes)
    names = [style.fitted(name, NAME_ROOM) for name in style.shown_names(confusion.class_names)]
    left = style.MARGIN + 34 + max(int(style.text_width(name)) for name in names) + 10
    upright, head = _column_heads(names, cell[1])
    top = SCALE_BAR_ROOM + 16 + style.line_height() + head
    width = max(left + num_classes * cell[1] + style.MARGIN, 820)
    height = top + num_classes * cell[0] + style.MARGIN
    total = int(confusion.counts.sum())
    heading = f"Which classes are taken for which: {style.percent(confusion.accuracy)} right"
    sheet = Sheet(width, height, heading, _note(num_classes, total))
    shares = _mistakes(confusion)
    most = float(np.nanmax(shares, initial=0.0)) or 0.01
    ends = ("0 %", style.percent(most / 2), style.percent(most))
    label = "of the true class, taken for another"
    sheet.scale_bar(style.MARGIN, 0, style.SEQUENTIAL, ends, label)
    colours = coloured(shares, style.SEQUENTIAL, 0, most)
    colours[confusion.counts == 0] = rgb(style.PAPER)
    np.einsum("iic->ic", colours)[:] = rgb(DIAGONAL)
    _draw_matrix(sheet, left, top, colours, cell)
    _draw_names(sheet, (left, top), names, cell, upright=upright)
    if num_classes <= MOST_WITH_SHARES:
        _draw_numbers(sheet, (left, top), confusion, cell, most)
    return sheet.finished()


def _note(num_classes: int, total: int) -> str:
    told = f"{total:,} test pictures. Row: the true class; column: what the network said. "
    if num_classes <= MOST_WITH_COUNTS:
        return told + "Numbers: how many pictures, and their share of the row. Pale blue: right."
    if num_classes <= MOST_WITH_SHARES:
        return told + "Numbers: the share of the row, in %. Pale blue: right."
    return told + "Pale blue: right. The darker a cell, the more of the row is mistaken so."


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


def _mistakes(confusion: Confusion) -> FloatArray:
    shares = confusion.shares
    np.fill_diagonal(shares, 0.0)
    return shares


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
    sheet.text(
        left + across / 2, SCALE_BAR_ROOM + 8, "what the network said →", ha="center", **settings
    )
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
    confusion: Confusion,
    cell: tuple[int, int],
    most: float,
) -> None:
    with_counts = len(confusion.class_names) <= MOST_WITH_COUNTS
    shares = confusion.shares
    for row, column in np.argwhere(confusion.counts):
        share = float(shares[row, column])
        x = corner[0] + (column + 0.5) * cell[1]
        y = corner[1] + (row + 0.5) * cell[0]
        dark = row != column and share > 0.6 * most
        colour = style.PAPER if dark else style.INK
        weight = "bold" if row == column else "normal"
        settings: dict[str, Any] = {"ha": "center", "va": "center_baseline", "colour": colour}
        if with_counts:
            count = f"{confusion.counts[row, column]:,}"
            sheet.text(x, y - 10, count, weight=weight, **settings)
            sheet.text(x, y + 12, style.percent(share), size=style.SMALL, **settings)
        elif share >= 0.005:
            sheet.text(x, y, f"{100 * share:.0f}", size=style.SMALL, **settings)
