"""Looking for known sets in three places, refusing what is not theirs, loading what is."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import shutil
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from handloom import data
from handloom.data.known import catalogue
from handloom.data.known import names as known
from handloom.data.known.names import KnownFile, KnownSet
from handloom.data.known.transport import Timeouts
from handloom.data.readers.idx import write_idx
from handloom.errors import ConfigError, DataError, DownloadError

QUICK = Timeouts(connect=1.0, silence=1.0, rounds=1)
NAMES = [file.name for file in known.known_set("mnist").files]


class Shelf:
    """Two small sets, 'mnist' and 'fashion-mnist', with their files in a folder and on a server."""

    def __init__(self, folder: Path, server: Any) -> None:
        self.server = server
        self.folders = {name: folder / name for name in ("mnist", "fashion-mnist")}
        self.images: dict[str, np.ndarray] = {}
        self.sets = {name: self._make(name) for name in self.folders}

    def _make(self, name: str) -> KnownSet:
        folder = self.folders[name]
        folder.mkdir(parents=True)
        rng = np.random.default_rng(len(name))
        listed = []
        for file_name, count in zip(NAMES, (30, 30, 20, 20), strict=True):
            if "images" in file_name:
                array = rng.integers(0, 256, (count, 28, 28))
            else:
                array = np.arange(count) % 10
            write_idx(folder / file_name, array)
            self.images[f"{name}/{file_name}"] = array
            packed = (folder / file_name).read_bytes()
            url = self.server.serve(f"/{name}/{file_name}", self.server.body(packed))
            listed.append(
                KnownFile(
                    name=file_name,
                    num_bytes=len(packed),
                    sha256=hashlib.sha256(packed).hexdigest(),
                    mirrors=(url,),
                    unpacked_sha256=hashlib.sha256(gzip.decompress(packed)).hexdigest(),
                )
            )
        return dataclasses.replace(known.known_set(name), files=tuple(listed))

    def copy(self, name: str, base: Path) -> Path:
        return Path(shutil.copytree(self.folders[name], base / name))


@pytest.fixture
def shelf(tmp_path: Path, server: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shelf]:
    made = Shelf(tmp_path / "shelf", server)
    monkeypatch.setattr(known, "known_sets", lambda: made.sets)
    monkeypatch.setattr(catalogue, "cache_folder", lambda: tmp_path / "cache")
    monkeypatch.delenv("HANDLOOM_DATA", raising=False)
    known._owners.cache_clear()
    yield made
    known._owners.cache_clear()


def test_what_is_nowhere_is_downloaded_into_the_cache(shelf: Shelf, tmp_path: Path) -> None:
    loaded = catalogue.load("mnist")
    np.testing.assert_array_equal(loaded.train.images, shelf.images[f"mnist/{NAMES[0]}"])
    np.testing.assert_array_equal(loaded.test.images, shelf.images[f"mnist/{NAMES[2]}"])
    np.testing.assert_array_equal(loaded.test.labels, np.arange(20) % 10)
    assert loaded.train.name == "mnist train"
    assert loaded.train.class_names == tuple("0123456789")
    assert sorted(p.name for p in (tmp_path / "cache" / "mnist").iterdir()) == sorted(NAMES)
    shelf.server.asked.clear()
    catalogue.load("mnist")
    assert shelf.server.asked == []


def test_the_callers_folder_goes_before_the_environment_before_the_cache(
    shelf: Shelf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HANDLOOM_DATA", str(tmp_path / "environment"))
    shelf.copy("mnist", tmp_path / "cache")
    assert {p.parents[1].name for p in catalogue.fetch("mnist")} == {"cache"}
    shelf.copy("mnist", tmp_path / "environment")
    assert {p.parents[1].name for p in catalogue.fetch("mnist")} == {"environment"}
    shelf.copy("mnist", tmp_path / "mine")
    assert {p.parents[1].name for p in catalogue.fetch("mnist", tmp_path / "mine")} == {"mine"}
    assert shelf.server.asked == []


def test_only_the_missing_file_is_downloaded_to_the_callers_folder(
    shelf: Shelf, tmp_path: Path
) -> None:
    (shelf.copy("mnist", tmp_path / "mine") / NAMES[2]).unlink()
    told: list[str] = []
    catalogue.fetch("mnist", tmp_path / "mine", progress=lambda name, *_: told.append(name))
    assert shelf.server.asked == [f"/mnist/{NAMES[2]}"]
    assert set(told) == {NAMES[2]}
    assert (tmp_path / "mine" / "mnist" / NAMES[2]).exists()


def unpacked(path: Path) -> None:
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()


def dotted(path: Path) -> None:
    path.rename(path.with_name(path.name.replace("-idx", ".idx")))


def packed_anew(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()), 1, mtime=99))


@pytest.mark.parametrize("change", [unpacked, dotted, packed_anew])
def test_the_same_bytes_in_another_dress_are_right(
    change: Any, shelf: Shelf, tmp_path: Path
) -> None:
    folder = shelf.copy("mnist", tmp_path)
    for name in NAMES:
        change(folder / name)
    loaded = catalogue.load("mnist", tmp_path, download=False)
    np.testing.assert_array_equal(loaded.train.images, shelf.images[f"mnist/{NAMES[0]}"])
    assert [row.status for row in catalogue.check("mnist", tmp_path)] == ["ok"] * 4


WRONG = {
    "another set's": (None, "is MNIST's train-images-idx3-ubyte"),
    "web page": (lambda right: b"<html>Log in</html>", "is a web page"),
    "cut off": (lambda right: right[:5000], "is incomplete: 5000 of "),
    "changed": (
        lambda right: gzip.compress(b"\0\0\x08\x03"),
        "does not have the publisher's bytes",
    ),
    "changed, unpacked": (lambda right: b"\0\0\x08\x03", "does not have the publisher's bytes"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_file_in_the_users_folder_is_named_and_kept(
    wrong: str, shelf: Shelf, tmp_path: Path
) -> None:
    change, told = WRONG[wrong]
    path = shelf.copy("fashion-mnist", tmp_path) / NAMES[0]
    other = (shelf.folders["mnist"] / NAMES[0]).read_bytes()
    path.write_bytes(change(path.read_bytes()) if change else other)
    before = path.read_bytes()
    with pytest.raises(DataError) as caught:
        catalogue.load("fashion-mnist", tmp_path)
    assert f"Fashion-MNIST is needed, but {path} {told}" in str(caught.value)
    assert path.read_bytes() == before
    assert shelf.server.asked == []
    row = catalogue.check("fashion-mnist", tmp_path)[0]
    assert (row.file, row.path, row.status) == (NAMES[0], path, "wrong")
    assert told in row.detail


def test_a_wrong_file_in_the_cache_is_replaced(shelf: Shelf, tmp_path: Path) -> None:
    path = shelf.copy("mnist", tmp_path / "cache") / NAMES[1]
    path.write_bytes(b"half")
    assert catalogue.load("mnist").train.labels[3] == 3
    assert shelf.server.asked == [f"/mnist/{NAMES[1]}"]


def test_when_no_mirror_delivers_the_error_says_what_to_put_where(
    shelf: Shelf, tmp_path: Path
) -> None:
    for name in NAMES[1:]:
        shelf.server.serve(f"/mnist/{name}", shelf.server.body(b"", status=403))
    with pytest.raises(DownloadError) as caught:
        catalogue.fetch("mnist", tmp_path / "mine", patience=QUICK)
    lines = str(caught.value).splitlines()
    assert lines[0] == f"MNIST could not be downloaded; no mirror delivered {NAMES[1]}:"
    assert lines[1] == f"  {shelf.server.url}/mnist/{NAMES[1]} answered 403 Forbidden"
    assert lines[3:] == [
        f"  {tmp_path / 'mine' / 'mnist' / file.name}  {file.num_bytes} bytes, sha256 {file.sha256}"
        for file in shelf.sets["mnist"].files[1:]
    ]
    assert [p.name for p in (tmp_path / "mine" / "mnist").iterdir()] == [NAMES[0]]


def test_without_download_the_missing_files_are_named(shelf: Shelf, tmp_path: Path) -> None:
    (shelf.copy("mnist", tmp_path) / NAMES[3]).unlink()
    with pytest.raises(
        DataError, match=f"MNIST lacks {NAMES[3]}; run `handloom data fetch mnist`, or"
    ):
        catalogue.load("mnist", tmp_path, download=False)
    rows = catalogue.check("mnist", tmp_path)
    assert [row.status for row in rows] == ["ok", "ok", "ok", "missing"]
    assert rows[3].path is None
    assert shelf.server.asked == []


def test_pictures_stored_by_columns_are_turned_and_labels_begin_at_zero(
    shelf: Shelf, tmp_path: Path
) -> None:
    folder = shelf.copy("mnist", tmp_path)
    files = []
    for file in shelf.sets["mnist"].files:
        if "labels" in file.name:
            write_idx(folder / file.name, np.arange(30 if "train" in file.name else 20) % 10 + 1)
        packed = (folder / file.name).read_bytes()
        files.append(dataclasses.replace(file, sha256=hashlib.sha256(packed).hexdigest()))
    shelf.sets["mnist"] = dataclasses.replace(
        shelf.sets["mnist"], files=tuple(files), transposed=True, first_label=1
    )
    loaded = catalogue.load("mnist", tmp_path)
    upright = shelf.images[f"mnist/{NAMES[0]}"].transpose(0, 2, 1)
    np.testing.assert_array_equal(loaded.train.images, upright)
    assert loaded.train.images.flags.c_contiguous
    np.testing.assert_array_equal(loaded.train.labels, np.arange(30) % 10)


def test_extended_labels_are_read_and_unhashed_unpacked_files_pass(
    shelf: Shelf, tmp_path: Path
) -> None:
    folder = tmp_path / "mnist"
    folder.mkdir()
    files = []
    for file in shelf.sets["mnist"].files:
        array = shelf.images[f"mnist/{file.name}"]
        name = file.name.replace("idx1-ubyte", "idx2-int")
        if "labels" in name:
            rows = np.stack([array] * 8, axis=1).astype(">i4")
            data = struct.pack(">3I", 0x0C02, *rows.shape) + rows.tobytes()
            (folder / name).with_suffix("").write_bytes(data)
        else:
            write_idx((folder / name).with_suffix(""), array)
        files.append(dataclasses.replace(file, name=name, sha256="0" * 64, unpacked_sha256=None))
    shelf.sets["mnist"] = dataclasses.replace(shelf.sets["mnist"], files=tuple(files))
    known._owners.cache_clear()
    loaded = catalogue.load("mnist", tmp_path, download=False)
    np.testing.assert_array_equal(loaded.train.labels, np.arange(30) % 10)
    assert all("not verified" in row.detail for row in catalogue.check("mnist", tmp_path))


def test_an_unreadable_file_is_wrong(shelf: Shelf, tmp_path: Path) -> None:
    path = shelf.copy("mnist", tmp_path) / NAMES[0]
    path.unlink()
    path.mkdir()
    with pytest.raises(DataError, match="is not a file but a folder"):
        catalogue.load("mnist", tmp_path)
    assert catalogue.check("mnist", tmp_path)[0].status == "wrong"


@pytest.mark.parametrize("call", [catalogue.load, catalogue.fetch, catalogue.check])
def test_an_unknown_name_is_refused(call: Any) -> None:
    with pytest.raises(ConfigError, match="did you mean fashion-mnist"):
        call("fashion_mnist")


def test_the_embedded_digits_need_no_file() -> None:
    loaded = data.load("digits")
    described = catalogue.describe_sets()[0]
    assert described.name == "digits"
    assert (described.num_train, described.num_test) == (len(loaded.train), len(loaded.test))
    assert described.num_classes == loaded.train.num_classes
    assert catalogue.fetch("digits") == ()
    assert [row.status for row in catalogue.check("digits")] == ["ok"]


def test_every_set_is_described() -> None:
    rows = {row.name: row for row in data.describe_sets()}
    assert list(rows) == ["digits", *known.known_sets()]
    assert rows["fashion-mnist"].num_bytes == 26421880 + 29515 + 4422102 + 5148
    assert rows["emnist-letters"].num_classes == 26


@pytest.mark.data
@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_publishers_files_are_right_packed_and_unpacked(
    name: str, data_dir: Path, tmp_path: Path
) -> None:
    rows = catalogue.check(name, data_dir)
    assert [(row.status, row.detail) for row in rows] == [("ok", "has the publisher's sha256")] * 4
    (tmp_path / name).mkdir()
    for row in rows:
        unpacked_bytes = gzip.decompress(row.path.read_bytes())
        (tmp_path / name / row.file).with_suffix("").write_bytes(unpacked_bytes)
    details = [row.detail for row in catalogue.check(name, tmp_path)]
    assert details == ["has the publisher's bytes, unpacked"] * 4


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "first"), [("mnist", [5, 0, 4, 1, 9, 2, 1, 3]), ("fashion-mnist", [9, 0, 0, 3, 0, 2])]
)
def test_the_real_sets_load(name: str, first: list[int], data_dir: Path) -> None:
    loaded = data.load(name, data_dir, download=False)
    assert loaded.train.images.shape == (60_000, 28, 28)
    assert loaded.test.images.shape == (10_000, 28, 28)
    assert loaded.train.labels[: len(first)].tolist() == first
    assert len(loaded.train.class_names) == 10


@pytest.mark.data
def test_digit_mnist_under_the_name_of_fashion_mnist_is_told(
    data_dir: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(data_dir / "fashion-mnist", tmp_path / "fashion-mnist"))
    shutil.copy(data_dir / "mnist" / NAMES[2], folder / NAMES[2])
    with pytest.raises(DataError, match=r"Fashion-MNIST is needed, but .* is MNIST's t10k-im"):
        catalogue.load("fashion-mnist", tmp_path)
