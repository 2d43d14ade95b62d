from __future__ import annotations

from typing import get_args

import pytest

from handloom.views import Bars, Picture, curves, draw_picture
from handloom.views.diagnosis.draw import DRAWN_BY


def test_every_kind_of_picture_can_be_drawn() -> None:
    assert {*get_args(Picture)} == DRAWN_BY.keys()


@pytest.mark.parametrize(
    ("picture", "heading"),
    [(Bars("Heading", "", "norm", ()), "Heading"), (curves([], "val_loss"), "Training curves")],
)
def test_a_picture_is_drawn_by_its_own_function(picture: Picture, heading: str) -> None:
    assert heading in [text.get_text() for text in draw_picture(picture).texts]
