"""Images whose label may be wrong: the label, and the class that the network predicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from handloom._typing import UInt8Array
from handloom.views import style
from handloom.views.sheet import Sheet, message_sheet, picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Suspect(NamedTuple):
    """One image (H, W) or (C, H, W): its label, the predicted class, and the confidence.

    `where` tells where to find it: 'train 4711'.
    """

    image: UInt8Array
    labelled: int
    said: int
    probability: float
    where: str


class Suspects(NamedTuple):
    """Those to show, most confident first, of `num_suspects` among `num_pictures`."""

    shown: tuple[Suspect, ...]
    class_names: tuple[str, ...]
    num_suspects: int
    num_pictures: int


# -- drawing ---------------------------------------------------------------------------------------

COLUMNS = 6
SIDE = 112
CELL = (196, 208)  # width and height, in pixels


@style.house_style()
def draw_suspects(suspects: Suspects) -> Figure:
    """A grid of images, under each its label, then the prediction."""
    heading = "Labels that may be wrong"
    if not suspects.shown:
        told = f"The network confidently contradicts no label of {suspects.num_pictures:,} images."
        return message_sheet(heading, told)
    note = (
        f"{suspects.num_suspects:,} of {suspects.num_pictures:,} images have a label that the "
        "network contradicts: it is confident of another class. Check them: correct a wrong label "
        "in the data; where the label is right, the network is wrong."
    )
    if suspects.num_suspects > len(suspects.shown):
        note += f" Shown: the {len(suspects.shown)} least probable labels."
    rows = -(-len(suspects.shown) // COLUMNS)
    width = 2 * style.MARGIN + COLUMNS * CELL[0]
    sheet = Sheet(width, rows * CELL[1], heading, note)
    for place, suspect in enumerate(suspects.shown):
        row, column = divmod(place, COLUMNS)
        _draw_suspect(
            sheet, style.MARGIN + column * CELL[0], row * CELL[1], suspect, suspects.class_names
        )
    return sheet.finished()


def _draw_suspect(sheet: Sheet, x: int, y: int, suspect: Suspect, names: tuple[str, ...]) -> None:
    pixels = picture(suspect.image, SIDE)
    sheet.frame(x + 1, y + 1, pixels.shape[1], pixels.shape[0], style.FAINT, 1)
    sheet.image(x + 1, y + 1, pixels)
    room = CELL[0] - 12
    certainty = style.percent(float(np.float64(suspect.probability)))
    labelled, seen = (style.shown_name(names[k], k) for k in (suspect.labelled, suspect.said))
    said = f"{seen}, {certainty}"
    lines = (
        (f"label: {labelled}", style.INK),
        (said, style.WRONG),
        (suspect.where, style.MUTED),
    )
    for number, (line, colour) in enumerate(lines):
        at = y + SIDE + 10 + number * 22
        sheet.text(x, at, style.fitted(line, room, style.SMALL), size=style.SMALL, colour=colour)
