"""Images in a .npy file with their labels in a csv table, as contests hand them out.

The rule for the table. The first line is `image_id,label`; every other line is one row. The
separator is a comma or, where the header has one, a semicolon; fields may stand in double quotes;
lines may end in LF or CRLF, the file may start with a byte order mark, blank lines are passed
over. `image_id` is the index of the image, from 0; the lines may come in any order, but each
image has exactly one. Labels are either all integers (then class ids; `3.0`, which tables write
after a column once held a gap, counts as 3) or all words (then the sorted words are the classes).
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from handloom._reasons import shown_path as shown
from handloom._typing import IntArray
from handloom.data.dataset import Dataset
from handloom.data.readers.file import foreign_format, open_regular
from handloom.data.readers.npy import read_npy_images
from handloom.errors import DataError, LabelError

HEADER = ["image_id", "label"]
MAX_CLASSES = 10_000
LONGEST_NAME = 200
"""Characters of a class's name."""
FREE_CLASSES, MOST_CLASSES_EACH = 1_000, 10
"""So many classes there may be without images, and as many again for each class that occurs."""
_MAX_TABLE_BYTES = 64 << 20
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}(\.0*)?")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|[+-]?(nan|inf(inity)?)", re.I)


def read_table(
    images_path: Path | str,
    labels_path: Path | str,
    *,
    name: str | None = None,
    class_names: Sequence[str] | None = None,
) -> Dataset:
    """The images of a .npy file (see read_npy_images) with the labels of a csv (see above).

    `class_names` are the classes of another part of the same data, so that ids agree; without
    them there must be at least two classes, named 0..K-1 or by the sorted words of the column.
    Raises DataError, ShapeError or LabelError, naming the file and its first wrong row or line.
    """
    images_path = Path(images_path)
    images = read_npy_images(images_path)
    labels, names = read_labels(labels_path, len(images), class_names=class_names)
    return Dataset(images, labels, names, name or images_path.stem)


def read_labels(
    path: Path | str, num_images: int, *, class_names: Sequence[str] | None = None
) -> tuple[IntArray, tuple[str, ...]]:
    """The class ids (N,) of `num_images` images in the order of image_id, and the class names.

    Raises DataError for a table that breaks the rule above, LabelError for a label that is no
    class; both name the line, counted from 1 for the header.
    """
    path = Path(path)
    rows = _one_row_an_image(path, num_images)
    _check_one_kind(path, rows)
    if _INTEGER.fullmatch(rows[0].label):
        ids, names = _ids_of_integers(path, rows, class_names)
    else:
        ids, names = _ids_of_words(path, rows, class_names)
    if class_names is None and len(set(ids)) < 2:
        raise LabelError(
            f"{shown(path)}: every label is {rows[0].label!r}; at least two classes are needed"
        )
    labels = np.empty(num_images, np.int64)
    labels[[row.image_id for row in rows]] = ids
    return labels, names


class _Row(NamedTuple):
    line: int
    image_id: int
    label: str


def _one_row_an_image(path: Path, num_images: int) -> list[_Row]:
    """The rows in the order of the file; never more than there are images."""
    rows: list[_Row] = []
    line_of = [0] * num_images
    for line, image_id, label in _fields(path):
        index = _image_index(path, line, image_id, num_images)
        if line_of[index]:
            raise DataError(
                f"{shown(path)}, line {line}: image_id {index} is already in line {line_of[index]}"
            )
        line_of[index] = line
        rows.append(_Row(line, index, label))
    if len(rows) < num_images:
        raise DataError(
            f"{shown(path)} has labels for {len(rows)} of the {num_images} images; the first "
            f"without one is image_id {line_of.index(0)}"
        )
    return rows


def _fields(path: Path) -> Iterator[tuple[int, str, str]]:
    """(line, image_id, label) of every row, as text, one at a time."""
    with open_regular(path) as (file, size):
        if size > _MAX_TABLE_BYTES:
            raise DataError(f"{shown(path)} has {size:,} bytes, too many for a table of labels")
        separator = _check_header(file, path)
        text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        reader = csv.reader(text, delimiter=separator, strict=True)
        try:
            for row in reader:
                if reader.line_num == 1 or not row:
                    continue
                if len(row) != 2:
                    raise DataError(
                        f"{shown(path)}, line {reader.line_num}: {len(row)} fields, expected 2: "
                        f"{separator.join(HEADER)}"
                    )
                yield reader.line_num, row[0].strip(), row[1].strip()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{shown(path)} is not UTF-8 text after line {reader.line_num}"
            ) from error
        except csv.Error as error:
            raise DataError(f"{shown(path)}, line {reader.line_num}: {error}") from error


def _check_header(file: io.BufferedReader, path: Path) -> str:
    """The separator that the header uses; leaves the file at its start."""
    start = file.readline(200)
    file.seek(0)
    if not start.strip():
        raise DataError(f"{shown(path)} is empty; its first line should be image_id,label")
    header = start.decode("utf-8-sig", errors="replace").strip()
    for separator in (",", ";"):
        if [field.strip().strip('"').strip() for field in header.split(separator)] == HEADER:
            return separator
    raise DataError(
        f"{shown(path)}: the first line should be image_id,label but is {header[:60]!r}"
        f"{foreign_format(start)}"
    )


def _image_index(path: Path, line: int, image_id: str, num_images: int) -> int:
    where = f"{shown(path)}, line {line}: image_id {image_id[:40]!r}"
    if not _INTEGER.fullmatch(image_id):
        raise DataError(f"{where} is not the index of an image")
    index = _integer(image_id)
    if not 0 <= index < num_images:
        raise DataError(
            f"{where} is outside 0..{num_images - 1}, the rows of the {num_images} images"
        )
    return index


def _check_one_kind(path: Path, rows: list[_Row]) -> None:
    """All integers or all words: a typo must not turn a column of ids into one of names."""
    first_is_integer = bool(_INTEGER.fullmatch(rows[0].label))
    for line, _, label in rows:
        where = f"{shown(path)}, line {line}: label {label[:40]!r}"
        is_integer = bool(_INTEGER.fullmatch(label))
        if not label or not label.isprintable():
            raise LabelError(f"{where} is empty or not printable")
        if len(label) > LONGEST_NAME:
            raise LabelError(
                f"{where} has {len(label):,} characters; a class name has at most {LONGEST_NAME}"
            )
        if not is_integer and _NUMBER.fullmatch(label):
            raise LabelError(f"{where} is not an integer; a class id is 0, 1, 2, ...")
        if is_integer != first_is_integer:
            kind = "an integer" if first_is_integer else "a word"
            raise LabelError(
                f"{where} is not {kind} as in line {rows[0].line}; all labels have to be of one "
                "kind"
            )


def _ids_of_integers(
    path: Path, rows: list[_Row], class_names: Sequence[str] | None
) -> tuple[list[int], tuple[str, ...]]:
    ids = [_integer(row.label) for row in rows]
    limit = len(class_names) if class_names else MAX_CLASSES
    for row, class_id in zip(rows, ids, strict=True):
        if not 0 <= class_id < limit:
            raise LabelError(
                f"{shown(path)}, line {row.line}: label {row.label} is outside 0..{limit - 1}, "
                f"{'the ids of the known classes' if class_names else 'the ids that are possible'}"
            )
    if class_names is None:
        _check_gaps(path, rows, ids)
    return ids, tuple(class_names or (str(class_id) for class_id in range(max(ids) + 1)))


def _check_gaps(path: Path, rows: list[_Row], ids: list[int]) -> None:
    """A single id far above all others is more likely a slip than thousands of empty classes."""
    largest, occurring = max(ids), len(set(ids))
    if largest >= FREE_CLASSES + MOST_CLASSES_EACH * occurring:
        line = rows[ids.index(largest)].line
        raise LabelError(
            f"{shown(path)}, line {line}: label {largest} makes {largest + 1:,} classes, but only "
            f"{occurring:,} of them occur; number the classes from 0, or write them as words"
        )


def _ids_of_words(
    path: Path, rows: list[_Row], class_names: Sequence[str] | None
) -> tuple[list[int], tuple[str, ...]]:
    names = tuple(class_names or sorted({row.label for row in rows}))
    id_of = {name: class_id for class_id, name in enumerate(names)}
    for row in rows:
        if row.label not in id_of:
            raise LabelError(
                f"{shown(path)}, line {row.line}: label {row.label[:40]!r} is not a known class; "
                f"known classes: {', '.join(names[:20])}"
            )
    return [id_of[row.label] for row in rows], names


def _integer(text: str) -> int:
    return int(text.split(".")[0])
