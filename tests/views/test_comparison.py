"""What an accuracy costs: which networks are worth their price, and the image of it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handloom.views import Compared, ComparedRow, draw_comparison, png
from handloom.views.comparison import points, short


def row(accuracy: float, parameters: float = 1000, seconds: float = 10, name: str = "n"):
    return ComparedRow("A", name, accuracy, accuracy - 0.01, accuracy + 0.01, parameters, seconds)


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=1, max_size=7))
def test_worth_it_is_what_nothing_cheaper_or_better_beats(drawn: list[tuple[int, int]]) -> None:
    rows = [row(accuracy / 10) for accuracy, _ in drawn]
    found = points(rows, [cost for _, cost in drawn])
    for point, (accuracy, cost) in zip(found, drawn, strict=True):
        cheapest_as_good = min(c for a, c in drawn if a >= accuracy)
        best_as_cheap = max(a for a, c in drawn if c <= cost)
        assert point.worth_it == (cost == cheapest_as_good and accuracy == best_as_cheap)


def test_what_cost_nothing_is_left_out() -> None:
    found = points([row(0.9, seconds=0), row(0.8)], [0, 10])
    assert [point.row.accuracy for point in found] == [0.8]


def test_a_point_and_a_mark_for_every_row_in_both_panels() -> None:
    rows = tuple(
        ComparedRow(mark, f"network {mark}", 0.8 + 0.01 * n, 0.79, 0.9, 10**n, 5 + n)
        for n, mark in enumerate("ABC", start=3)
    )
    figure = draw_comparison(Compared("validation", rows))
    for axes, costs in zip(figure.axes, ([1e3, 1e4, 1e5], [8, 9, 10]), strict=True):
        dots = [line for line in axes.lines if line.get_marker() == "o"]
        assert [line.get_xdata()[0] for line in dots] == costs
        assert {text.get_text() for text in axes.texts} == set("ABC")
        low, high = axes.get_xlim()
        assert low < min(costs)
        assert max(costs) < high
    assert [axes.get_xscale() for axes in figure.axes] == ["log", "linear"]
    said = {text.get_text() for text in figure.texts}
    assert {"network A", "network B", "network C", "Parameters", "Seconds of training"} <= said


def test_marks_of_equal_points_do_not_cover_each_other() -> None:
    figure = draw_comparison(Compared("test", tuple(row(0.9) for _ in range(5))))
    for axes in figure.axes:
        places = sorted(mark.xyann[1] for mark in axes.texts)  # points, all right of one point
        sizes = [mark.get_fontsize() for mark in axes.texts]
        assert all(upper - lower >= max(sizes) for lower, upper in pairwise(places))


@pytest.mark.parametrize("count", [1, 14, 15, 48])
def test_few_and_many_are_drawn_and_named(count: int) -> None:
    rows = tuple(row(0.5 + n / 100, 1000 + n, 1 + n, f"network {n}") for n in range(count))
    figure = draw_comparison(Compared("validation", rows))
    said = {text.get_text() for text in figure.texts}
    assert {each.name for each in rows} <= said
    width, height = figure.get_size_inches() * figure.dpi
    for text in figure.texts:
        x, y = text.get_position()
        assert 0 <= x * width <= width - 10
        assert 0 <= y * height <= height


def test_the_same_figures_give_the_same_bytes() -> None:
    once, again = (png(draw_comparison(Compared("test", (row(0.9),)))) for _ in range(2))
    assert once == again


def test_nothing_to_draw_is_said() -> None:
    empty = draw_comparison(Compared("test", ()))
    assert "There is nothing to compare." in {text.get_text() for text in empty.texts}
    untrained = draw_comparison(Compared("test", (row(0.9, seconds=0),)))
    assert "not recorded" in {text.get_text() for text in untrained.axes[1].texts}


@pytest.mark.parametrize(
    ("value", "told"),
    [(0.5, "0.5"), (20, "20"), (300_000, "300 k"), (1.5e6, "1.5 M"), (4e9, "4 G")],
)
def test_ticks_are_short(value: float, told: str) -> None:
    assert short(value) == told
