"""A folder of images, one folder a class: the names of the folders are the classes.

    animals/cat/001.png  animals/dog/001.png ...                       train only
    animals/train/cat/... animals/train/dog/... animals/test/cat/...   train and test

Everything is read in the order of the sorted names, so equal folders give equal arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from handloom._reasons import shown_path as shown
from handloom._typing import UInt8Array
from handloom.data.dataset import Dataset, TrainTest
from handloom.data.readers.file import check_pixel_bytes
from handloom.data.readers.picture import Mode, read_picture
from handloom.errors import DataError, LabelError, ShapeError

_LEFT_BY_SYSTEMS = {"Thumbs.db", "desktop.ini", "__MACOSX"}


def read_folder(
    folder: Path | str,
    *,
    size: tuple[int, int] | None = None,
    mode: Mode = "L",
    skip_broken: bool = False,
    name: str | None = None,
) -> TrainTest:
    """The images below `folder`: uint8 (N, H, W) for mode "L", (N, 3, H, W) for "RGB".

    A subfolder `train` makes a `test` beside it the test split; without `train`, every subfolder
    is a class. Class ids follow the sorted names, by value where all names are numbers. Names
    that start with a dot and what Windows and macOS leave behind are passed over, and so are
    loose files beside the class folders. How one image is read: see read_picture. Without
    `size` (H, W) all images must have the size of the first.

    A link that leads out of `folder` is not followed. It counts as a broken image: an error
    unless `skip_broken`, which leaves broken images out and lists them in `.skipped`.

    Raises DataError naming the file or folder that cannot be used, ShapeError for two sizes,
    LabelError for a class of the test split that the train split has not.
    """
    folder = Path(folder)
    name = name or folder.resolve().name or "data"
    reader = _Reader(folder, size, mode, skip_broken)
    classes = reader.subfolders(folder)
    if "train" not in classes:
        return TrainTest(reader.part(folder, classes, name), None, tuple(reader.skipped))
    train_folder, test_folder = classes["train"], classes.get("test")
    train = reader.part(train_folder, reader.subfolders(train_folder), f"{name} train")
    test = None
    if test_folder is not None:
        classes = reader.subfolders(test_folder)
        test = reader.part(test_folder, classes, f"{name} test", known=train.class_names)
    return TrainTest(train, test, tuple(reader.skipped))


def read_flat_folder(
    folder: Path | str, *, size: tuple[int, int] | None = None, mode: Mode = "L"
) -> UInt8Array:
    """The images that lie in `folder` itself, in the order of picture_files, as read_folder."""
    folder = Path(folder)
    files = picture_files(folder)
    if not files:
        raise DataError(f"{shown(folder)} contains no images")
    return np.stack(list(_Reader(folder, size, mode, skip_broken=False).pictures(files)))


def picture_files(folder: Path | str) -> list[Path]:
    """The files in `folder`, sorted by name, without those that systems leave behind."""
    folder = Path(folder)
    entries = _entries(folder)
    for entry in entries:
        if entry.is_dir():
            raise DataError(f"{shown(folder)} has the folder {shown(entry.name)} among its images")
    return entries


def _entries(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir(), key=lambda entry: entry.name)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise DataError(f"cannot read the folder {shown(folder)}: {reason}") from error
    return [e for e in entries if not e.name.startswith(".") and e.name not in _LEFT_BY_SYSTEMS]


@dataclass
class _Reader:
    """One walk over a folder: how images are read, and what has been met so far."""

    root: Path
    size: tuple[int, int] | None
    mode: Mode
    skip_broken: bool
    skipped: list[str] = field(default_factory=list)
    first: tuple[Path, UInt8Array] | None = None
    num_pictures: int = 0

    def subfolders(self, folder: Path) -> dict[str, Path]:
        """The folders in `folder` by name; links out of the root are refused or left out."""
        found: dict[str, Path] = {}
        for entry in _entries(folder):
            try:
                self._check_inside(entry)
            except DataError as error:
                self._leave_out(error)
                continue
            if entry.is_dir():
                found[entry.name] = entry
        return found

    def part(
        self,
        folder: Path,
        classes: dict[str, Path],
        name: str,
        *,
        known: tuple[str, ...] | None = None,
    ) -> Dataset:
        """The part in `folder`; `known` are the classes where another part has set them."""
        class_names = known or _in_order(classes)
        for class_name in classes:
            if class_name not in class_names:
                raise LabelError(
                    f"{shown(folder)} has the class {class_name!r}, which train does not have"
                )
        if known is None and len(class_names) < 2:
            raise DataError(
                f"{shown(folder)} has {len(class_names)} class folders, at least two are needed: "
                "put the images into one folder per class"
            )
        pictures: list[UInt8Array] = []
        labels: list[int] = []
        for class_id, class_name in enumerate(class_names):
            files = picture_files(classes[class_name]) if class_name in classes else []
            found = list(self.pictures(files))
            if not found and known is None:
                raise DataError(f"{shown(folder / class_name)} contains no readable image")
            pictures += found
            labels += [class_id] * len(found)
        if not pictures:
            raise DataError(f"{shown(folder)} contains no readable image")
        return Dataset(np.stack(pictures), np.array(labels, np.int64), class_names, name)

    def pictures(self, files: list[Path]) -> Iterator[UInt8Array]:
        """Each image, all of one shape; broken ones are refused or left out."""
        for file in files:
            try:
                self._check_inside(file)
                picture = read_picture(file, size=self.size, mode=self.mode)
            except DataError as error:
                self._leave_out(error)
                continue
            self._check_shape(file, picture)
            yield picture

    def _leave_out(self, error: DataError) -> None:
        if not self.skip_broken:
            raise error
        self.skipped.append(str(error))

    def _check_inside(self, path: Path) -> None:
        if not path.is_symlink():
            return
        try:
            inside = path.resolve().is_relative_to(self.root.resolve())
        except (OSError, RuntimeError):  # a link that leads to itself
            inside = False
        if not inside:
            raise DataError(
                f"{shown(path)} is a link out of {shown(self.root)} or to nowhere, which is not "
                "followed: put the file itself there"
            )

    def _check_shape(self, file: Path, picture: UInt8Array) -> None:
        self.first = self.first or (file, picture)
        self.num_pictures += 1
        first_file, first = self.first
        if picture.shape != first.shape:
            raise ShapeError(
                f"{shown(file)} is {_measures(picture)} pixels, {shown(first_file)} "
                f"{_measures(first)}; set a size to resize all of them"
            )
        check_pixel_bytes(self.root, (self.num_pictures, *first.shape))


def _in_order(names: dict[str, Path]) -> tuple[str, ...]:
    """Sorted, by value where all names are plain numbers, so that 10 comes after 9."""
    if all(name.isascii() and name.isdecimal() and len(name) < 19 for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))
    return tuple(sorted(names))


def _measures(picture: UInt8Array) -> str:
    return f"{picture.shape[-1]} × {picture.shape[-2]}"
