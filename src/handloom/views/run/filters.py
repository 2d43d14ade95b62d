"""What the first dense layer has learned: a unit's weights, laid out as an image.

The starting weights are random and, in a wide layer, larger than what training adds to them: drawn
as they are, trained weights look like noise. Their difference from the start shows the learning.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from handloom._typing import AnyArray, FloatArray, Shape
from handloom.nn.layer import Layer
from handloom.views import style
from handloom.views.run.weights import times, weights_of
from handloom.views.sheet import SCALE_BAR_ROOM, Sheet, coloured
from handloom.views.tiles import block_means, fitting_grid, mosaic, symmetric_limit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_FILTERS = 100
LARGEST_TILE = 128
"""Pixels down that a tile may take; of larger images it shows means of neighbouring weights."""
SURELY = 5.0
"""So many standard errors above zero is the correlation of weights with those they began as."""


class Filters(NamedTuple):
    """The first layer's weights as images: `tiles` (N, H, C·W), one a unit, channels abreast.

    `units` (N,) are the rows of the weight shown: those of the largest norm, largest first.
    `limit` is the size of weight at the ends of the colour map; `num_bad` counts NaN and infinity.
    `is_change`: the tiles are the weights less those before the first step. `block` is how many
    weights down and across one number of a tile is the mean of. `has_dark`: NaN stands in the tiles
    where the training images are black, all of them.
    """

    path: str
    shape: Shape
    image_shape: Shape
    units: AnyArray
    tiles: FloatArray
    limit: float
    num_bad: int
    is_change: bool = False
    block: int = 1
    has_dark: bool = False


def filters(
    model: Layer,
    image_shape: Shape,
    most: int = MOST_FILTERS,
    *,
    start: Layer | None = None,
    dark: AnyArray | None = None,
) -> Filters | None:
    """The filters of the first weight, or None unless it is a matrix that reads whole images.

    `image_shape` is (C, H, W). The units with the largest L2 norm are taken; with C channels,
    `most` / C of them. `start` is the network before its first step: given that, what was learned
    is shown, or None where the weights do not come from these (see `first_weights`). `dark` (C, H,
    W) is true for the pixels that no training image lights: their weights are left out.
    """
    path, weight = _first(model)
    if weight.ndim != 2 or weight.shape[1] != int(np.prod(image_shape)):
        return None
    values = weight.astype(np.float64)
    if start is not None:
        began = first_weights(model, start)
        if began is None:
            return None
        values = values - began
    channels, height, width = image_shape
    norms = np.nan_to_num(np.linalg.norm(values, axis=1), nan=np.inf)
    units = np.argsort(-norms, kind="stable")[: max(1, most // channels)]
    planes = values[units].reshape(-1, channels, height, width)
    limit = symmetric_limit(planes)
    if dark is not None:
        planes[:, dark] = np.nan
    block = max(1, -(-max(height, width) // LARGEST_TILE))
    tiles = block_means(planes, block).swapaxes(1, 2)
    return Filters(
        path,
        weight.shape,
        image_shape,
        units,
        tiles.reshape(len(units), tiles.shape[1], -1),
        limit if block == 1 else symmetric_limit(tiles),
        int(np.count_nonzero(~np.isfinite(weight))),
        start is not None,
        block,
        dark is not None and bool(dark.any()),
    )


def first_weights(model: Layer, start: Layer) -> FloatArray | None:
    """What the first weight of `model` began as in `start`; None where it cannot have been that.

    Weights keep something of their start: where nothing of it is left, it was another one (of
    another version, say), or the difference would show no more than the weights themselves.
    """
    (path, weight), (began_path, began) = _first(model), _first(start)
    if path != began_path or weight.shape != began.shape or not np.isfinite(weight).all():
        return None
    if not weight.std() or not began.std():
        return None
    correlation = float(np.corrcoef(weight.ravel(), began.ravel())[0, 1])
    return began.astype(np.float64) if correlation * weight.size**0.5 > SURELY else None


def _first(model: Layer) -> tuple[str, AnyArray]:
    return next(iter(weights_of(model).items()), ("", np.empty(0)))


# -- drawing ---------------------------------------------------------------------------------------


@style.house_style()
def draw_filters(filters: Filters) -> Figure:
    """One tile a unit: red where ink excites the unit, blue where it inhibits it."""
    tile = filters.tiles.shape[1:]
    grid = fitting_grid(len(filters.tiles), tile, (900, 1000))
    tiles = mosaic(filters.tiles[: grid.num_shown], grid.columns, grid.zoom)
    pixels = coloured(tiles, style.DIVERGING, -filters.limit, filters.limit)
    width = max(pixels.shape[1] + 2 * style.MARGIN, 760)
    height = SCALE_BAR_ROOM + pixels.shape[0] + style.MARGIN
    what = "What the first layer has learned" if filters.is_change else "The first layer's weights"
    heading = f"{what}: {filters.path}, {times(filters.shape)}"
    sheet = Sheet(width, height, heading, _note(filters, grid.num_shown))
    limit = f"{filters.limit:.2g}"
    label = "change of the weight" if filters.is_change else "weight from a pixel to the unit"
    ends = (f"≤ −{limit}", "0", f"≥ +{limit}")
    sheet.scale_bar(style.MARGIN, 0, style.DIVERGING, ends, label)
    sheet.image(style.MARGIN, SCALE_BAR_ROOM, pixels)
    return sheet.finished()


def _note(filters: Filters, shown: int) -> str:
    channels, height, width = filters.image_shape
    total = filters.shape[0]
    which = f"all {total} units" if shown == total else f"{shown} of {total} units"
    if filters.is_change:
        note = (
            f"Each tile is one unit: its {height} × {width} weights after training minus those "
            "before training. Red: training made a bright pixel excite the unit more; "
            f"blue: less. Shown: {which}, in order of change (L2 norm), largest first."
        )
    else:
        note = (
            f"Each tile is the {height} × {width} weights from the image to one unit, including "
            "what is left of their random initial values. A bright pixel excites the unit where "
            f"it is red, inhibits it where it is blue. Shown: {which}, those with the largest "
            "weights (L2 norm) first."
        )
    if channels > 1:
        note += f" The {channels} parts of a tile are the image's channels, in order."
    if filters.block > 1:
        note += f" Each dot is the mean of {filters.block} × {filters.block} weights."
    if filters.has_dark:
        note += " Grey: pixels that are black in every training image; nothing is learned there."
    if filters.num_bad:
        note += f" {filters.num_bad:,} weights are not finite (grey)."
    return note
