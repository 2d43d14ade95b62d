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
    with pytest.raises(ShapeError, match="3 rows wait for labels, got 2"):
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
        ("id,label\n0,0\n", r"sample\.csv wants 1 rows, but there are 2 pictures to predict"),
        ("id,label\n0,0\n0,0\n", r"the id '0' of row 3 is in row 2 too"),
        ("id,label\n0,0,0\n1,0,0\n", r"row 2 has 3 columns; predictions fill two"),
        ("id\n0\n1\n", r"row 1 has 1 columns; predictions fill two"),
        ("", r"is empty; its first row should name two columns"),
        ('id,label\n"0,0\n', r"is no table of text"),
        ("\x89PNG\r\n\x1a\n\0", r"row 1 has 1 columns|is no table of text"),
    ],
)
def test_what_is_no_sample_is_refused(text: str, told: str, sample) -> None:
    with pytest.raises(DataError, match=told):
        read_sample(sample(text), 2)


def test_other_bytes_are_named(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.zeros((2, 28, 28), np.uint8))
    with pytest.raises(DataError, match=r"x\.npy is no table of text; it looks like a NumPy"):
        read_sample(tmp_path / "x.npy", 2)


def test_names_that_are_not_among_the_files_are_refused(sample) -> None:
    files = [Path("a.png"), Path("b.png")]
    with pytest.raises(DataError, match=r"the ids \('c', …\) are neither names of the pictures"):
        read_sample(sample("id,label\nc,0\na,0\n"), 2, files=files)
