from __future__ import annotations

import numpy as np
import pytest

from handloom.views.run.reliability import Reliability, draw_reliability
from handloom.views.sheet import png

EDGES = np.linspace(0, 1, 5)
NAN = np.nan


def made(counts: list[int], confidence: list[float], accuracy: list[float]) -> Reliability:
    columns = np.array(counts), np.array(confidence), np.array(accuracy)
    return Reliability(EDGES, *columns, 0.123, 1.8, 0.0123, "validation")


def test_bars_are_accuracies_and_gaps_reach_to_the_confidence() -> None:
    found = made([0, 5, 20, 75], [NAN, 0.4, 0.6, 0.9], [NAN, 0.5, 0.55, 0.7])
    left, right = draw_reliability(found).axes
    accuracies, gaps = left.patches[:3], left.patches[3:6]
    assert [bar.get_height() for bar in accuracies] == [0.5, 0.55, 0.7]
    assert [bar.get_x() for bar in accuracies] == [0.25, 0.5, 0.75]
    tops = [bar.get_y() + bar.get_height() for bar in gaps]
    assert tops == pytest.approx([0.4, 0.6, 0.9])
    assert [bar.get_height() for bar in right.patches] == [0, 5, 20, 75]


def test_the_figures_are_told() -> None:
    figure = draw_reliability(made([0, 0, 0, 9], [NAN] * 3 + [0.9], [NAN] * 3 + [0.8]))
    told = " ".join(text.get_text() for text in figure.texts)
    assert "9 validation images." in told
    assert "error 12.3 %; with outputs divided by 1.80: 1.2 %." in told
    assert png(figure).startswith(b"\x89PNG")
