"""Files of images and labels that are not what they should be."""

from __future__ import annotations

import gzip
import socket
from pathlib import Path

import numpy as np
import pytest

from handloom.data import write_idx

# -- IDX files -------------------------------------------------------------------------------------


def idx_folder(place) -> Path:
    folder = place.data / "idx"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part, count in (("train", 30), ("t10k", 12)):
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", rng.integers(0, 256, (count, 6, 6)))
        write_idx(folder / f"{part}-labels-idx1-ubyte", np.arange(count) % 3)
    return folder


def train_on_idx(place, folder: Path) -> list[str | Path]:
    return ["train", place.recipe, "-o", f"data.idx={folder}"]


def test_wrong_idx_magic(place, refused):
    folder = idx_folder(place)
    place.change("idx/train-labels-idx1-ubyte", lambda data: b"\0\0\x0c" + data[3:])
    refused(
        train_on_idx(place, folder),
        tells="train-labels-idx1-ubyte: found 0x00000c01 … expected … 0x00000801 (labels)",
    )


def test_labels_in_the_place_of_images(place, refused):
    folder = idx_folder(place)
    labels = (folder / "train-labels-idx1-ubyte").read_bytes()
    place.change("idx/train-images-idx3-ubyte.gz", lambda _: gzip.compress(labels))
    refused(
        train_on_idx(place, folder),
        tells="train-images-idx3-ubyte.gz: found 0x00000801 (a file of labels) … (images)",
    )


def test_truncated_gzip(place, refused):
    folder = idx_folder(place)
    place.change("idx/train-images-idx3-ubyte.gz", lambda data: data[:-20])
    refused(
        train_on_idx(place, folder),
        tells="train-images-idx3-ubyte.gz: the gzip file is incomplete or damaged … fetch it again",
    )


def test_idx_shorter_than_it_says(place, refused):
    folder = idx_folder(place)
    place.change("idx/train-labels-idx1-ubyte", lambda data: data[:-1])
    refused(
        train_on_idx(place, folder),
        tells="train-labels-idx1-ubyte declares 30 = 30 values, but 29 bytes follow … incomplete",
    )


def test_idx_longer_than_it_says(place, refused):
    folder = idx_folder(place)
    place.change("idx/train-labels-idx1-ubyte", lambda data: data + b"\1")
    refused(
        train_on_idx(place, folder),
        tells="train-labels-idx1-ubyte declares … but … bytes follow its header; … too long",
    )


def test_idx_of_a_hundred_gigabytes(place, refused):
    folder = idx_folder(place)
    place.change(
        "idx/train-images-idx3-ubyte.gz",
        lambda data: gzip.compress(
            gzip.decompress(data)[:4] + b"\xff\xff\xff\xff" + gzip.decompress(data)[8:]
        ),
    )
    refused(
        train_on_idx(place, folder), tells="declares 4294967295 × 6 × 6 values … bytes; at most"
    )


def test_more_images_than_labels(place, refused):
    folder = idx_folder(place)
    write_idx(folder / "train-labels-idx1-ubyte", np.arange(29) % 3)
    refused(
        train_on_idx(place, folder),
        tells="train-images-idx3-ubyte.gz holds 30 images but train-labels-idx1-ubyte 29 labels",
    )


def test_an_idx_file_too_few(place, refused):
    folder = idx_folder(place)
    (folder / "t10k-labels-idx1-ubyte").unlink()
    refused(
        train_on_idx(place, folder),
        tells="idx has no t10k-labels-idx1-ubyte[.gz]; it needs the publisher's 4 files",
    )


# -- npy and csv -----------------------------------------------------------------------------------


def test_nan_pixels(place, refused):
    images = np.load(place.data / "images.npy").astype(np.float32)
    images[3, 1, 2] = np.nan
    np.save(place.data / "images.npy", images)
    refused(["train", place.recipe], tells="images.npy: row 3, pixel (1, 2) is nan; pixels are")


def test_pixels_over_255(place, refused):
    images = np.load(place.data / "images.npy").astype(np.int16)
    images[0, 0, 0] = 256
    np.save(place.data / "images.npy", images)
    refused(["train", place.recipe], tells="images.npy: row 0, pixel (0, 0) is 256; pixels are")


def test_python_objects_as_images(place, refused):
    objects = np.array([{"a": 1}, None], dtype=object)
    np.save(place.data / "images.npy", objects, allow_pickle=True)
    refused(
        ["train", place.recipe],
        tells="images.npy contains Python objects, which only pickle could read … save",
    )


def test_npy_shorter_than_it_says(place, refused):
    place.change("images.npy", lambda data: data[:-10])
    refused(
        ["train", place.recipe],
        tells="images.npy declares 80 × 6 × 6 values of uint8, 2880 bytes, but holds 2870",
    )


def test_rows_that_are_no_squares(place, refused):
    np.save(place.data / "images.npy", np.zeros((80, 10), np.uint8))
    refused(
        ["train", place.recipe],
        tells="images.npy has rows of 10 pixels, which is not a square image … save it as (N, H",
    )


def test_a_missing_id(place, refused):
    place.change("labels.csv", lambda data: data[: data.rindex(b"79,")])
    refused(
        ["train", place.recipe],
        tells="labels.csv has labels for 79 of the 80 images; the first without one is image_id 79",
    )


def test_an_id_twice(place, refused):
    place.change("labels.csv", lambda data: data + b"5,1\n")
    refused(["train", place.recipe], tells="labels.csv, line 82: image_id 5 is already in line 7")


def test_an_id_without_an_image(place, refused):
    place.change("labels.csv", lambda data: data + b"80,1\n")
    refused(["train", place.recipe], tells="labels.csv, line 82: image_id '80' is outside 0..79")


def test_a_label_below_zero(place, refused):
    place.change("labels.csv", lambda data: b"image_id,label\n0,-1\n" + data.split(b"\n", 2)[2])
    refused(["train", place.recipe], tells="labels.csv, line 2: label -1 is outside 0..")


def test_a_test_label_that_training_has_not(place, refused):
    place.change("test-labels.csv", lambda data: b"image_id,label\n0,3\n" + data.split(b"\n", 2)[2])
    refused(
        ["train", place.recipe],
        tells="test-labels.csv, line 2: label 3 is outside 0..2, the ids of the known classes",
    )


def test_another_header(place, refused):
    place.change("labels.csv", lambda data: data.replace(b"image_id,label", b"id;class"))
    refused(
        ["train", place.recipe],
        tells="labels.csv: the first line should be image_id,label but is 'id;class'",
    )


def test_test_pictures_of_another_shape(place, refused):
    np.save(place.data / "test-images.npy", np.zeros((30, 5, 5), np.uint8))
    refused(
        ["train", place.recipe],
        tells="training images are (1, 6, 6), test images (1, 5, 5)",
    )


def test_a_validation_part_of_nothing(place, refused):
    arguments = ["train", place.recipe, "-o", "data.validation=0.001"]
    refused(arguments, tells="validation = 0.001 asks for 0 of 80 images")


def test_rows_of_labels_in_any_order_are_the_same_data(place, handloom):
    header, *rows = (place.data / "labels.csv").read_text().splitlines()
    (place.data / "labels.csv").write_text("\n".join([header, *reversed(rows)]))
    assert handloom("train", "--resume", place.run, "-q").code == 0


# -- known sets ------------------------------------------------------------------------------------


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr("handloom.data.known.download.time.sleep", lambda seconds: None)


def test_missing_data_without_a_network(no_network: None, handloom, tmp_path: Path) -> None:
    outcome = handloom("train", "mnist-lenet", "--data-dir", tmp_path / "mine")
    first, *lines = outcome.err.splitlines()
    assert (outcome.code, outcome.out) == (2, "")
    assert first.startswith("handloom: MNIST could not be downloaded")
    for name in ("train-images", "train-labels", "t10k-images", "t10k-labels"):
        wanted = f"  {tmp_path / 'mine' / 'mnist' / name}"
        assert any(line.startswith(wanted) and "sha256" in line for line in lines), name
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_files_of_nobody_are_named(no_network: None, place, refused, tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "mnist"
    folder.mkdir(parents=True)
    write_idx(folder / "train-images-idx3-ubyte.gz", np.zeros((3, 28, 28), np.uint8))
    refused(
        ["train", "mnist-lenet", "--data-dir", tmp_path / "mine"],
        tells="MNIST is needed, but … put the publisher's file there, or remove this one",
    )
