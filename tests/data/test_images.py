"""Images to predict, from any source that the first bytes betray."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from handloom.data import read_images, write_idx
from handloom.errors import DataError


@pytest.fixture
def pictures(rng) -> np.ndarray:
    return rng.integers(0, 256, (3, 5, 5), np.uint8)


def test_every_source_gives_the_same_pictures(tmp_path, pictures):
    np.save(tmp_path / "a.npy", pictures.reshape(3, 25))
    (tmp_path / "a.npy").rename(tmp_path / "no-ending")
    write_idx(tmp_path / "idx.gz", pictures)
    write_idx(tmp_path / "idx", pictures)
    (tmp_path / "folder").mkdir()
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(tmp_path / "folder" / f"{number}.png"), picture)
    for name in ("no-ending", "idx.gz", "idx", "folder"):
        np.testing.assert_array_equal(read_images(tmp_path / name), pictures)
    single = read_images(tmp_path / "folder" / "1.png")
    np.testing.assert_array_equal(single, pictures[1:2])
    assert read_images(tmp_path / "folder", size=(7, 8), mode="RGB").shape == (3, 3, 7, 8)


def test_labels_and_other_files_are_refused(tmp_path):
    write_idx(tmp_path / "labels", np.arange(3))
    with pytest.raises(DataError, match="a file of labels"):
        read_images(tmp_path / "labels")
    (tmp_path / "t.csv").write_text("image_id,label\n0,1\n")
    with pytest.raises(DataError, match=r"t\.csv is not a .npy.*; it looks like a table of labels"):
        read_images(tmp_path / "t.csv")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="empty contains no images"):
        read_images(tmp_path / "empty")
    with pytest.raises(DataError, match=r"cannot read .*nowhere: no such file"):
        read_images(tmp_path / "nowhere")
