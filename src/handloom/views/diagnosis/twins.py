"""Images that are in two splits, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from handloom._typing import UInt8Array
from handloom.views import style
from handloom.views.sheet import Sheet, message_sheet, picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Twin(NamedTuple):
    """Two images and where they are: 'train 12' and 'test 7'.

    `difference` is the distance of their pixels over the second one's contrast; 0 is the same.
    """

    first: UInt8Array
    second: UInt8Array
    first_place: str
    second_place: str
    difference: float


class Twins(NamedTuple):
    """Pairs to show, the most alike first; `note` tells how many there are, and of what."""

    shown: tuple[Twin, ...]
    note: str


# -- drawing ---------------------------------------------------------------------------------------

COLUMNS = 4
SIDE = 112
CELL = (286, 170)


@style.house_style()
def draw_twins(twins: Twins) -> Figure:
    """Pairs beside each other, under each how far they differ."""
    heading = "The same images in two splits"
    if not twins.shown:
        return message_sheet(heading, twins.note)
    rows = -(-len(twins.shown) // COLUMNS)
    sheet = Sheet(2 * style.MARGIN + COLUMNS * CELL[0], rows * CELL[1], heading, twins.note)
    for place, twin in enumerate(twins.shown):
        row, column = divmod(place, COLUMNS)
        _draw_twin(sheet, style.MARGIN + column * CELL[0], row * CELL[1], twin)
    return sheet.finished()


def _draw_twin(sheet: Sheet, x: int, y: int, twin: Twin) -> None:
    sides = ((twin.first, twin.first_place), (twin.second, twin.second_place))
    for number, (image, where) in enumerate(sides):
        left = x + number * (SIDE + 14)
        pixels = picture(image, SIDE)
        sheet.frame(left + 1, y + 1, pixels.shape[1], pixels.shape[0], style.FAINT, 1)
        sheet.image(left + 1, y + 1, pixels)
        told = style.fitted(where, SIDE, style.SMALL)
        sheet.text(left, y + SIDE + 8, told, size=style.SMALL, colour=style.MUTED)
    told = "identical pixels" if twin.difference == 0 else f"differ by {twin.difference:.1%}"
    sheet.text(x, y + SIDE + 28, told.replace("%", " %"), size=style.SMALL, colour=style.WRONG)
