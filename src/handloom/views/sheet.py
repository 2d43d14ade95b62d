"""A page to draw on, measured in pixels: small images land on whole pixels and stay sharp."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from handloom._typing import FloatArray, UInt8Array
from handloom.views import style
from handloom.views.tiles import zoomed

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Sheet:
    """A white page of `width` pixels: a heading, a note under it, and a body `height` pixels high.

    Places are pixels from the top left corner of the body. A sheet is filled inside
    `style.house_style()`; `finished()` then gives the figure. Images are collected on one canvas
    under everything else: a figure draws one large image much faster than hundreds of small ones.
    """

    def __init__(self, width: int, height: int, heading: str, note: str = "") -> None:
        from matplotlib.figure import Figure

        lines = style.wrapped(note, width - 2 * style.MARGIN)
        above = style.MARGIN + style.line_height(style.HEADING)
        self._body_top = above + len(lines) * style.line_height() + 16
        self.width, self.height = width, self._body_top + height
        # A hair more than whole pixels: matplotlib rounds down.
        size = ((self.width + 1e-3) / style.DPI, (self.height + 1e-3) / style.DPI)
        self.figure = Figure(figsize=size, dpi=style.DPI, facecolor=style.PAPER)
        self._canvas = np.full((self.height, self.width, 3), 255, np.uint8)
        self.figure.set_label(f"{heading}. {note}".strip())
        heading = style.fitted(heading, width - 2 * style.MARGIN, style.HEADING, "bold")
        self._write(style.MARGIN, style.MARGIN - 8, heading, size=style.HEADING, weight="bold")
        for index, line in enumerate(lines):
            self._write(style.MARGIN, above + index * style.line_height(), line, color=style.MUTED)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        *,
        size: float = style.TEXT,
        colour: str = style.INK,
        **settings: Any,
    ) -> None:
        """Plain text; (x, y) is its top left corner, unless `ha` or `va` say otherwise."""
        self._write(x, self._body_top + y, text, size=size, color=colour, **settings)

    def image(self, x: int, y: int, pixels: UInt8Array) -> None:
        """Pixels (H, W, 3), one by one; (x, y) is the top left corner."""
        top = self._body_top + y
        self._canvas[top : top + pixels.shape[0], x : x + pixels.shape[1]] = pixels

    def box(self, x: int, y: int, width: int, height: int, colour: str) -> None:
        """A filled rectangle; nothing where it has no area."""
        if width > 0 and height > 0:
            self.image(x, y, np.tile(rgb(colour), (height, width, 1)))

    def frame(self, x: int, y: int, width: int, height: int, colour: str, thickness: int) -> None:
        """A frame for an image of (width, height): it shows on all sides."""
        t = thickness
        self.box(x - t, y - t, width + 2 * t, height + 2 * t, colour)

    def axes(self, left: int, top: int, width: int, height: int) -> Axes:
        """Axes whose data area is the rectangle."""
        bottom = self.height - self._body_top - top - height
        w, h = self.width, self.height
        return self.figure.add_axes((left / w, bottom / h, width / w, height / h))

    def scale_bar(
        self, x: int, y: int, colour_map: str, ends: tuple[str, str, str], label: str
    ) -> None:
        """The colours with what they mean: left end, middle and right end, and of what."""
        width, height = SCALE_BAR
        ramp = np.linspace(0, 1, width)[np.newaxis].repeat(height, axis=0)
        self.frame(x, y, width, height, style.FAINT, 1)
        self.image(x, y, coloured(ramp, colour_map, 0, 1))
        for place, end, ha in zip((0, 0.5, 1), ends, ("left", "center", "right"), strict=True):
            self.text(x + place * width, y + height + 3, end, size=style.SMALL, ha=ha)
        self.text(x + width + 14, y + height / 2, label, colour=style.MUTED, va="center_baseline")

    def finished(self) -> Figure:
        """The figure with all that was put on the sheet."""
        self.figure.add_artist(_under_everything(self.figure, self._canvas))
        return self.figure

    def _write(self, x: float, y: float, text: str, **settings: Any) -> None:
        settings = {"va": "top"} | settings
        self.figure.text(x / self.width, 1 - y / self.height, text, **settings)


def _under_everything(figure: Figure, pixels: UInt8Array) -> Artist:
    """Pixels (H, W, 3) for the whole figure, drawn as they are.

    Figure.figimage draws the same, but resamples them for it: a hundred bytes of memory a pixel.
    """
    from matplotlib.image import FigureImage
    from matplotlib.transforms import IdentityTransform

    class Canvas(FigureImage):
        def make_image(self, *_: Any, **__: Any) -> Any:
            opaque = np.full((*pixels.shape[:2], 1), 255, np.uint8)
            from_below = np.concatenate([pixels, opaque], axis=2)[::-1]
            return np.ascontiguousarray(from_below), 0.0, 0.0, IdentityTransform()

    canvas = Canvas(figure)
    canvas.set_data(pixels)
    canvas.set_zorder(-1)
    return canvas


SCALE_BAR = (220, 12)
SCALE_BAR_ROOM = SCALE_BAR[1] + style.line_height(style.SMALL) + 14
"""The height that a scale bar takes from a body."""


def png(figure: Figure) -> bytes:
    """The figure as PNG. The same figure gives the same bytes: no date, no version within.

    What its heading and its note say stands in the file too: see `words_in`.
    """
    buffer = io.BytesIO()
    metadata = {"Software": None, DESCRIPTION: str(figure.get_label()) or None}
    if message_of(figure):
        metadata[COMMENT] = MESSAGE
    with style.house_style():
        figure.savefig(buffer, format="png", dpi=style.DPI, metadata=metadata)
    return buffer.getvalue()


MESSAGE = "message"
"""Marks a page that has no figure."""
DESCRIPTION = "Description"
"""The key of a PNG's text chunk, as the PNG specification names it."""


COMMENT = "Comment"


def words_in(png: bytes, chunk: str = DESCRIPTION) -> str:
    """The heading and the note of a figure that `png` made; "" where it has none."""
    at = len(PNG_START)
    while (head := png[at : at + 8])[4:] not in (b"", b"IDAT"):
        length = int.from_bytes(head[:4])
        key, _, text = png[at + 8 : at + 8 + length].partition(b"\0")
        if key == chunk.encode():
            if head[4:] == b"tEXt":
                return text.decode("latin-1")
            if head[4:] == b"iTXt" and text[:1] == b"\0":  # not compressed
                return text[2:].split(b"\0", 2)[-1].decode(errors="replace")
        at += 12 + length
    return ""


def message_in(png: bytes) -> str:
    """The message of a page that has no figure; "" where it has one."""
    return words_in(png) if words_in(png, COMMENT) == MESSAGE else ""


PNG_START = b"\x89PNG\r\n\x1a\n"
"""The first bytes of every PNG."""


def message_sheet(heading: str, note: str) -> Figure:
    """A page that says why there is nothing to show."""
    figure = Sheet(900, 12, heading, note).finished()
    figure.set_gid(MESSAGE)
    return figure


def message_of(figure: Figure) -> str:
    """Why there is nothing to see on it; "" where there is."""
    is_message = figure.get_gid() == MESSAGE
    return " ".join(line.get_text() for line in figure.texts[1:]) if is_message else ""


def rgb(colour: str) -> UInt8Array:
    """A colour (3,) as bytes."""
    from matplotlib.colors import to_rgb

    return np.round(np.multiply(to_rgb(colour), 255)).astype(np.uint8)


def coloured(values: FloatArray, colour_map: str, low: float, high: float) -> UInt8Array:
    """Values (H, W) -> colours (H, W, 3); `low` and `high` are the ends of the map, NaN is grey."""
    from matplotlib import colormaps

    parts = np.clip((values - low) / (high - low), 0, 1)
    colours = colormaps[colour_map](parts, bytes=True)[..., :3]
    colours[np.isnan(values)] = rgb(style.NOT_A_NUMBER)
    return colours


def picture(image: UInt8Array, side: int) -> UInt8Array:
    """An image (H, W) or (C, H, W) as pixels (h, w, 3), enlarged or averaged to fit into `side`.

    Three channels are red, green and blue; of any other number the mean is shown, in grey.
    """
    if image.ndim == 2:
        image = image[np.newaxis]
    if image.shape[0] != 3:
        grey = image.mean(axis=0, keepdims=True).astype(np.uint8)
        image = np.repeat(grey, 3, axis=0)
    longest = max(image.shape[1:])
    fitting = zoomed(image, side // longest) if longest <= side else _averaged(image, side)
    return np.moveaxis(fitting, 0, -1)


def _averaged(image: UInt8Array, side: int) -> UInt8Array:
    """An image (C, H, W) larger than `side`, every pixel the mean of those it stands for."""
    means, factor = image.astype(np.float64), side / max(image.shape[1:])
    for axis, size in ((1, image.shape[1]), (2, image.shape[2])):
        fewer = max(1, round(size * factor))
        starts = np.arange(fewer) * size // fewer
        counts = np.diff(starts, append=size)
        means = np.add.reduceat(means, starts, axis) / counts.reshape((-1, 1) if axis == 1 else -1)
    return means.astype(np.uint8)
