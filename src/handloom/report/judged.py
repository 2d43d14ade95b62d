"""How accurate a run is on each class: the table and the confusion matrix of a page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from handloom.errors import DataError, RunError
from handloom.report.blocks import Block, Cell, Matrix, Pictures, Table, Text
from handloom.report.pictures import pictures_of
from handloom.run.pictures import shown_part
from handloom.run.results import PartResult, Run
from handloom.views import Confusion, confusion, listed_scores, style

MOST_CLASSES = 24
"""Of a matrix made of cells; a larger one is drawn as a figure."""
MOST_UNFOLDED = 62
"""Rows of the table of classes up to which it is unfolded."""
HEATS = 9


def class_blocks(run: Run, data_dir: Path | None) -> tuple[Block, ...]:
    """Table of the classes and confusion matrix, or why they cannot be shown here.

    They are computed on the images of the run's result, with the same weights: the test set is not
    evaluated anew.
    """
    try:
        part, judged = _evaluate(run, data_dir)
    except (DataError, RunError) as error:
        drawn = pictures_of(run.folder.figures, ("confusion",))
        missing = Text((f"The metrics by class need the run's images: {error}.",))
        return (missing, *((Pictures(drawn),) if drawn else ()))
    counted = confusion(judged.labels, judged.predicted, run.class_names, part)
    if len(counted.occurring) <= MOST_CLASSES:
        return (matrix(counted), *_table(counted))
    drawn = pictures_of(run.folder.figures, ("confusion",)) if run.is_finished else ()
    return (*((Pictures(drawn),) if drawn else ()), *_table(counted))


def _evaluate(run: Run, data_dir: Path | None) -> tuple[str, PartResult]:
    """The split's name and the best weights' predictions on it: validation during training."""
    parts = run.parts(data_dir)
    if shown_part(run) == "test" and parts.test is not None:
        return "test", run.evaluate(parts.test)
    return "validation", run.evaluate(parts.validation)


def matrix(counted: Confusion) -> Matrix:
    """Only mistakes have a heat, relative to the most frequent one."""
    classes = counted.occurring
    whole = counted.counts_among(classes)
    shares = whole / np.maximum(whole.sum(axis=1, keepdims=True), 1)
    mistakes = shares.copy()
    np.fill_diagonal(mistakes, 0.0)
    heats = np.ceil(HEATS * mistakes / (mistakes.max() or 1.0)).astype(int)
    names = tuple(counted.class_names[k] for k in classes)
    rows = tuple(
        tuple(
            _cell(int(whole[t, p]), float(shares[t, p]), int(heats[t, p]), name, said)
            for p, said in enumerate(names)
        )
        for t, name in enumerate(names)
    )
    caption = (
        f"{style.pictures(counted.total, counted.part)}. Rows: true classes; columns: "
        "predicted classes. Each cell: the number of images and their share of the row."
    )
    return Matrix(caption, names, rows)


def _cell(pictures: int, share: float, heat: int, name: str, said: str) -> Cell:
    percent = f"{share:.1%}" if 0 < share < 0.0995 else f"{share:.0%}"
    often = "1 image" if pictures == 1 else f"{pictures:,} images"
    what = "classified correctly" if name == said else f"predicted as {said}"
    return Cell(pictures, percent, heat, f"{often} of {name} {what} ({percent})")


def _table(counted: Confusion) -> Iterator[Block]:
    """One row for every class that occurs; of very many, the worst."""
    scores, left_out = listed_scores(counted)
    rows = tuple(
        (s.name, f"{s.precision:.4f}", f"{s.recall:.4f}", f"{s.f1:.4f}", f"{s.support:,}")
        for s in scores
    )
    caption = f"Metrics by class on the {style.part_pictures(counted.part)}"
    columns = ("class", "precision", "recall", "F1", "images")
    yield Table(caption, columns, rows, folded=len(rows) > MOST_UNFOLDED)
    if left_out:
        yield Text((left_out,), is_aside=True)
