"""The weight matrices of dense layers as heat maps."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from handloom._typing import AnyArray, FloatArray, Shape, UInt8Array
from handloom.nn.layer import Layer
from handloom.views import style
from handloom.views.sheet import SCALE_BAR_ROOM, Sheet, coloured
from handloom.views.tiles import strongest, symmetric_limit, zoomed

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Matrix(NamedTuple):
    """One weight matrix (out, in): `values`, of each block of `block` the strongest weight."""

    path: str
    shape: Shape
    values: FloatArray
    block: tuple[int, int]
    rms: float


class Matrices(NamedTuple):
    """All weight matrices in forward order, with the one limit of their common colour scale."""

    matrices: tuple[Matrix, ...]
    limit: float


def matrices(model: Layer) -> Matrices | None:
    """Every weight (out, in) of the model, reduced to fit a figure; None if there is none."""
    weights = {path: value for path, value in weights_of(model).items() if value.ndim == 2}
    if not weights:
        return None
    found = []
    for path, weight in weights.items():
        values, block = strongest(weight, (CELL, CELL))
        finite = weight[np.isfinite(weight)].astype(np.float64)
        rms = float(np.sqrt(np.mean(finite**2))) if finite.size else float("nan")
        found.append(Matrix(path, weight.shape, values, block, rms))
    return Matrices(tuple(found), max(symmetric_limit(m.values, 0.99) for m in found))


def weights_of(model: Layer) -> dict[str, AnyArray]:
    """Arrays of two axes or more: the weights of dense and convolution layers, not of norms."""
    parameters = model.named_parameters()
    return {path: p.value for path, p in parameters.items() if p.value.ndim >= 2}


# -- drawing ---------------------------------------------------------------------------------------

CELL = 400
"""The most pixels that a matrix may take, across and down."""
THICKEST = 14
"""The most pixels that one weight may take."""


@style.house_style()
def draw_matrices(matrices: Matrices) -> Figure:
    """Heat maps side by side, in the order of the network, on one colour scale."""
    limit = matrices.limit
    cells = [_cell(matrix, limit) for matrix in matrices.matrices]
    words = 3 * style.line_height(style.SMALL) + 10
    titles = [_matrix_title(matrix) for matrix in matrices.matrices]
    widths = [
        max(cell.shape[1], *(int(style.text_width(line, style.SMALL, "bold")) for line in title))
        for cell, title in zip(cells, titles, strict=True)
    ]
    places, width, height = _flow(widths, [cell.shape[0] + words + 26 for cell in cells])
    width = max(width, 760)
    note = (
        "Each row of a map is one unit's weights, each column one input. Wide maps are reduced: "
        "a dot is then the strongest weight of its block, as noted above the map. The colour "
        "follows the square root of the weight, so that layers of small weights stay visible."
    )
    sheet = Sheet(width, SCALE_BAR_ROOM + 10 + height, "All weight matrices on one scale", note)
    ends = (f"≤ −{limit:.2g}", "0", f"≥ +{limit:.2g}")
    sheet.scale_bar(style.MARGIN, 0, style.DIVERGING, ends, "weight, square-root scale")
    for (x, y), cell, title in zip(places, cells, titles, strict=True):
        top = SCALE_BAR_ROOM + 10 + y
        for index, line in enumerate(title):
            weight = "bold" if index == 0 else "normal"
            place = top + index * style.line_height(style.SMALL)
            sheet.text(x, place, line, size=style.SMALL, weight=weight)
        sheet.frame(x, top + words, cell.shape[1], cell.shape[0], style.NEUTRAL, 1)
        sheet.image(x, top + words, cell)
    return sheet.finished()


def _cell(matrix: Matrix, limit: float) -> UInt8Array:
    rows, columns = matrix.values.shape
    zoom = (min(THICKEST, max(1, CELL // rows)), min(THICKEST, max(1, CELL // columns)))
    parts = np.clip(matrix.values / limit, -1, 1)
    return coloured(zoomed(np.sign(parts) * np.sqrt(np.abs(parts)), *zoom), style.DIVERGING, -1, 1)


def _matrix_title(matrix: Matrix) -> tuple[str, str, str]:
    out_features, in_features = matrix.shape
    rows, columns = matrix.block
    reduced = f"dot = strongest of {rows} × {columns}" if rows * columns > 1 else "dot = one weight"
    return (
        f"{matrix.path}   {times(matrix.shape)}",
        f"{out_features} units ↓, {in_features} inputs →",
        f"{reduced}; typical size {matrix.rms:.2g} (rms)",
    )


def _flow(widths: list[int], heights: list[int]) -> tuple[list[tuple[int, int]], int, int]:
    """Lay boxes in rows of at most 1300 pixels; returns their places and the width and height."""
    places, x, y, row_height, width = [], style.MARGIN, 0, 0, 0
    for box_width, box_height in zip(widths, heights, strict=True):
        if x > style.MARGIN and x + box_width + style.MARGIN > 1300:
            x, y, row_height = style.MARGIN, y + row_height, 0
        places.append((x, y))
        x += box_width + 36
        width, row_height = max(width, x - 36 + style.MARGIN), max(row_height, box_height)
    return places, width, y + row_height


def times(shape: Shape) -> str:
    """A shape in words: '512 × 784'."""
    return " × ".join(map(str, shape))
