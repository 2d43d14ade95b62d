"""Images with their predictions: some at random, and the most confident mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.random import Generator

from handloom._typing import FloatArray, IntArray, UInt8Array
from handloom.views import style
from handloom.views.sheet import Sheet, message_sheet, picture

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_SHOWN = 12
TOP = 3


class Prediction(NamedTuple):
    """One image, the `place`-th: class ids; `top` are (id, probability), most probable first."""

    place: int
    image: UInt8Array
    true: int
    predicted: int
    top: tuple[tuple[int, float], ...]
    true_probability: float

    @property
    def is_right(self) -> bool:
        """Whether the most probable class is the true one."""
        return self.predicted == self.true


class Predictions(NamedTuple):
    """Images to show, out of `num_pictures` of `part`, of which `num_wrong` are mistaken."""

    shown: tuple[Prediction, ...]
    class_names: tuple[str, ...]
    num_pictures: int
    num_wrong: int
    part: str = ""


def random_predictions(
    images: UInt8Array,
    labels: IntArray,
    probabilities: FloatArray,
    class_names: tuple[str, ...],
    *,
    rng: Generator,
    part: str = "",
    most: int = MOST_SHOWN,
) -> Predictions:
    """`most` images drawn without replacement.

    Shapes: images (N, ...), labels (N,), probabilities (N, K).
    """
    chosen = rng.choice(len(labels), size=min(most, len(labels)), replace=False)
    return _predictions(chosen, images, labels, probabilities, class_names, part)


def worst_mistakes(
    images: UInt8Array,
    labels: IntArray,
    probabilities: FloatArray,
    class_names: tuple[str, ...],
    *,
    part: str = "",
    most: int = MOST_SHOWN,
) -> Predictions:
    """The wrong predictions of the highest probability, highest first; the first of equals."""
    wrong = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    sureness = probabilities[wrong].max(axis=1, initial=0.0)
    chosen = wrong[np.argsort(-sureness, kind="stable")[:most]]
    return _predictions(chosen, images, labels, probabilities, class_names, part)


def _predictions(
    chosen: IntArray,
    images: UInt8Array,
    labels: IntArray,
    probabilities: FloatArray,
    class_names: tuple[str, ...],
    part: str,
) -> Predictions:
    predicted = probabilities.argmax(axis=1)
    shown = []
    for index in map(int, chosen):
        row = probabilities[index]
        best = np.argsort(-row, kind="stable")[:TOP]
        top = tuple((int(k), float(row[k])) for k in best)
        true = int(labels[index])
        shown.append(
            Prediction(index, images[index], true, int(predicted[index]), top, float(row[true]))
        )
    return Predictions(
        tuple(shown), class_names, len(labels), int(np.count_nonzero(predicted != labels)), part
    )


# -- drawing ---------------------------------------------------------------------------------------

COLUMNS = 3
SIDE = 112
CELL_WIDTH, CELL_HEIGHT = 404, 152
NAME_WIDTH, BAR_WIDTH, BAR_HEIGHT = 104, 76, 10
BARS = "Bars: the most probable classes; green is the true one."


@style.house_style()
def draw_predictions(predictions: Predictions) -> Figure:
    """Random images, each with its three most probable classes."""
    right = predictions.num_pictures - predictions.num_wrong
    count = len(predictions.shown)
    random = "1 random" if count == 1 else f"{count:,} random"
    heading = f"{random} {style.part_pictures(predictions.part, count)} and the predictions"
    note = (
        f"{style.RIGHT_SIGN} correct, {style.WRONG_SIGN} wrong. {BARS} Of all "
        f"{style.pictures(predictions.num_pictures, predictions.part)}, "
        f"{style.percent(right / predictions.num_pictures)} are correct."
    )
    return _draw(predictions, heading, note)


@style.house_style()
def draw_worst_mistakes(predictions: Predictions) -> Figure:
    """The mistakes of which the network was surest; says so if there is none."""
    wrong, total = predictions.num_wrong, style.pictures(predictions.num_pictures, predictions.part)
    if not predictions.shown:
        return message_sheet(
            "The most confident mistakes", f"No mistakes: all {total} are correct."
        )
    note = (
        f"{wrong:,} of {total} {'was' if wrong == 1 else 'were'} misclassified; shown: "
        f"{_how_many(len(predictions.shown), wrong)}. {BARS}"
    )
    return _draw(predictions, "The most confident mistakes", note)


def _how_many(shown: int, wrong: int) -> str:
    if shown == wrong:
        return "it" if wrong == 1 else "all of them, most confident first"
    return f"the {shown} most confident"


def _draw(predictions: Predictions, heading: str, note: str) -> Figure:
    columns = min(COLUMNS, len(predictions.shown))
    rows = -(-len(predictions.shown) // columns)
    width = max(2 * style.MARGIN + columns * CELL_WIDTH - 20, 760)
    sheet = Sheet(width, rows * CELL_HEIGHT + 8, heading, note)
    for place, prediction in enumerate(predictions.shown):
        x = style.MARGIN + place % columns * CELL_WIDTH
        _draw_cell(sheet, x, place // columns * CELL_HEIGHT, prediction, predictions.class_names)
    return sheet.finished()


def _draw_cell(
    sheet: Sheet, x: int, y: int, prediction: Prediction, names: tuple[str, ...]
) -> None:
    colour = style.RIGHT if prediction.is_right else style.WRONG
    sign = style.RIGHT_SIGN if prediction.is_right else style.WRONG_SIGN
    pixels = picture(prediction.image, SIDE)
    height, width = pixels.shape[:2]
    top = y + 8 + (SIDE - height) // 2
    sheet.frame(x + 4, top, width, height, colour, 4)
    sheet.image(x + 4, top, pixels)
    left = x + SIDE + 24
    room = CELL_WIDTH - SIDE - 24 - 16
    said = style.fitted(f"{sign} {_name(names, prediction.predicted)}", room)
    sheet.text(left, y, said, colour=colour)
    truth = f"true: {_name(names, prediction.true)}"
    if not prediction.is_right:
        truth += f" ({style.percent(prediction.true_probability)})"
    sheet.text(left, y + 25, style.fitted(truth, room, style.SMALL), size=style.SMALL)
    for rank, (k, probability) in enumerate(prediction.top):
        at = y + 64 + rank * 25
        _draw_bar(sheet, left, at, _name(names, k), probability, k == prediction.true)


def _name(class_names: tuple[str, ...], class_id: int) -> str:
    return style.shown_name(class_names[class_id], class_id)


def _draw_bar(sheet: Sheet, x: int, y: int, name: str, probability: float, is_true: bool) -> None:
    """A class's name, a bar as long as its probability, and the number."""
    length = round(BAR_WIDTH * float(np.nan_to_num(probability)))
    settings: dict[str, Any] = {"size": style.SMALL, "colour": style.MUTED, "va": "center_baseline"}
    sheet.text(x, y, style.fitted(name, NAME_WIDTH - 8, style.SMALL), **settings)
    bar = (x + NAME_WIDTH, y - BAR_HEIGHT // 2)
    sheet.box(*bar, BAR_WIDTH, BAR_HEIGHT, style.FAINT)
    sheet.box(*bar, length, BAR_HEIGHT, style.RIGHT if is_true else style.NEUTRAL)
    sheet.text(x + NAME_WIDTH + BAR_WIDTH + 8, y, style.percent(probability), **settings)
