"""Lists of what is not zero, against NumPy's nonzero."""

from __future__ import annotations

import numpy as np
import pytest
from emitted import DTYPES, both_reals, every_machine, native
from harness import HOST

from handloom.loom.arena import Arena
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import Machine
from handloom.loom.language.program import Real
from handloom.loom.language.value import Pointer
from handloom.loom.pieces.lit import TILE, Lit, lit_columns, lit_rows
from handloom.loom.tensor import Sizes, Tensor

SHARES = (0.0, 0.02, 0.3, 1.0)


def pictures(
    rng: np.random.Generator, real: Real, count: int, features: int, row: int
) -> np.ndarray:
    """(shares, count, row): each share of the features is lit, and nothing beyond them."""
    x = np.zeros((len(SHARES), count, row), DTYPES[real])
    numbers = rng.normal(size=(len(SHARES), count, features)).astype(x.dtype)
    lit = rng.random(numbers.shape) < np.reshape(SHARES, (-1, 1, 1))
    x[:, :, :features] = np.where(lit, numbers, 0)  # a zero without a sign: -0 counts as lit
    x[1, 0, features - 1] = 1e-42 if real == "float" else 5e-324  # the smallest count, too
    return x


def listed(found: np.ndarray) -> list[int]:
    count, *numbers = found.tolist()
    return numbers[:count]


@every_machine
@both_reals
@pytest.mark.parametrize(("rows", "features"), [(1, 1), (3, 16), (4, 37), (14, 70)])
def test_columns_in_which_a_row_has_something(
    machine: Machine, real: Real, rows: int, features: int, rng: np.random.Generator
) -> None:
    row = -(-features // 16) * 16 + 16
    x = pictures(rng, real, rows, features, row)
    x[2, :, : features // 2] = 0
    found, marks = np.full((len(x), row + 16), -1), np.zeros(row, DTYPES[real])

    def body(e: Emitter, x: Pointer, found: Pointer, marks: Pointer) -> None:
        for n in range(len(SHARES)):
            picture, goal = x + n * rows * row, found + n * (row + 16)
            lit_columns(e, picture, goal, marks, row=row, rows=rows, columns=features)

    native(machine, real, body)(x, found, marks)
    for picture, some in zip(x, found, strict=True):
        assert listed(some) == np.flatnonzero(picture.any(axis=0)).tolist()


@every_machine
@both_reals
@pytest.mark.parametrize("count", [1, 5, 33])
def test_rows_in_which_a_tile_of_columns_has_something(
    machine: Machine, real: Real, count: int, rng: np.random.Generator
) -> None:
    features = 3 * TILE - 3  # the last tile looks beyond them, where zeros stand
    row = -(-features // 16) * 16
    x = pictures(rng, real, count, features, row)
    found = np.full((len(x), 3, count + 1), -1)

    def body(e: Emitter, x: Pointer, found: Pointer) -> None:
        for n in range(len(SHARES)):
            for tile in range(3):
                picture = x + (n * count * row + tile * TILE)
                lit_rows(e, picture, found + (n * 3 + tile) * (count + 1), count, row=row)

    native(machine, real, body)(x, found)
    for picture, of_tiles in zip(x, found, strict=True):
        for tile, some in enumerate(of_tiles):
            columns = picture[:, tile * TILE : (tile + 1) * TILE]
            assert listed(some) == np.flatnonzero(columns.any(axis=1)).tolist()


@pytest.mark.parametrize("training", [False, True])
def test_there_is_room_for_every_list(training: bool) -> None:
    """The longest list, and what a kernel reads ahead of its place in it."""
    sizes = Sizes(HOST, 8, batch=19, group=8, tile_rows=4, row=104, training=training)
    tensor, arena = Tensor((97,), sizes, needs_errors=False), Arena("f4")
    lit = Lit(tensor)
    lit.allocate(arena)
    tiles_of_examples, columns, ahead = 3 * 2, 97, 8
    room = 8 * tiles_of_examples * (1 + columns + ahead)
    if training:
        room += 8 * -(-97 // TILE) * (1 + 19 + ahead)
    assert arena.work.size * 4 >= room
