"""Variants of images: mirrored and moved, black where nothing was."""

from __future__ import annotations

import numpy as np
import pytest

from handloom.data import variants
from handloom.errors import ConfigError

PICTURE = np.arange(1, 7, dtype=np.uint8).reshape(1, 1, 2, 3)


def told(*kinds: str) -> list[list[list[int]]]:
    return [variant[0, 0].tolist() for variant in variants(PICTURE, kinds)]


def test_a_flip_mirrors_left_to_right() -> None:
    assert told("flip") == [[[1, 2, 3], [4, 5, 6]], [[3, 2, 1], [6, 5, 4]]]


def test_a_shift_moves_by_one_pixel_each_way() -> None:
    assert told("shift") == [
        [[1, 2, 3], [4, 5, 6]],
        [[4, 5, 6], [0, 0, 0]],
        [[0, 0, 0], [1, 2, 3]],
        [[2, 3, 0], [5, 6, 0]],
        [[0, 1, 2], [0, 4, 5]],
    ]


def test_both_are_all_combinations_and_none_is_the_picture_alone() -> None:
    assert len({str(variant) for variant in told("flip", "shift")}) == 10
    assert told() == [PICTURE[0, 0].tolist()]
    assert told("flip", "shift") == told("shift", "flip")


def test_other_kinds_are_refused() -> None:
    with pytest.raises(ConfigError, match="'turn' is not a variant of an image"):
        told("flip", "turn")
