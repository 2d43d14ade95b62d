from __future__ import annotations

import numpy as np
import pytest

from handloom.views.diagnosis.suspects import Suspect, Suspects, draw_suspects
from handloom.views.sheet import png

NAMES = ("T-shirt/top", "Bag")


@pytest.mark.parametrize("shape", [(28, 28), (3, 8, 8), (1, 200, 300)])
def test_under_each_picture_stand_label_answer_and_place(
    shape: tuple[int, ...], rng: np.random.Generator
) -> None:
    image = rng.integers(0, 256, shape, np.uint8)
    shown = [Suspect(image, 0, 1, 0.998, f"train, row {row}") for row in range(7)]
    figure = draw_suspects(Suspects(tuple(shown), NAMES, 1218, 12_000))
    texts = [text.get_text() for text in figure.texts]
    assert texts.count("label: T-shirt/top") == 7
    assert texts.count("Bag, 99.8 %") == 7
    assert "train, row 6" in texts
    assert any(text.startswith("1,218 of 12,000 images") for text in texts)
    assert any("Shown: the 7 least probable labels" in text for text in texts)
    assert png(figure).startswith(b"\x89PNG")


def test_a_sheet_with_all_of_them_does_not_speak_of_a_choice() -> None:
    image = np.zeros((4, 4), np.uint8)
    figure = draw_suspects(Suspects((Suspect(image, 0, 1, 0.99, "train"),), NAMES, 1, 9))
    assert "are shown" not in " ".join(text.get_text() for text in figure.texts)


def test_where_none_is_suspicious_it_says_so() -> None:
    figure = draw_suspects(Suspects((), NAMES, 0, 500))
    assert "no label of 500 images" in " ".join(text.get_text() for text in figure.texts)
