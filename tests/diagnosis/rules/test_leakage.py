"""Images in two parts: all are compared with all, counted, and shown with their places."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from handloom.data import Dataset
from handloom.diagnosis.duplicates import shared_pictures
from handloom.diagnosis.evidence import Evidence
from handloom.diagnosis.rules.leakage import MOST_SHOWN, Duplicates


def part(images: np.ndarray) -> Dataset:
    return Dataset(images, np.zeros(len(images), np.int64), ("a", "b"))


class Looked(SimpleNamespace):
    """Evidence of three parts: the properties are Evidence's own."""

    shared_with_test = property(Evidence.shared_with_test.func)  # type: ignore[attr-defined]
    shared_with_validation = property(
        Evidence.shared_with_validation.func  # type: ignore[attr-defined]
    )

    def row_of(self, image: np.ndarray) -> int:
        rows = np.flatnonzero((self.source == image).all(axis=(1, 2)))
        return int(rows[0])


def looked(rng: np.random.Generator, *, validation: int, test: int | None, count: int = 200) -> Any:
    """`validation` and `test` images are the last ones of the training split; even ones noisy."""
    train = rng.integers(0, 250, (300, 8, 8)).astype(np.uint8)
    others = rng.integers(0, 250, (2 * count, 8, 8)).astype(np.uint8)

    def copied(images: np.ndarray, shared: int) -> np.ndarray:
        places = np.linspace(0, count - 1, shared).astype(int) if shared else []
        for number, place in enumerate(places):
            images[place] = train[-1 - number] + (number % 2 == 0)
        return images

    first = copied(others[:count], validation)
    second = None if test is None else copied(others[count:], test)
    source = np.concatenate([first, train])
    parts = SimpleNamespace(
        train=part(train), validation=part(first), test=None if second is None else part(second)
    )
    return Looked(parts=parts, source=source)


@pytest.mark.parametrize(
    ("validation", "test", "told"),
    [
        (0, 0, None),
        (2, 2, None),  # fewer than three
        (3, 0, "3 of 200 validation images (1.5 %) are also in the training split, 1 with"),
        (0, 3, "3 of 200 test images (1.5 %) are also in the training split, 1 with"),
        (0, 200, "200 of 200 test images (100 %) are also in the training split, 100 with"),
        (5, 21, "21 of 200 test images (10.5 %) and 5 of 200 validation images (2.5 %) are"),
        (7, None, "7 of 200 validation images (3.5 %) are also in the training split, 3 with"),
    ],
)
def test_every_picture_is_looked_for(rng, validation: int, test: int | None, told) -> None:
    found = Duplicates().examine(looked(rng, validation=validation, test=test))
    assert (found is None) == (told is None)
    if found is None:
        return
    assert told in found.sentence
    assert found.severity == "problem"
    assert found.figures["shared"] == {"validation": validation} | (
        {} if test is None else {"test": test}
    )
    spoken = sum(number for number in (validation, test or 0) if number >= 3)
    assert len(found.picture.shown) == min(MOST_SHOWN, spoken)
    assert ("that differ least" in found.picture.note) == (spoken > MOST_SHOWN)
    differences = [twin.difference for twin in found.picture.shown]
    assert differences == sorted(differences)


def test_a_share_too_small_to_change_a_figure_is_none(rng) -> None:
    """5 of 1,100 are under half a percent."""
    assert Duplicates().examine(looked(rng, validation=5, test=None, count=1100)) is None
    assert Duplicates().examine(looked(rng, validation=6, test=None, count=1100)) is not None


def test_places_are_rows_of_the_file_and_of_the_test_part(rng) -> None:
    made = looked(rng, validation=3, test=3)
    shown = Duplicates().examine(made).picture.shown  # type: ignore[union-attr]
    exact = {(twin.first_place, twin.second_place) for twin in shown if twin.difference == 0}
    # The second copy (number 1) is exact: train image 298 of 300, behind 200 validation ones.
    row = made.row_of(made.parts.train.images[298])
    place = int(np.linspace(0, 199, 3)[1])
    assert ("train, row " + str(row), f"test, row {place}") in exact
    assert any(second == f"validation, row {place}" for _, second in exact)


def test_the_digits_of_a_run_are_compared_in_full(rng) -> None:
    """Evidence hands whole parts on, whichever image is the shared one."""
    for shared in (0, 57, 199):
        made = looked(rng, validation=0, test=0)
        made.parts.test.images[shared] = made.parts.train.images[123]
        made.parts.validation.images[199 - shared] = made.parts.train.images[7]
        assert [(p.first, p.second) for p in made.shared_with_test] == [(123, shared)]
        assert [(p.first, p.second) for p in made.shared_with_validation] == [(7, 199 - shared)]
        assert shared_pictures(made.parts.train.images[:0], made.parts.test.images) == ()
