from __future__ import annotations

import numpy as np

from handloom.views.diagnosis.twins import Twin, Twins, draw_twins
from handloom.views.sheet import png


def test_pairs_stand_side_by_side_with_their_difference(rng: np.random.Generator) -> None:
    first, second = rng.integers(0, 256, (2, 12, 10), np.uint8)
    same = Twin(first, first, "train, row 1", "test, row 2", 0.0)
    near = Twin(first, second, "train, row 3", "validation, row 4", 0.0123)
    figure = draw_twins(Twins((same, near) * 3, "Six of them."))
    texts = [text.get_text() for text in figure.texts]
    assert texts.count("identical pixels") == 3
    assert texts.count("differ by 1.2 %") == 3
    assert {"Six of them.", "train, row 1", "test, row 2"} <= {*texts}
    assert png(figure).startswith(b"\x89PNG")


def test_without_a_pair_the_note_stands_alone() -> None:
    figure = draw_twins(Twins((), "There is none."))
    assert "There is none." in [text.get_text() for text in figure.texts]
