"""Draws activations: one row per image across all layers, or two images side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from handloom._typing import AnyArray, UInt8Array
from handloom.views import style
from handloom.views.run.activations import Activations, LayerOutput, as_planes
from handloom.views.sheet import SCALE_BAR_ROOM, Sheet, coloured, picture
from handloom.views.tiles import GAP as TILE_GAP
from handloom.views.tiles import fitting_grid, mosaic, strongest, zoomed

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_MAPS = 16
SMALLEST_MAP = 20
"""No feature map is drawn with a side under so many pixels."""
THICKEST = 14
"""The most pixels across that one unit of a dense layer may take."""
GAP = 24
NAME_ROOM, VERDICT_ROOM = 170, 190
LINE = style.line_height(style.SMALL)


class _Shown(NamedTuple):
    """A layer as it is drawn: the lines that head it, and a raster (h, w, 3) for each image."""

    head: tuple[str, ...]
    rasters: list[UInt8Array]

    @property
    def head_width(self) -> int:
        """Pixels that the widest line of the head takes."""
        return max(int(style.text_width(line, style.SMALL, "bold")) for line in self.head)

    @property
    def width(self) -> int:
        """Pixels across of head and rasters."""
        return max(self.rasters[0].shape[1], self.head_width)


def _shown(layer: LayerOutput, room: tuple[int, int], strip_height: int) -> _Shown:
    rasters = [_raster(values, layer.limit, room, strip_height) for values in layer.values]
    return _Shown(_head(layer, room), rasters)


@style.house_style()
def draw_activations(activations: Activations) -> Figure:
    """Rows are images, columns are layers, from the input on the left to the prediction."""
    has_maps = any(layer.values.ndim == 4 for layer in activations.layers)
    room, side = ((116, 164), 84) if has_maps else ((52, 260), 56)
    columns = [_shown(layer, room, 30) for layer in activations.layers]
    names = [style.fitted(_name(activations, k), NAME_ROOM) for k in activations.true]
    name_width = max(int(style.text_width(name)) for name in names)
    places = np.cumsum(
        [style.MARGIN + name_width + 14, side + GAP, *(column.width + GAP for column in columns)]
    )
    heads_at = SCALE_BAR_ROOM + 10
    top = heads_at + max(len(column.head) for column in columns) * LINE + 8
    row = max(side, *(column.rasters[0].shape[0] for column in columns)) + 14
    middles = [top + index * row + row // 2 for index in range(len(activations.images))]
    width, height = max(int(places[-1]) + VERDICT_ROOM, 860), top + len(middles) * row + 12
    sheet = Sheet(width, height, "The activations of each layer", _note(activations))
    _draw_scale(sheet)
    for index, middle in enumerate(middles):
        sheet.text(style.MARGIN, middle, names[index], va="center_baseline")
        _draw_centred(sheet, places[0], middle, picture(activations.images[index], side))
        _draw_verdict(sheet, (places[-1], middle), activations, index, VERDICT_ROOM)
    _draw_head(sheet, places[0], heads_at, ("image",))
    _draw_head(sheet, places[-1], heads_at, ("answer",))
    for x, column in zip(places[1:-1], columns, strict=True):
        _draw_head(sheet, x, heads_at, column.head)
        for middle, raster in zip(middles, column.rasters, strict=True):
            _draw_centred(sheet, x, middle, raster)
    return sheet.finished()


@style.house_style()
def draw_activation_pair(activations: Activations) -> Figure:
    """The first two images beside each other, and the layers from top to bottom."""
    room, side = (150, 520), 112
    rows = [_shown(layer, room, 34) for layer in activations.layers]
    heights = [max(row.rasters[0].shape[0], len(row.head) * LINE) + 16 for row in rows]
    left = style.MARGIN + max(row.head_width for row in rows) + GAP + 10
    places = (left, left + room[1] + GAP)
    names = [_name(activations, k) for k in activations.true[:2]]
    first, second = (style.fitted(name, 260, style.HEADING, "bold") for name in names)
    heading = f"Activations for two images: {first} and {second}"
    y = SCALE_BAR_ROOM + 10
    width, height = places[1] + room[1] + style.MARGIN, y + side + 30 + sum(heights)
    sheet = Sheet(width, height, heading, _note(activations))
    _draw_scale(sheet)
    for index, x in enumerate(places):
        middle, beside = y + side // 2, x + side + 18
        _draw_centred(sheet, x, middle, picture(activations.images[index], side))
        name = style.fitted(names[index], room[1] - side - 20, weight="bold")
        sheet.text(beside, middle - 44, name, weight="bold")
        _draw_verdict(sheet, (beside, middle + 14), activations, index, room[1] - side)
    y += side + 30
    for row, height in zip(rows, heights, strict=True):
        _draw_head(sheet, style.MARGIN, y, row.head)
        for x, raster in zip(places, row.rasters, strict=False):
            sheet.image(x, y, raster)
        y += height
    return sheet.finished()


def _name(activations: Activations, class_id: int) -> str:
    return style.shown_name(activations.class_names[class_id], int(class_id))


def _note(activations: Activations) -> str:
    told = (
        f"{style.pictures(len(activations.images), activations.part)}. Blocks of "
        "tiles: the feature maps of a convolution. Strips: the units of a dense layer, one "
        "stripe each. White is zero, red positive, blue negative; each layer has its own scale."
    )
    if len(activations.layers) < activations.num_layers:
        told += f" Shown: {len(activations.layers)} of {activations.num_layers} layers."
    return told


def _draw_scale(sheet: Sheet) -> None:
    ends = ("−", "0", "+")
    sheet.scale_bar(
        style.MARGIN,
        0,
        style.DIVERGING,
        ends,
        "a layer's output; its range is the ± beside its name",
    )


def _raster(values: AnyArray, limit: float, room: tuple[int, int], strip_height: int) -> UInt8Array:
    """One image's output of a layer as colours (h, w, 3), within `room` pixels."""
    planes = as_planes(values)
    if planes.shape[:2] == (1, 1):
        strip, _ = strongest(planes[0], (1, room[1]))
        zoom = max(1, min(THICKEST, room[1] // strip.shape[1]))
        framed = np.pad(zoomed(strip, strip_height, zoom), 1, constant_values=np.nan)
        return coloured(framed, style.DIVERGING, -limit, limit)
    largest = _largest_map(room)
    maps = np.stack([strongest(plane, largest)[0] for plane in planes])
    grid = fitting_grid(min(len(maps), MOST_MAPS), maps.shape[1:], room, SMALLEST_MAP)
    tiles = mosaic(maps[: grid.num_shown], grid.columns, grid.zoom)
    return coloured(tiles, style.DIVERGING, -limit, limit)


def _largest_map(room: tuple[int, int]) -> tuple[int, int]:
    return room[0] - 2 * TILE_GAP, room[1] - 2 * TILE_GAP


def _head(layer: LayerOutput, room: tuple[int, int]) -> tuple[str, ...]:
    """The layer's path and kind, the shape of its output, what of it is shown, its scale."""
    shape = " × ".join(map(str, layer.shape))
    planes = as_planes(layer.values[0])
    lines = [f"{layer.path} {layer.kind}".strip()]
    if planes.shape[:2] == (1, 1):
        lines.append(f"{shape} unit" if shape == "1" else f"{shape} units")
        per_stripe = -(-planes.shape[2] // room[1])
        if per_stripe > 1:
            lines.append(f"stripe: strongest of {per_stripe}")
    else:
        lines.append(shape)
        size = strongest(planes[0], _largest_map(room))[0].shape
        count = fitting_grid(min(len(planes), MOST_MAPS), size, room, SMALLEST_MAP).num_shown
        if count < len(planes):
            lines.append(f"first {count} maps")
    return (*lines, f"± {layer.limit:.2g}")


def _draw_head(sheet: Sheet, x: int, y: int, head: tuple[str, ...]) -> None:
    for index, line in enumerate(head):
        weight, colour = ("bold", style.INK) if index == 0 else ("normal", style.MUTED)
        sheet.text(x, y + index * LINE, line, size=style.SMALL, weight=weight, colour=colour)


def _draw_centred(sheet: Sheet, x: int, middle: int, pixels: UInt8Array) -> None:
    sheet.image(x, middle - pixels.shape[0] // 2, pixels)


def _draw_verdict(
    sheet: Sheet, place: tuple[int, int], activations: Activations, index: int, room: int
) -> None:
    """The prediction, with a sign and a colour for right or wrong, and its confidence."""
    x, middle = place
    predicted = activations.predicted[index]
    is_right = predicted == activations.true[index]
    sign, colour = (style.RIGHT_SIGN, style.RIGHT) if is_right else (style.WRONG_SIGN, style.WRONG)
    name = _name(activations, predicted)
    said = style.fitted(f"{sign} {name}", room - style.MARGIN)
    sheet.text(x, middle - 12, said, colour=colour, va="center_baseline")
    probability = style.percent(float(activations.probability[index]))
    sheet.text(
        x, middle + 12, probability, size=style.SMALL, colour=style.MUTED, va="center_baseline"
    )
