"""The most confused pairs of classes, with examples."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from handloom._typing import FloatArray, IntArray, UInt8Array
from handloom.views import style
from handloom.views.run.confusion import Confusion
from handloom.views.sheet import Sheet, message_sheet, picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PAIRS = 8
MOST_EXAMPLES = 8


class ConfusedPair(NamedTuple):
    """`times` images of class `true` were predicted as `predicted`: `share` of that class."""

    true: int
    predicted: int
    times: int
    share: float


class PairExamples(NamedTuple):
    """A pair with images (n, ...) of the mistake, most confident first."""

    pair: ConfusedPair
    images: UInt8Array


class ConfusedPairs(NamedTuple):
    """The most frequent pairs, of `num_wrong` mistakes among `num_pictures` images of `part`."""

    pairs: tuple[PairExamples, ...]
    class_names: tuple[str, ...]
    num_wrong: int
    num_pictures: int
    part: str = ""


def most_confused(confusion: Confusion, most: int = MOST_PAIRS) -> tuple[ConfusedPair, ...]:
    """The pairs (true, predicted) with the most mistakes, by count, then by class id."""
    support = confusion.support
    wrong = np.flatnonzero(confusion.true != confusion.predicted)
    places = wrong[np.argsort(-confusion.times[wrong], kind="stable")[:most]]
    columns = (confusion.true, confusion.predicted, confusion.times)
    rows = np.stack([column[places] for column in columns], axis=1)
    return tuple(
        ConfusedPair(int(true), int(predicted), int(times), float(times / support[true]))
        for true, predicted, times in rows
    )


def confused_pairs(
    confusion: Confusion,
    images: UInt8Array,
    labels: IntArray,
    probabilities: FloatArray,
) -> ConfusedPairs:
    """The most confused pairs with examples. Images (N, ...), labels (N,), probabilities (N, K)."""
    predicted = probabilities.argmax(axis=1)
    found = []
    for pair in most_confused(confusion):
        places = np.flatnonzero((labels == pair.true) & (predicted == pair.predicted))
        surest = np.argsort(-probabilities[places, pair.predicted], kind="stable")
        found.append(PairExamples(pair, images[places[surest[:MOST_EXAMPLES]]]))
    wrong = int(np.count_nonzero(predicted != labels))
    return ConfusedPairs(tuple(found), confusion.class_names, wrong, len(labels), confusion.part)


# -- drawing ---------------------------------------------------------------------------------------

SIDE = 84
ROW = SIDE + 22
WORDS = 300
BAR = 230


@style.house_style()
def draw_confused_pairs(confused: ConfusedPairs) -> Figure:
    """One row a pair: how often, and examples."""
    heading = "The most confused classes"
    if not confused.pairs:
        told = (
            f"No mistakes: all {style.pictures(confused.num_pictures, confused.part)} are correct."
        )
        return message_sheet(heading, told)
    note = (
        f"{confused.num_wrong:,} of {style.pictures(confused.num_pictures, confused.part)} are "
        "misclassified. Each row: images of one class that were predicted as another, the most "
        "confident first."
    )
    width = 2 * style.MARGIN + WORDS + MOST_EXAMPLES * (SIDE + 8)
    sheet = Sheet(width, len(confused.pairs) * ROW + 10, heading, note)
    most = confused.pairs[0].pair.times
    for row, example in enumerate(confused.pairs):
        _draw_words(sheet, row * ROW, example.pair, confused.class_names, most)
        for place, image in enumerate(example.images):
            x = style.MARGIN + WORDS + place * (SIDE + 8)
            sheet.image(x, row * ROW, picture(image, SIDE))
    return sheet.finished()


def _draw_words(
    sheet: Sheet, y: int, pair: ConfusedPair, names: tuple[str, ...], most: int
) -> None:
    x, room = style.MARGIN, WORDS - 20
    true, predicted = (style.shown_name(names[k], k) for k in (pair.true, pair.predicted))
    sheet.text(x, y - 2, style.fitted(true, room))
    said = style.fitted(f"predicted as {predicted}", room)
    sheet.text(x, y + 22, said, colour=style.WRONG)
    often = "once" if pair.times == 1 else f"{pair.times:,} times"
    told = f"{often}, {style.percent(pair.share)} of its class"
    sheet.text(x, y + 48, told, size=style.SMALL, colour=style.MUTED)
    sheet.box(x, y + 72, max(2, round(BAR * pair.times / most)), 8, style.WRONG)
