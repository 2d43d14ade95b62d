"""Known data sets on this machine: where their files lie, whether they are right, and loading them.

A file is looked for in the folder that the caller names, then in that of the environment variable
HANDLOOM_DATA, then in the user's cache, each time as `<folder>/<set>/<file>`, packed or unpacked;
what is in none of them is fetched into the caller's folder, or else into the cache.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from handloom._files import cache_folder
from handloom._reasons import shown_path as shown
from handloom.data.dataset import Dataset, TrainTest
from handloom.data.known.digits import load_digits
from handloom.data.known.names import EMBEDDED, KnownFile, KnownSet, known_set, known_sets
from handloom.data.known.verify import verify
from handloom.data.readers.idx import read_idx
from handloom.data.readers.qmnist import read_extended_labels
from handloom.errors import DataError, DownloadError

if TYPE_CHECKING:
    from handloom.data.known.download import Progress
    from handloom.data.known.transport import Timeouts


class SetDescription(NamedTuple):
    """One line of `handloom data list`; `num_bytes` is what a download takes."""

    name: str
    title: str
    description: str
    num_train: int
    num_test: int
    num_classes: int
    num_bytes: int
    licence: str
    page: str


_DIGITS = SetDescription(
    name=EMBEDDED,
    title="Digits",
    description="Small scans of handwritten digits, enlarged; comes with scikit-learn",
    num_train=1437,
    num_test=360,
    num_classes=10,
    num_bytes=0,
    licence="distributed with scikit-learn (BSD 3-Clause)",
    page="https://archive.ics.uci.edu/ml/datasets/Optical+Recognition+of+Handwritten+Digits",
)


class CheckRow(NamedTuple):
    """What `check` found of one file: `path` is None where it is missing, `detail` says more."""

    file: str
    path: Path | None
    status: Literal["ok", "missing", "wrong"]
    detail: str


class _Place(NamedTuple):
    folder: Path
    is_cache: bool  # ours: a wrong file in it may be replaced


def load(
    name: str,
    data_dir: Path | str | None = None,
    *,
    download: bool = True,
    progress: Progress | None = None,
) -> TrainTest:
    """The data set called `name`; images uint8 (N, 28, 28), upright; labels from 0.

    `progress` is called while files are fetched. With `download=False` nothing is.

    Raises ConfigError for an unknown name; DataError for a file that is missing, or is not the
    publisher's, and says whose it is if that is known; DownloadError if no mirror delivers.
    """
    if name == EMBEDDED:
        return load_digits()
    known = known_set(name)
    paths = fetch(name, data_dir, progress=progress) if download else _all_paths(known, data_dir)
    train_images, train_labels, test_images, test_labels = paths
    return TrainTest(
        _read_part(known, train_images, train_labels, "train"),
        _read_part(known, test_images, test_labels, "test"),
    )


def fetch(
    name: str,
    data_dir: Path | str | None = None,
    *,
    progress: Progress | None = None,
    patience: Timeouts | None = None,
) -> tuple[Path, ...]:
    """See to it that the files of `name` are on this machine, verified; gives their paths.

    In the order train images, train labels, test images, test labels; none for `digits`. Only
    what is not at hand is downloaded. Raises as `load` does.
    """
    if name == EMBEDDED:
        return ()
    known = known_set(name)
    paths = [_locate(known, file, data_dir) for file in known.files]
    target = _download_folder(known, data_dir) if None in paths else Path()
    for position, (file, path) in enumerate(zip(known.files, paths, strict=True)):
        if path is None:
            from handloom.data.known.download import download_file  # its imports are many and slow

            try:
                paths[position] = download_file(file, target, progress=progress, patience=patience)
            except DownloadError as error:
                missing = [f for f, p in zip(known.files, paths, strict=True) if p is None]
                raise DownloadError(
                    f"{known.title} could not be downloaded; {error}\nPut these files there "
                    f"{_by_hand(missing, target)}"
                ) from error
    return tuple(path for path in paths if path is not None)


def check(name: str, data_dir: Path | str | None = None) -> list[CheckRow]:
    """Look at every file of `name` where `load` would find it; downloads nothing.

    Raises ConfigError for an unknown name.
    """
    if name == EMBEDDED:
        return [CheckRow(EMBEDDED, None, "ok", "comes with scikit-learn")]
    known = known_set(name)
    return [_checked(known, file, data_dir) for file in known.files]


def describe_sets() -> list[SetDescription]:
    """Every set that `load` knows, the embedded one first; reads no data."""
    return [_DIGITS, *map(_described, known_sets().values())]


def _places(data_dir: Path | str | None) -> Iterator[_Place]:
    if data_dir is not None:
        yield _Place(Path(data_dir), is_cache=False)
    if from_environment := os.environ.get("HANDLOOM_DATA"):
        yield _Place(Path(from_environment), is_cache=False)
    yield _Place(cache_folder(), is_cache=True)


def _download_folder(known: KnownSet, data_dir: Path | str | None) -> Path:
    return (Path(data_dir) if data_dir is not None else cache_folder()) / known.name


def _find(
    known: KnownSet, file: KnownFile, data_dir: Path | str | None
) -> tuple[Path, _Place] | None:
    for place in _places(data_dir):
        for spelling in file.spellings():
            path = place.folder / known.name / spelling
            if path.exists():
                return path, place
    return None


def _locate(known: KnownSet, file: KnownFile, data_dir: Path | str | None) -> Path | None:
    """The verified file; None where it is to be fetched. Raises DataError for a wrong one."""
    found = _find(known, file, data_dir)
    if found is None:
        return None
    path, place = found
    verdict = verify(file, path)
    if verdict.right:
        return path
    if place.is_cache:
        return None
    raise DataError(
        f"{known.title} is needed, but {shown(path)} {verdict.detail}; "
        "put the publisher's file there, or remove this one"
    )


def _all_paths(known: KnownSet, data_dir: Path | str | None) -> tuple[Path, ...]:
    paths = [_locate(known, file, data_dir) for file in known.files]
    missing = [file for file, path in zip(known.files, paths, strict=True) if path is None]
    if missing:
        names = ", ".join(file.name for file in missing)
        folder = _download_folder(known, data_dir)
        raise DataError(
            f"{known.title} lacks {names}; run `handloom data fetch {known.name}`, or put these "
            f"files there {_by_hand(missing, folder)}"
        )
    return tuple(path for path in paths if path is not None)


def _by_hand(missing: list[KnownFile], folder: Path) -> str:
    lines = [
        f"  {shown(folder / file.name)}  {file.num_bytes} bytes, sha256 {file.sha256}"
        for file in missing
    ]
    return "yourself, from any source (they are verified):\n" + "\n".join(lines)


def _checked(known: KnownSet, file: KnownFile, data_dir: Path | str | None) -> CheckRow:
    found = _find(known, file, data_dir)
    if found is None:
        return CheckRow(file.name, None, "missing", f"{file.num_bytes} bytes to download")
    path, _ = found
    try:
        right, detail = verify(file, path)
    except DataError as error:
        right, detail = False, str(error)
    return CheckRow(file.name, path, "ok" if right else "wrong", detail)


def _described(known: KnownSet) -> SetDescription:
    return SetDescription(
        name=known.name,
        title=known.title,
        description=known.description,
        num_train=known.num_train,
        num_test=known.num_test,
        num_classes=len(known.class_names),
        num_bytes=sum(file.num_bytes for file in known.files),
        licence=known.licence,
        page=known.page,
    )


def _read_part(known: KnownSet, images_path: Path, labels_path: Path, part: str) -> Dataset:
    images = read_idx(images_path, expect="images")
    if known.transposed:
        images = np.ascontiguousarray(images.swapaxes(1, 2))
    if "idx2-int" in labels_path.name:
        labels = read_extended_labels(labels_path)
    else:
        labels = read_idx(labels_path, expect="labels").astype(np.int64)
    return Dataset(images, labels - known.first_label, known.class_names, f"{known.name} {part}")
