"""Labels in a csv: what the written rule accepts, and the line that breaks it."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.data import read_labels, read_table
from handloom.errors import DataError, LabelError


@pytest.fixture
def table(tmp_path):
    """Write a csv and read its labels for `num_images` images."""

    def write_and_read(text: str | bytes, num_images: int = 3, class_names=None):
        data = text if isinstance(text, bytes) else text.encode()
        (tmp_path / "labels.csv").write_bytes(data)
        return read_labels(tmp_path / "labels.csv", num_images, class_names=class_names)

    return write_and_read


@pytest.mark.parametrize(
    "text",
    [
        "image_id,label\n0,2\n1,0\n2,1\n",
        "image_id,label\n0,2\n1,0\n2,1",  # no newline at the end
        "\ufeffimage_id,label\n0,2\n1,0\n2,1\n",
        "image_id,label\r\n0,2\r\n1,0\r\n2,1\r\n",
        "image_id;label\n0;2\n1;0\n2;1\n",
        '"image_id","label"\n"0","2"\n"1","0"\n"2","1"\n',
        "image_id,label\n2,1\n0,2\n1,0\n",  # unsorted
        "image_id, label\n 0 , 2 \n1,0\n\n2,1\n\n",
        "image_id,label\n0,2.0\n1,0.0\n2,1.\n",
    ],
)
def test_what_the_rule_accepts(table, text):
    labels, names = table(text)
    assert labels.dtype == np.int64
    assert labels.tolist() == [2, 0, 1]
    assert names == ("0", "1", "2")


def test_words_become_classes_in_sorted_order(table):
    labels, names = table("image_id,label\n0,owl\n1,cat\n2,Zebra finch\n")
    assert names == ("Zebra finch", "cat", "owl")
    assert labels.tolist() == [2, 1, 0]


def test_a_quoted_word_may_hold_the_separator(table):
    labels, names = table('image_id,label\n0,"boot, ankle"\n1,bag\n2,bag\n')
    assert names == ("bag", "boot, ankle")
    assert labels.tolist() == [1, 0, 0]


def test_a_gap_in_the_ids_stays_a_class(table):
    labels, names = table("image_id,label\n0,0\n1,3\n2,0\n")
    assert names == ("0", "1", "2", "3")
    assert labels.tolist() == [0, 3, 0]


def test_known_classes_keep_their_ids(table):
    known = ("owl", "cat", "dog")
    assert table("image_id,label\n0,dog\n1,dog\n2,owl\n", class_names=known)[0].tolist() == [
        2,
        2,
        0,
    ]
    assert table("image_id,label\n0,1\n1,1\n2,1\n", class_names=known)[1] == known
    with pytest.raises(LabelError, match=r"line 3: label 'bee' is not a known class; .* owl, cat"):
        table("image_id,label\n0,dog\n1,bee\n2,owl\n", class_names=known)
    with pytest.raises(
        LabelError, match=r"line 4: label 3 is outside 0\.\.2, the ids of the known"
    ):
        table("image_id,label\n0,0\n1,0\n2,3\n", class_names=known)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; its first line should be image_id,label"),
        ("\n\n", "is empty"),
        ("id,class\n0,1\n", "the first line should be image_id,label but is 'id,class'"),
        ("0,1\n1,1\n2,0\n", "first line should be image_id,label but is '0,1'"),
        ("image_id,label,x\n", "the first line should be"),
        (b"PK\3\4xlsx", "it looks like a zip archive"),
        ("image_id,label\n", "has labels for 0 of the 3 images; .* image_id 0"),
        ("image_id,label\n0,1\n2,0\n", "labels for 2 of the 3 images; the first without one is "
         "image_id 1"),
        ("image_id,label\n0,1\n1,0\n0,1\n2,1\n", "line 4: image_id 0 is already in line 2"),
        ("image_id,label\n0,1\n1,0\n3,1\n", r"line 4: image_id '3' is outside 0\.\.2, the rows of "
         "the 3 images"),
        ("image_id,label\n-1,1\n", r"line 2: image_id '-1' is outside 0\.\.2"),
        ("image_id,label\n0.5,1\n", "line 2: image_id '0.5' is not the index of an image"),
        ("image_id,label\nimg1.png,1\n", "line 2: image_id 'img1.png' is not the index"),
        (f"image_id,label\n{'9' * 6000},1\n", "line 2: image_id '9+' is not the index"),
        ("image_id,label\n0,1\n1\n2,1\n", "line 3: 1 fields, expected 2: image_id,label"),
        ("image_id;label\n0;1;7\n", "line 2: 3 fields, expected 2: image_id;label"),
        ("image_id,label\n0;1\n", "line 2: 1 fields"),
        (b"image_id,label\n0,1\n1,\xff\xfe\n", "is not UTF-8 text"),
        ('image_id,label\n0,"1"x\n', "line 2: ',' expected after '\"'"),
        ('image_id,label\n0,"1\n', "line 2: unexpected end of data"),
        (f"image_id,label\n0,{'x' * 200_000}\n", "line 2: field larger than field limit"),
    ],
    ids=lambda value: ascii(value)[:30],
)  # fmt: skip
def test_the_wrong_line_is_named(table, text, message):
    with pytest.raises(DataError, match=message) as caught:
        table(text)
    assert "labels.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ("0 -1 1", r"line 3: label -1 is outside 0\.\.9999, the ids that are possible"),
        ("0 10000 1", r"line 3: label 10000 is outside 0\.\.9999"),
        ("0 3.5 1", "line 3: label '3.5' is not an integer; a class id is 0, 1, 2"),
        ("cat nan dog", "line 3: label 'nan' is not an integer"),
        ("0 1e3 1", "line 3: label '1e3' is not an integer"),
        (
            "0 1x 1",
            "line 3: label '1x' is not an integer as in line 2; all labels have to be of one kind",
        ),
        (
            "cat dog 7",
            "line 4: label '7' is not a word as in line 2; all labels have to be of one kind",
        ),
        ("0 '' 1", "line 3: label '' is empty or not printable"),
        ("a b\x07 c", "line 3: label .* is empty or not printable"),
        ("4 4 4", "every label is '4'; at least two classes are needed"),
    ],
)
def test_labels_that_are_no_classes(table, labels, message):
    words = ["" if word == "''" else word for word in labels.split(" ")]
    rows = "".join(f"{index},{word}\n" for index, word in enumerate(words))
    with pytest.raises(LabelError, match=message):
        table("image_id,label\n" + rows)


def test_a_long_table_for_few_images_stops_at_its_first_surplus_line(table):
    text = "image_id,label\n" + "".join(f"{i},{i % 2}\n" for i in range(100_000))
    with pytest.raises(DataError, match="line 5: image_id '3' is outside"):
        table(text)


def test_pictures_with_their_labels(tmp_path, rng):
    images = rng.integers(0, 256, (4, 9), np.uint8)
    np.save(tmp_path / "pets.npy", images)
    (tmp_path / "pets.csv").write_text("image_id,label\n3,dog\n2,cat\n1,cat\n0,dog\n")
    data = read_table(tmp_path / "pets.npy", tmp_path / "pets.csv")
    np.testing.assert_array_equal(data.images, images.reshape(4, 3, 3))
    assert data.labels.tolist() == [1, 0, 0, 1]
    assert (data.class_names, data.name) == (("cat", "dog"), "pets")
