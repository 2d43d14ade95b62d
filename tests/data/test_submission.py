"""Tables for a contest: without a sample, and as a sample wants them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from handloom.data import numbered, read_sample
from handloom.errors import DataError, ShapeError


@pytest.fixture
def sample(tmp_path: Path):
    def write(text: str) -> Path:
        path = tmp_path / "sample.csv"
        path.write_bytes(text.encode())
        return path

    return write


def test_without_a_sample_ids_count_from_zero() -> None:
    assert numbered(3).fill([7, 1, 7]) == "image_id,label\n0,7\n1,1\n2,7\n"
    assert numbered(0).fill([]) == "image_id,label\n"


def test_words_with_separators_are_quoted() -> None:
    assert numbered(1).fill(["shirt, blue"]) == 'image_id,label\n0,"shirt, blue"\n'


def test_a_table_is_filled_whole() -> None:
    with pytest.raises(ShapeError, match="3 rows need a label, got 2"):
        numbered(3).fill([1, 2])


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (["0", "1", "2"], [0, 1, 2]),
        (["2", "0", "1"], [2, 0, 1]),
        (["1", "2", "3"], [0, 1, 2]),
        (["30002", "30000", "30001"], [2, 0, 1]),
        (["007", "006", "008"], [1, 0, 2]),
        (["5", "9", "7"], [0, 1, 2]),  # gaps: row by row
        (["x", "b", "a"], [0, 1, 2]),
        (["1", "01", "2"], [0, 1, 2]),
    ],
)
def test_ids_tell_the_picture_of_a_row(ids: list[str], expected: list[int], sample) -> None:
    table = read_sample(sample("id,label\n" + "".join(f"{name},0\n" for name in ids)), 3)
    np.testing.assert_array_equal(table.pictures, expected)
    labels = ["first", "second", "third"]
    rows = [line.split(",") for line in table.fill(labels).splitlines()]
    assert rows == [["id", "label"], *([i, labels[k]] for i, k in zip(ids, expected, strict=True))]


@pytest.mark.parametrize("ending", ["", ".png"])
def test_ids_may_be_names_of_files(ending: str, sample) -> None:
    files = [Path("pics/1.png"), Path("pics/10.png"), Path("pics/9.png")]  # sorted by name
    path = sample(f"file,class\n9{ending},x\n10{ending},x\n1{ending},x\n")
    table = read_sample(path, 3, files=files)
    np.testing.assert_array_equal(table.pictures, [2, 1, 0])


def test_files_may_be_numbered_in_the_order_of_their_names(sample) -> None:
    files = [Path("a.png"), Path("b.png")]
    np.testing.assert_array_equal(
        read_sample(sample("i,l\n2,0\n1,0\n"), 2, files=files).pictures, [1, 0]
    )


def test_header_and_separator_are_kept(sample) -> None:
    table = read_sample(sample('\ufeff"Image Id";Label\r\n1;0\r\n\r\n2;0\r\n'), 2)
    assert table.fill([4, 5]) == "Image Id;Label\n1;4\n2;5\n"


def test_a_sample_for_no_pictures(sample) -> None:
    assert read_sample(sample("id,label\n"), 0).fill([]) == "id,label\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("id,label\n0,0\n", r"sample\.csv has 1 rows, but there are 2 images to predict"),
        ("id,label\n0,0\n0,0\n", r"the id '0' of row 3 is also in row 2"),
        ("id,label\n0,0,0\n1,0,0\n", r"row 2 has 3 columns; predictions need two"),
        ("id\n0\n1\n", r"row 1 has 1 columns; predictions need two"),
        ("", r"is empty; its first row should name two columns"),
        ('id,label\n"0,0\n', r"is not a text table"),
        ("\x89PNG\r\n\x1a\n\0", r"row 1 has 1 columns|is not a text table"),
    ],
)
def test_what_is_no_sample_is_refused(text: str, told: str, sample) -> None:
    with pytest.raises(DataError, match=told):
        read_sample(sample(text), 2)


def test_other_bytes_are_named(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 28, 28), np.uint8))
    with pytest.raises(DataError, match=r"x\.npy is not a text table; it looks like a NumPy"):
        read_sample(tmp_path / "x.npy", 2)


def test_names_that_are_not_among_the_files_are_refused(sample) -> None:
    files = [Path("a.png"), Path("b.png")]
    with pytest.raises(DataError, match=r"the ids \('c', …\) are neither names of the images"):
        read_sample(sample("id,label\nc,0\na,0\n"), 2, files=files)


# -- what the sample's labels tell -----------------------------------------------------------------

NAMES = ("coat", "shoe", "T-shirt/top")


def labelled(sample, *labels: str):
    rows = "".join(f"{row},{label}\n" for row, label in enumerate(labels))
    return read_sample(sample("id,label\n" + rows), len(labels))


@pytest.mark.parametrize(
    ("labels", "allowed"),
    [
        (("0", "0"), range(3)),
        (("2", "0"), range(3)),
        (("9", "9"), range(3)),  # one label in every row holds the place
        (("", ""), range(3)),
        (("", ""), NAMES),
        (("?", "?"), NAMES),
        (("shoe", "coat"), NAMES),
        (("7", "3"), ("3", "7")),  # folders that are called by numbers
        ((), range(3)),
    ],
)
def test_labels_of_the_wanted_kind_may_come(labels, allowed, sample) -> None:
    labelled(sample, *labels).check_labels(allowed)


@pytest.mark.parametrize(
    ("labels", "allowed", "told"),
    [
        (
            ("0", "0"), NAMES,
            r"sample\.csv has whole numbers as labels \(0\), and these would be text "
            r"\(coat, shoe, T-shirt/top\); --ids gives class ids, from 0",
        ),
        (
            ("coat", "coat"), range(12),
            r"has text as labels \(coat\), and these would be whole numbers \(0, 1, 2, …\); "
            "--names gives names",
        ),
        (("0.1", "0.9"), range(3), r"decimal numbers as labels \(0\.1, 0\.9\).*than a class$"),
        (("1", "10"), range(10), r"has the label '10' in row 3, which is not one of the possible"),
        (("coat", "boot"), NAMES, r"the label 'boot' in row 3, which is not one .* \(coat, shoe, "),
        (("coat", "1"), NAMES, r"the label '1' in row 3"),
    ],
)  # fmt: skip
def test_labels_of_another_kind_are_refused(labels, allowed, told: str, sample) -> None:
    with pytest.raises(DataError, match=told):
        labelled(sample, *labels).check_labels(allowed)


def test_a_table_without_a_sample_takes_any_labels() -> None:
    numbered(2).check_labels(NAMES)
    assert numbered(2).fill(["coat", "shoe"]) == "image_id,label\n0,coat\n1,shoe\n"


def test_an_id_that_is_missing_and_a_header_that_is_none(sample) -> None:
    with pytest.raises(DataError, match="row 3 has no id"):
        read_sample(sample("id,label\n0,0\n,0\n"), 2)
    with pytest.raises(DataError, match=r"has 2 rows, .* its first row, 5,0, is not a header"):
        read_sample(sample("5,0\n6,0\n7,0\n"), 3)
