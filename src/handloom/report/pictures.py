"""A run's pictures as blocks of a page, each with words for those who cannot see it.

Of which part of the data they are, how many, and all else that differs from run to run is what the
picture's own heading and note say: they stand within its file.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from handloom.errors import RunError
from handloom.report.blocks import Block, Picture, Pictures, Text
from handloom.views import PNG_START, message_in, words_in

LONGEST_WORDS = 2000
"""Characters of what a picture says that are read out."""


class Words(NamedTuple):
    """What stands under a picture, and in its place."""

    caption: str
    alt: str


WORDS = {
    "weights-filters": Words(
        "What the first layer has learnt",
        "Tiles, one a unit of the first layer: its weights laid out as the picture that they read.",
    ),
    "weights-filters-raw": Words(
        "The first layer's weights as they are",
        "Tiles, one a unit of the first layer: its weights laid out as the picture that they read, "
        "what is left of their random start included.",
    ),
    "kernels": Words(
        "The kernels of the convolutions",
        "Tiles, one a kernel, layer by layer: red for positive weights, blue for negative ones.",
    ),
    "weights-matrices": Words(
        "The weight matrices of the dense layers",
        "Heat maps side by side, one a dense layer: a row a unit, a column an input, red for "
        "positive weights, blue for negative ones.",
    ),
    "activations": Words(
        "What each layer makes of a picture",
        "A row a picture, each of another class: the picture, what every layer answers to it from "
        "left to right, and the class that the network says.",
    ),
    "activations-pair": Words(
        "Two classes that are easily confused, layer by layer",
        "Two pictures side by side, and under each what every layer answers to it.",
    ),
    "predictions": Words(
        "Pictures taken at random",
        "Random pictures, each with bars for the three most probable classes, and "
        "whether the most probable one is right.",
    ),
    "confused-pairs": Words(
        "The pairs of classes that are confused most",
        "A row a pair of classes: how often pictures of the one were taken for the other, and "
        "examples of it.",
    ),
    "worst-mistakes": Words(
        "The mistakes of which it was surest",
        "Pictures that were taken for another class with the highest probability, each with its "
        "true class and bars for the three most probable ones.",
    ),
    "confusion": Words(
        "Which classes are taken for which",
        "The confusion matrix: a row a true class, a column a predicted one; the darker a cell, "
        "the more of the class is mistaken so.",
    ),
}


def pictures_of(folder: Path, names: tuple[str, ...]) -> tuple[Picture, ...]:
    """Those of the named pictures that lie in a run's figures/."""
    files = ((name, folder / f"{name}.png") for name in names)
    return tuple(_picture(name, _read(path)) for name, path in files if path.is_file())


def picture_blocks(folder: Path, names: tuple[str, ...]) -> tuple[Block, ...]:
    """The named pictures; those that hold only a sentence as sentences."""
    found = pictures_of(folder, names)
    drawn = tuple(picture for picture in found if not message_in(picture.png))
    empty = tuple(said for picture in found if (said := message_in(picture.png)))
    return (*([Pictures(drawn)] if drawn else []), *([Text(empty)] if empty else []))


def _picture(name: str, png: bytes) -> Picture:
    said = words_in(png)[:LONGEST_WORDS]
    alt = f"{WORDS[name].alt} It says: {said}" if said else WORDS[name].alt
    return Picture(name, png, alt, WORDS[name].caption)


def _read(path: Path) -> bytes:
    try:
        png = path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from None
    if not png.startswith(PNG_START):
        raise RunError(f"{path} is no PNG; draw it again with: handloom show {path.parents[1]}")
    return png
