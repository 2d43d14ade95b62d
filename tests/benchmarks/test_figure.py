"""The image of a bench."""

from __future__ import annotations

from benchmarks.figure import Pace, PaceRow, draw_paces
from handloom.views import png

ROWS = (PaceRow("ours · 2 threads", 500.0, "ours"), PaceRow("theirs", 1500.0, "torch"))


def test_a_bar_for_each_row_and_the_roof() -> None:
    figure = draw_paces([Pace("W1", ROWS, 250.0), Pace("W2", ROWS[:1], None)], "Heading")
    first, second = figure.axes
    assert [bar.get_width() for bar in first.patches] == [500.0, 1500.0]  # pyright: ignore[reportAttributeAccessIssue]
    assert len(second.patches) == 1
    assert len(first.lines) == 1
    assert len(second.lines) == 0
    said = {text.get_text() for text in figure.texts}
    assert {"W1", "W2", "ours · 2 threads", "theirs"} <= said


def test_the_same_figures_give_the_same_bytes() -> None:
    once, again = (png(draw_paces([Pace("W1", ROWS, 250.0)], "Heading")) for _ in range(2))
    assert once == again


def test_nothing_to_draw_is_said() -> None:
    figure = draw_paces([Pace("W1", (), None)], "Heading")
    assert "no timings" in {text.get_text() for text in figure.texts}
