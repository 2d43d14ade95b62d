"""Predicted labels as a contest takes them: a table of two columns, an id and a label.

Of its own accord the header is `image_id,label`, and ids count the images from 0. A contest's
sample submission sets its own header, separator, ids and their order. Which image an id means:

    files in a folder    the file of that name, with or without its ending
    whole numbers        without a gap between them, in any order: the smallest is the first image
    any other ids        row by row: the first row is the first image

The labels that stand in a sample tell which kind the contest wants, whole numbers or text, and
where they differ from row to row also which ones; one label in every row only holds the place.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from handloom._reasons import shown_path as shown
from handloom._typing import IntArray
from handloom.data.readers.file import foreign_format, open_regular
from handloom.errors import DataError, ShapeError

_MAX_SAMPLE_BYTES = 64 << 20


@dataclass(frozen=True)
class Submission:
    """A table that waits for its labels: the header, an id a row, the image (N,) of each row."""

    columns: tuple[str, str]
    ids: tuple[str, ...]
    pictures: IntArray
    separator: str = ","
    sample_labels: tuple[str, ...] = ()
    """What stands in the place of the labels, a row each; none without a sample."""
    name: str = "the table"
    """What messages call it."""

    def check_labels(self, allowed: Sequence[int] | Sequence[str]) -> None:
        """Raise DataError where the sample has labels of another kind than those that may come.

        `allowed` are all of them: class ids, or the classes' names.
        """
        told = dict.fromkeys(text for text in self.sample_labels if text)
        known = dict.fromkeys(str(label) for label in allowed)
        wanted = {_kind_of(text) for text in told}
        kinds = {_kind_of(text) for text in known}
        if len(wanted) == 1 and not wanted & kinds:
            (kind,) = wanted
            way = {"whole numbers": "--ids gives class ids, from 0", "text": "--names gives names"}
            mend = way.get(kind, "the contest expects something other than a class")
            raise DataError(
                f"{self.name} has {kind} as labels ({_few(told)}), and these would be "
                f"{' and '.join(sorted(kinds))} ({_few(known)}); {mend}"
            )
        if len(told) > 1 and (strange := [text for text in told if text not in known]):
            row = self.sample_labels.index(strange[0]) + 2
            raise DataError(
                f"{self.name} has the label {strange[0][:40]!r} in row {row}, which is not one of "
                f"the possible ones ({_few(known)})"
            )

    def fill(self, labels: Sequence[int] | Sequence[str]) -> str:
        """The table as text; `labels` are one an image, in the images' order."""
        if len(labels) != len(self.ids):
            raise ShapeError(f"{len(self.ids)} rows need a label, got {len(labels)} labels")
        table = io.StringIO()
        writer = csv.writer(table, delimiter=self.separator, lineterminator="\n")
        writer.writerow(self.columns)
        writer.writerows(zip(self.ids, (labels[i] for i in self.pictures), strict=True))
        return table.getvalue()


def numbered(num_pictures: int) -> Submission:
    """The table without a sample: `image_id,label`, ids from 0."""
    ids = tuple(str(index) for index in range(num_pictures))
    return Submission(("image_id", "label"), ids, np.arange(num_pictures))


def read_sample(
    path: Path | str, num_pictures: int, *, files: Sequence[Path] | None = None
) -> Submission:
    """The table that a sample submission asks for; `files` are the images' files, if they have.

    Raises DataError for a file that is no such table, has not one row an image, names an id
    twice, or a file that is not among the images.
    """
    path = Path(path)
    columns, rows, separator = _read_rows(path)
    ids = tuple(row[0] for row in rows)
    if len(ids) != num_pictures:
        headless = len(ids) + 1 == num_pictures and _kind_of(columns[1]) != "text"
        hint = f"; its first row, {separator.join(columns)}, is not a header" if headless else ""
        raise DataError(
            f"{shown(path)} has {len(ids)} rows, but there are {num_pictures} images to "
            f"predict{hint}"
        )
    line_of: dict[str, int] = {}
    for line, name in enumerate(ids, start=2):
        if not name:
            raise DataError(f"{shown(path)}: row {line} has no id")
        if line_of.setdefault(name, line) != line:
            raise DataError(
                f"{shown(path)}: the id {name[:40]!r} of row {line} is also in row {line_of[name]}"
            )
    pictures = _by_file(ids, files or ())
    if pictures is None:
        pictures = _by_number(ids)
    if pictures is None and files is not None:
        raise DataError(
            f"{shown(path)}: the ids ({ids[0][:40]!r}, …) are neither names of the images "
            f"({files[0].name!r}, …) nor whole numbers without a gap"
        )
    return Submission(
        columns,
        ids,
        np.arange(num_pictures) if pictures is None else pictures,
        separator,
        sample_labels=tuple(row[1] for row in rows),
        name=shown(path),
    )


def _by_file(ids: tuple[str, ...], files: Sequence[Path]) -> IntArray | None:
    """Positions of the ids among the files, by name or by stem; None where that does not work."""
    for names in ([file.name for file in files], [file.stem for file in files]):
        position = {name: index for index, name in enumerate(names)}
        if len(position) == len(ids) and position.keys() == set(ids):
            return np.array([position[name] for name in ids], np.int64)
    return None


def _by_number(ids: tuple[str, ...]) -> IntArray | None:
    """Positions of ids that are a run of whole numbers in any order; None where they are not."""
    if not all(name.isascii() and name.isdecimal() and len(name) < 19 for name in ids):
        return None
    numbers = np.array([int(name) for name in ids], np.int64)
    positions = numbers - numbers.min(initial=np.iinfo(np.int64).max)
    whole = np.array_equal(np.sort(positions), np.arange(len(ids)))
    return positions if whole else None


def _kind_of(label: str) -> str:
    """What a label is, in the words of messages."""
    try:
        int(label)
    except ValueError:
        pass
    else:
        return "whole numbers"
    try:
        float(label)
    except ValueError:
        return "text"
    return "decimal numbers"


def _few(labels: Iterable[str]) -> str:
    """The first of some labels, for a message."""
    found = [text[:40] for text in labels]
    return ", ".join(found[:3]) + (", …" if len(found) > 3 else "")


def _read_rows(path: Path) -> tuple[tuple[str, str], list[list[str]], str]:
    """(the two columns, the rows under them in their order, the separator)."""
    with open_regular(path) as (file, size):
        if size > _MAX_SAMPLE_BYTES:
            raise DataError(f"{shown(path)} has {size:,} bytes, too many for a sample submission")
        start = file.read(200)
        file.seek(0)
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        separator = ";" if b";" in start.split(b"\n")[0] else ","
        reader = csv.reader(text, delimiter=separator, strict=True)
        try:
            rows = [[field.strip() for field in row] for row in reader if row]
        except (UnicodeDecodeError, csv.Error):
            raise DataError(f"{shown(path)} is not a text table{foreign_format(start)}") from None
    if not rows:
        raise DataError(f"{shown(path)} is empty; its first row should name two columns")
    for number, row in enumerate(rows, start=1):
        if len(row) != 2:
            raise DataError(
                f"{shown(path)}: row {number} has {len(row)} columns; predictions need two, "
                "an id and a label"
            )
    first, second = rows[0]
    return (first, second), rows[1:], separator
