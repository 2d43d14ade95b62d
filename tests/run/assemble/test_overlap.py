"""Images that are trained on and tested on are counted before the training starts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from handloom.recipes import Recipe
from handloom.run import assemble
from handloom.run.assemble.parts import overlap_notes

Change = Callable[..., Recipe]


def plant(folder: Path, count: int) -> None:
    """The first test images become those of the training file; one differs in a single pixel."""
    train, test = np.load(folder / "images.npy"), np.load(folder / "test-images.npy")
    test[: count + 1] = train[: count + 1]
    test[count, 0, 0] ^= 1
    np.save(folder / "test-images.npy", test)


def notes(recipe: Recipe) -> str:
    parts = assemble.load_parts(recipe)
    trainer = assemble.build_trainer(
        recipe, parts, assemble.build_engine(recipe, parts), callbacks=[]
    )
    assert overlap_notes(recipe, parts) == trainer.notes[1:]
    return " ".join(trainer.notes[1:])


def test_of_pictures_that_differ_nothing_is_said(changed: Change) -> None:
    assert notes(changed()) == ""


def test_those_of_the_test_part_are_counted(changed: Change, bars: Path) -> None:
    plant(bars.parent, 7)
    recipe = changed(data__validation=1)  # 79 of 80 are trained on
    (held,) = assemble.load_parts(recipe).validation.images
    among = any(np.array_equal(held, image) for image in np.load(bars.parent / "images.npy")[:7])
    assert f"{7 - among} of 30 test images are also in the training split" in notes(recipe)


def test_those_of_the_validation_part_are_counted(changed: Change, bars: Path) -> None:
    """Each image stands in the file twice."""
    images = np.load(bars.parent / "images.npy")
    images[40:] = images[:40]
    np.save(bars.parent / "images.npy", images)
    recipe = changed()
    parts = assemble.load_parts(recipe)
    train = {image.tobytes() for image in parts.train.images}
    shared = sum(image.tobytes() in train for image in parts.validation.images)
    assert shared > 5
    assert f"{shared} of 20 validation images are also in the training split" in notes(recipe)


@pytest.mark.parametrize("part", ["train", "validation"])
def test_known_sets_are_not_counted(changed: Change, part: str) -> None:
    recipe = changed(data={"name": "digits"})
    parts = assemble.load_parts(recipe)
    images = getattr(parts, part).images
    images[:] = images[0]
    assert overlap_notes(recipe, parts) == ()
