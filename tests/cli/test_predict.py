"""handloom predict: the table that a contest accepts."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from handloom.data import read_npy_images, write_idx
from handloom.run.results import open_run


@pytest.fixture
def pictures(bars) -> Path:
    return bars.parent / "test-images.npy"


@pytest.fixture
def expected(trained: Path, pictures: Path) -> list[int]:
    return open_run(trained).predict(read_npy_images(pictures)).tolist()


def table(labels: list) -> str:
    return "image_id,label\n" + "".join(f"{row},{label}\n" for row, label in enumerate(labels))


def test_the_table_in_a_file(trained, pictures, expected, handloom, tmp_path: Path) -> None:
    path = tmp_path / "submit.csv"
    path.write_text("an older one")
    outcome = handloom("predict", trained, "--input", pictures, "--output", path)
    assert outcome == type(outcome)(0, f"30 labels written to {path}\n", "")
    assert path.read_bytes() == table(expected).encode()
    assert len(set(expected)) == 3


def test_without_a_file_the_rows_are_printed(trained, pictures, expected, handloom) -> None:
    assert handloom("predict", trained, "-i", pictures).out == table(expected)
    told = json.loads(handloom("predict", trained, "-i", pictures, "--json").out)
    assert told == {"ids": [str(row) for row in range(30)], "labels": expected}
    assert handloom("predict", trained, "-i", pictures, "-q").out == ""


def test_test_time_augmentation(trained, pictures, handloom) -> None:
    images = read_npy_images(pictures)
    expected = open_run(trained).predict(images, tta=["flip", "shift"]).tolist()
    assert handloom("predict", trained, "-i", pictures, "--tta", "flip,shift").out == table(
        expected
    )


@pytest.mark.parametrize("shape", [(0, 6, 6), (0, 36)])
def test_no_pictures_give_the_header_alone(shape, trained, handloom, tmp_path: Path) -> None:
    np.save(tmp_path / "none.npy", np.zeros(shape, np.float32))
    outcome = handloom("predict", trained, "--input", tmp_path / "none.npy")
    assert (outcome.code, outcome.out) == (0, "image_id,label\n")


def test_the_same_from_idx_and_from_a_folder(
    trained, pictures, expected, handloom, tmp_path: Path
) -> None:
    images = read_npy_images(pictures)
    write_idx(tmp_path / "images.gz", images)
    assert handloom("predict", trained, "-i", tmp_path / "images.gz").out == table(expected)
    (tmp_path / "folder").mkdir()
    for row, image in enumerate(images):
        cv2.imwrite(str(tmp_path / "folder" / f"{row:02d}.png"), image)
    assert handloom("predict", trained, "-i", tmp_path / "folder").out == table(expected)
    single = handloom("predict", trained, "-i", tmp_path / "folder" / "07.png").out
    assert single == table(expected[7:8])


def test_a_picture_of_another_size_is_stretched(trained, pictures, expected, handloom, tmp_path):
    large = np.kron(read_npy_images(pictures)[4], np.ones((5, 5), np.uint8))
    cv2.imwrite(str(tmp_path / "large.png"), large)
    assert handloom("predict", trained, "-i", tmp_path / "large.png").out == table(expected[4:5])


def test_a_sample_sets_header_ids_and_order(
    trained, pictures, expected, handloom, tmp_path: Path
) -> None:
    ids = list(range(130, 100, -1))
    (tmp_path / "sample.csv").write_text("Id;Class\n" + "".join(f"{i};0\n" for i in ids))
    arguments = ["predict", trained, "-i", pictures, "--sample", tmp_path / "sample.csv"]
    rows = "".join(f"{i};{expected[i - 101]}\n" for i in ids)
    assert handloom(*arguments).out == "Id;Class\n" + rows
    told = json.loads(handloom(*arguments, "--json").out)
    assert told == {"ids": [str(i) for i in ids], "labels": expected[::-1]}


def test_a_sample_may_name_files(trained, pictures, expected, handloom, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for row, name in enumerate("abc"):
        cv2.imwrite(str(folder / f"{name}.png"), read_npy_images(pictures)[row])
    (tmp_path / "sample.csv").write_text("file,label\nc.png,\na.png,\nb.png,\n")
    arguments = ["predict", trained, "-i", folder, "--sample", tmp_path / "sample.csv"]
    labels = [expected[2], expected[0], expected[1]]
    rows = "".join(f"{name}.png,{label}\n" for name, label in zip("cab", labels, strict=True))
    assert handloom(*arguments).out == "file,label\n" + rows


# -- ids or names ----------------------------------------------------------------------------------

WORDS = ("top", "mid", "low")


@pytest.fixture
def trained_on_words(bars, handloom, tmp_path: Path) -> Path:
    """Labels that are words get their ids in the words' order: low 0, mid 1, top 2."""
    for name in ("labels.csv", "test-labels.csv"):
        header, *rows = (bars.parent / name).read_text().splitlines()
        cells = [row.split(",") for row in rows]
        text = "".join(f"{image_id},{WORDS[int(label)]}\n" for image_id, label in cells)
        (bars.parent / name).write_text(f"{header}\n{text}")
    handloom("train", bars, "--out", tmp_path / "words", "-q")
    return tmp_path / "words"


def test_words_are_answered_with_words(trained_on_words, pictures, handloom) -> None:
    run = open_run(trained_on_words)
    ids = run.predict(read_npy_images(pictures)).tolist()
    words = [("low", "mid", "top")[i] for i in ids]
    arguments = ["predict", trained_on_words, "-i", pictures]
    assert not run.labels_are_ids
    assert handloom(*arguments).out == table(words)
    assert handloom(*arguments, "--names").out == table(words)
    assert handloom(*arguments, "--ids").out == table(ids)


def test_ids_are_answered_with_ids(trained, pictures, expected, handloom) -> None:
    assert open_run(trained).labels_are_ids
    assert handloom("predict", trained, "-i", pictures, "--ids").out == table(expected)
    assert handloom("predict", trained, "-i", pictures, "--names").out == table(expected)


def test_a_known_set_is_answered_with_ids_though_its_classes_have_names(
    trained_on_words, pictures, handloom
) -> None:
    """As for Fashion-MNIST, whose publisher's labels are 0..9."""
    recipe = trained_on_words / "recipe.toml"
    kept = [line for line in recipe.read_text().splitlines() if "images =" not in line]
    kept = [line for line in kept if "labels =" not in line]
    recipe.write_text("\n".join(kept).replace("[data]", '[data]\nname = "digits"'))
    out = handloom("predict", trained_on_words, "-i", pictures).out
    assert {line.split(",")[1] for line in out.splitlines()[1:]} <= {"0", "1", "2"}
    assert "low" in handloom("predict", trained_on_words, "-i", pictures, "--names").out


# -- a sample that wants something else ------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (["1,0"] * 30, "the id '1' of row 3 is also in row 2"),
        ([f"{row},0" for row in range(29)], "has 29 rows, but there are 30 images"),
        ([f"{row},low" for row in range(30)], "has text as labels (low)"),
        ([f"{row},{row % 7}" for row in range(30)], "has the label '3' in row 5"),
        ([f"{row},0,0" for row in range(30)], "row 2 has 3 columns"),
    ],
)
def test_what_a_sample_forbids_is_refused_before_anything_is_written(
    trained, pictures, rows: list[str], told: str, handloom, tmp_path: Path
) -> None:
    (tmp_path / "sample.csv").write_text("image_id,label\n" + "\n".join(rows) + "\n")
    submit = tmp_path / "submit.csv"
    submit.write_text("an older one")
    arguments = ["--sample", tmp_path / "sample.csv", "--output", submit]
    outcome = handloom("predict", trained, "-i", pictures, *arguments)
    assert outcome.code == 2
    assert told in outcome.err
    assert outcome.err.count("\n") == 1
    assert submit.read_text() == "an older one"


def test_a_sample_of_words_is_answered_with_words(
    trained_on_words, pictures, handloom, tmp_path: Path
) -> None:
    words = ["low", "mid", "top"] * 10
    rows = "".join(f"{row},{word}\n" for row, word in enumerate(words))
    (tmp_path / "sample.csv").write_text(f"image_id,label\n{rows}")
    arguments = ["predict", trained_on_words, "-i", pictures, "--sample", tmp_path / "sample.csv"]
    assert handloom(*arguments).code == 0
    outcome = handloom(*arguments, "--ids")
    assert outcome.code == 2
    assert "has text as labels (low, mid, top), and these would be whole numbers" in outcome.err
    assert "--names gives names" in outcome.err
