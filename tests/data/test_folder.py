"""Folders of images: classes from names, order, sizes, links, and what cannot be read."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from handloom.data import picture_files, read_folder
from handloom.errors import DataError, LabelError, ShapeError


def write_png(path: Path, value: int, shape: tuple[int, ...] = (4, 6)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    ok, data = cv2.imencode(".png", np.full(shape, value, np.uint8))
    assert ok
    path.write_bytes(data.tobytes())


@pytest.fixture
def pets(tmp_path):
    folder = tmp_path / "pets"
    for class_id, name in enumerate(["dog", "cat", "Ochse ♥"]):
        for number in (2, 1, 3):
            write_png(folder / name / f"{number}.png", 10 * class_id + number)
    return folder


def test_classes_and_pictures_come_in_the_order_of_their_names(pets):
    data = read_folder(pets)
    assert data.test is None
    assert data.train.class_names == ("Ochse ♥", "cat", "dog")
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert data.train.images[:, 0, 0].tolist() == [21, 22, 23, 11, 12, 13, 1, 2, 3]
    assert (data.train.name, data.train.image_shape) == ("pets", (1, 4, 6))


def test_numbers_as_names_are_sorted_by_value(tmp_path):
    for name in ("10", "9", "0"):
        write_png(tmp_path / name / "a.png", int(name))
    data = read_folder(tmp_path).train
    assert data.class_names == ("0", "9", "10")
    assert data.images[:, 0, 0].tolist() == [0, 9, 10]


def test_train_and_test_parts(tmp_path):
    for part, names in (("train", "ab"), ("test", "b"), ("raw", "c")):
        for name in names:
            write_png(tmp_path / part / name / "1.png", ord(name))
    data = read_folder(tmp_path, name="letters")
    assert data.test is not None
    assert (data.train.name, data.test.name) == ("letters train", "letters test")
    assert data.train.labels.tolist() == [0, 1]
    assert data.test.labels.tolist() == [1]  # a class may be without test images
    write_png(tmp_path / "test" / "c" / "1.png", 0)
    with pytest.raises(LabelError, match="test has the class 'c', which train does not"):
        read_folder(tmp_path)


def test_what_systems_leave_behind_is_passed_over(pets):
    whole = read_folder(pets).train.fingerprint()
    for name in (".DS_Store", "Thumbs.db", "cat/.DS_Store", "cat/Thumbs.db", "README.txt"):
        (pets / name).write_bytes(b"x")
    (pets / ".git").mkdir()
    (pets / "cat" / ".ipynb_checkpoints").mkdir()
    assert read_folder(pets).train.fingerprint() == whole


def test_colour_mode(pets):
    assert read_folder(pets, mode="RGB").train.images.shape == (9, 3, 4, 6)


def test_two_sizes_are_refused_unless_a_size_is_given(pets):
    write_png(pets / "dog" / "4.png", 9, (5, 6))
    with pytest.raises(ShapeError, match=r"4\.png is 6 × 5 pixels, .*1\.png 6 × 4; set a size"):
        read_folder(pets)
    assert read_folder(pets, size=(28, 28)).train.images.shape == (10, 28, 28)


def test_a_broken_picture_is_named_or_skipped_and_listed(pets):
    (pets / "cat" / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    (pets / "dog" / "notes\n.txt").write_bytes(b"hello")
    with pytest.raises(DataError, match=r"2\.png is an incomplete or damaged image"):
        read_folder(pets)
    data = read_folder(pets, skip_broken=True)
    assert len(data.train) == 8
    assert data.train.labels.tolist() == [0, 0, 0, 1, 1, 2, 2, 2]
    assert len(data.skipped) == 2
    assert "2.png is an incomplete" in data.skipped[0]
    assert "notes\\n.txt' is not a PNG" in data.skipped[1]


def test_a_class_without_a_readable_picture(pets):
    for path in (pets / "cat").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="cat contains no readable image"):
        read_folder(pets, skip_broken=True)


def test_links_that_lead_out_are_not_followed(pets, tmp_path):
    whole = read_folder(pets).train.fingerprint()
    write_png(tmp_path / "secret" / "1.png", 99)
    (pets / "cat" / "9.png").symlink_to(tmp_path / "secret" / "1.png")
    with pytest.raises(DataError, match=r"9\.png is a link out of .*pets or to nowhere"):
        read_folder(pets)
    (pets / "linked").symlink_to(tmp_path / "secret", target_is_directory=True)
    (pets / "loop").symlink_to(pets / "loop")
    data = read_folder(pets, skip_broken=True)
    assert data.train.fingerprint() == whole
    assert len(data.skipped) == 3


def test_links_within_the_folder_are_followed(pets):
    (pets / "dog" / "9.png").symlink_to(pets / "cat" / "1.png")
    assert read_folder(pets).train.images[-1, 0, 0] == 11


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: None, "has 0 class folders, at least two are needed: put the images"),
        (lambda folder: write_png(folder / "a" / "1.png", 0), "has 1 class folders"),
        (lambda folder: write_png(folder / "1.png", 0), "has 0 class folders"),
        (
            lambda folder: [write_png(folder / name, 0) for name in ("a/1.png", "b/c/1.png")],
            "b has the folder c among its images",
        ),
    ],
)
def test_folders_of_another_kind(tmp_path, make, message):
    make(tmp_path)
    with pytest.raises(DataError, match=message):
        read_folder(tmp_path)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"cannot read the folder .*nowhere: no such file"):
        read_folder(tmp_path / "nowhere")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(DataError, match=r"cannot read the folder .*file: not a directory"):
        read_folder(tmp_path / "file")


def test_a_name_that_cannot_be_printed_is_no_class(pets):
    write_png(pets / "new\nline" / "1.png", 0)
    with pytest.raises(LabelError, match=r"class 3 has no printable name, got 'new\\nline'"):
        read_folder(pets)


def test_a_pipe_does_not_block(pets):
    os.mkfifo(pets / "cat" / "4.png")
    with pytest.raises(DataError, match=r"4\.png is not a file but a pipe or a device"):
        read_folder(pets)


def test_picture_files_are_sorted_and_clean(pets):
    (pets / "cat" / ".hidden").write_bytes(b"")
    assert [path.name for path in picture_files(pets / "cat")] == ["1.png", "2.png", "3.png"]
