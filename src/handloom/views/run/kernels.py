"""What the convolutions have learned: their kernels as tiles."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from handloom._typing import FloatArray, Shape, UInt8Array
from handloom.nn.layer import Layer
from handloom.views import style
from handloom.views.sheet import SCALE_BAR_ROOM, Sheet, coloured
from handloom.views.tiles import mosaic, symmetric_limit

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_LAYERS = 6
MOST_OUTPUTS, MOST_INPUTS = 32, 16


class KernelLayer(NamedTuple):
    """One convolution's kernels: `tiles` (in, out, kh, kw), the first of each; `shape` is whole.

    `limit` is the largest finite weight of the layer, in size.
    """

    path: str
    shape: Shape
    tiles: FloatArray
    limit: float


class Kernels(NamedTuple):
    """The first convolutions of a network, and how many it has."""

    layers: tuple[KernelLayer, ...]
    num_layers: int


def kernels(model: Layer) -> Kernels | None:
    """The kernels of the first convolutions, in forward order; None if there is no convolution.

    Shown are at most 6 layers, 32 outputs and 16 inputs of each: the first ones.
    """
    parameters = model.named_parameters().items()
    weights = [(path, p.value) for path, p in parameters if p.value.ndim == 4]
    if not weights:
        return None
    layers = tuple(
        KernelLayer(
            path,
            weight.shape,
            weight[:MOST_OUTPUTS, :MOST_INPUTS].swapaxes(0, 1).astype(np.float64),
            symmetric_limit(weight, quantile=1.0),
        )
        for path, weight in weights[:MOST_LAYERS]
    )
    return Kernels(layers, len(weights))


# -- drawing ---------------------------------------------------------------------------------------

TILE, GAP = 58, 6
"""About how many pixels a kernel is wide where there is room, and how many lie between."""
ROOM = (440, 1180)
"""Pixels that a layer may take, down and across."""


@style.house_style()
def draw_kernels(kernels: Kernels) -> Figure:
    """One block a layer, under each other: outputs to the right, inputs down."""
    blocks = [_block(layer) for layer in kernels.layers]
    words = style.line_height() + style.line_height(style.SMALL) + 6
    note = (
        "Each tile is one kernel, the weights from one input channel to one output channel: "
        "columns are outputs, rows are inputs. Colours are relative to the layer's largest weight."
    )
    if kernels.num_layers > len(blocks):
        note += f" Shown: the first {len(blocks)} of {kernels.num_layers} convolutions."
    width = max(max(block.shape[1] for block in blocks) + 2 * style.MARGIN + 30, 820)
    height = SCALE_BAR_ROOM + 12 + sum(block.shape[0] + words + 30 for block in blocks)
    sheet = Sheet(width, height, "The kernels of the convolutions", note)
    ends = ("−largest", "0", "+largest")
    sheet.scale_bar(style.MARGIN, 0, style.DIVERGING, ends, "weight, scaled per layer")
    y = SCALE_BAR_ROOM + 12
    for layer, block in zip(kernels.layers, blocks, strict=True):
        _draw_layer(sheet, y, layer)
        sheet.image(style.MARGIN + 30, y + words, block)
        middle = y + words + block.shape[0] / 2
        sheet.text(
            style.MARGIN + 12, middle, "inputs →" if len(layer.tiles) > 1 else "input →",
            size=style.SMALL, colour=style.MUTED, rotation=270, ha="center", va="center",
        )  # fmt: skip
        y += block.shape[0] + words + 30
    return sheet.finished()


def _block(layer: KernelLayer) -> UInt8Array:
    inputs, outputs, height, width = layer.tiles.shape
    down, across = ROOM[0] // inputs - GAP, ROOM[1] // outputs - GAP
    zoom = max(1, min(TILE // max(height, width), down // height, across // width))
    tiles = layer.tiles.reshape(inputs * outputs, height, width)
    pixels = mosaic(tiles, outputs, zoom, GAP)
    return coloured(pixels, style.DIVERGING, -layer.limit, layer.limit)


def _draw_layer(sheet: Sheet, y: int, layer: KernelLayer) -> None:
    outputs, inputs, height, width = layer.shape
    x = style.MARGIN + 30
    sheet.text(x, y, f"{layer.path}   {outputs} × {inputs} × {height} × {width}", weight="bold")
    shown_inputs, shown_outputs = layer.tiles.shape[:2]
    told = [
        f"{_shown(shown_outputs, outputs, 'output')} →",
        f"{_shown(shown_inputs, inputs, 'input')} ↓",
        f"largest weight {layer.limit:.2g}",
    ]
    sheet.text(x, y + style.line_height(), ",  ".join(told), size=style.SMALL, colour=style.MUTED)


def _shown(shown: int, total: int, what: str) -> str:
    plural = what if total == 1 else f"{what}s"
    return f"{total} {plural}" if shown == total else f"first {shown} of {total} {plural}"
