"""A run's pictures as blocks of a page, each with words for those who cannot see it."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from handloom.errors import RunError
from handloom.report.blocks import Picture


class Words(NamedTuple):
    """What stands under a picture, and in its place."""

    caption: str
    alt: str


WORDS = {
    "weights-filters": Words(
        "What the first layer looks for",
        "Tiles, one a unit of the first layer: its weights laid out as the picture that they read; "
        "red where ink excites the unit, blue where it inhibits it.",
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
        "A row a test picture, one of each class: the picture, what every layer answers to it from "
        "left to right, and the class that the network says.",
    ),
    "activations-pair": Words(
        "Two classes that are easily confused, layer by layer",
        "Two test pictures side by side, and under each what every layer answers to it.",
    ),
    "predictions": Words(
        "Test pictures taken at random",
        "Twelve random test pictures, each with bars for the three most probable classes, and "
        "whether the most probable one is right.",
    ),
    "confused-pairs": Words(
        "The pairs of classes that are confused most",
        "A row a pair of classes: how often pictures of the one were taken for the other, and "
        "examples of it.",
    ),
    "worst-mistakes": Words(
        "The mistakes of which it was surest",
        "Twelve test pictures that were taken for another class with the highest probability, each "
        "with its true class and bars for the three most probable ones.",
    ),
    "confusion": Words(
        "Which classes are taken for which",
        "The confusion matrix: a row a true class, a column a predicted one; the darker a cell, "
        "the more of the class is mistaken so.",
    ),
}


def pictures_of(folder: Path, names: tuple[str, ...]) -> tuple[Picture, ...]:
    """Those of the named pictures that lie in a run's figures/."""
    return tuple(
        Picture(name, _read(path), WORDS[name].alt, WORDS[name].caption)
        for name in names
        if (path := folder / f"{name}.png").is_file()
    )


def _read(path: Path) -> bytes:
    try:
        png = path.read_bytes()
    except OSError as error:
        raise RunError(f"cannot read {path}: {error.strerror}") from None
    if not png.startswith(b"\x89PNG\r\n\x1a\n"):
        raise RunError(f"{path} is no PNG; draw it again with: handloom show {path.parents[1]}")
    return png
