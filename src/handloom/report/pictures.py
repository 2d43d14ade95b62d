"""A run's figures as blocks of a page, each with an alternative text.

Of which split they are, how many, and all else that differs from run to run is what the
figure's own heading and note say: they stand within its file.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from handloom.errors import RunError
from handloom.report.blocks import Block, Picture, Pictures, Text
from handloom.views import PNG_START, message_in, words_in

LONGEST_WORDS = 2000
"""Characters of what a figure says that are read out."""


class Words(NamedTuple):
    """The caption and the alternative text of a figure."""

    caption: str
    alt: str


WORDS = {
    "weights-filters": Words(
        "What the first layer has learned",
        "Tiles, one per unit of the first layer: its weights laid out as an image.",
    ),
    "weights-filters-raw": Words(
        "The weights of the first layer",
        "Tiles, one per unit of the first layer: its weights laid out as an image, "
        "including what is left of the random initial values.",
    ),
    "kernels": Words(
        "The kernels of the convolutions",
        "Tiles, one per kernel, layer by layer: red for positive weights, blue for negative ones.",
    ),
    "weights-matrices": Words(
        "The weight matrices of the dense layers",
        "Heat maps side by side, one per dense layer: rows are units, columns are inputs, red for "
        "positive weights, blue for negative ones.",
    ),
    "activations": Words(
        "The activations of each layer",
        "One row per image, each of a different class: the image, the activations of every layer "
        "from left to right, and the predicted class.",
    ),
    "activations-pair": Words(
        "Two classes that are easily confused, layer by layer",
        "Two images side by side, with the activations of every layer under each.",
    ),
    "predictions": Words(
        "Random images",
        "Random images, each with bars for the three most probable classes, and "
        "whether the prediction is right.",
    ),
    "confused-pairs": Words(
        "The pairs of classes that are confused most often",
        "One row per pair of classes: how often images of one were predicted as the other, with "
        "examples.",
    ),
    "worst-mistakes": Words(
        "The most confident mistakes",
        "Images that were misclassified with the highest probability, each with its "
        "true class and bars for the three most probable ones.",
    ),
    "confusion": Words(
        "Confusion matrix",
        "The confusion matrix: rows are true classes, columns are predicted ones; the darker a "
        "cell, the more images of the class are misclassified that way.",
    ),
}


def pictures_of(folder: Path, names: tuple[str, ...]) -> tuple[Picture, ...]:
    """Those of the named figures that are in a run's figures/."""
    files = ((name, folder / f"{name}.png") for name in names)
    return tuple(_picture(name, _read(path)) for name, path in files if path.is_file())


def picture_blocks(folder: Path, names: tuple[str, ...]) -> tuple[Block, ...]:
    """The named figures; those that hold only a sentence become sentences."""
    found = pictures_of(folder, names)
    drawn = tuple(picture for picture in found if not message_in(picture.png))
    empty = tuple(said for picture in found if (said := message_in(picture.png)))
    return (*([Pictures(drawn)] if drawn else []), *([Text(empty)] if empty else []))


def _picture(name: str, png: bytes) -> Picture:
    said = words_in(png)[:LONGEST_WORDS]
    alt = f"{WORDS[name].alt} Its note: {said}" if said else WORDS[name].alt
    return Picture(name, png, alt, WORDS[name].caption)


def _read(path: Path) -> bytes:
    try:
        png = path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from None
    if not png.startswith(PNG_START):
        raise RunError(f"{path} is not a PNG; draw it again with: handloom show {path.parents[1]}")
    return png
