from __future__ import annotations

import math

import pytest

from handloom.views.diagnosis.bars import Bar, Bars, draw_bars
from handloom.views.sheet import png

ONE = Bar("1 ReLU", 0.25, "8 of 32")
ILL = Bar("3 ReLU", 0.9, "29 of 32", is_ill=True)


def drawn(*bars: Bar, **settings) -> tuple[list[float], list[str]]:
    figure = draw_bars(Bars("Heading", "A note.", "share of units", bars, **settings))
    (axes,) = figure.axes
    return [patch.get_width() for patch in axes.patches], [t.get_text() for t in figure.texts]


def test_every_bar_is_as_long_as_its_value_and_says_what_is_told() -> None:
    widths, texts = drawn(ONE, ILL)
    assert widths == pytest.approx([0.25, 0.9])
    assert {"1 ReLU", "8 of 32", "3 ReLU", "✗ 29 of 32"} <= {*texts}


def test_the_usual_band_lies_behind() -> None:
    figure = draw_bars(Bars("Heading", "", "share of units", (ONE,), usual=(0.0, 0.3)))
    bar, band = sorted(figure.axes[0].patches, key=lambda patch: -patch.get_zorder())
    assert bar.get_width() == 0.25
    assert band.get_extents().x0 < bar.get_extents().x1 < band.get_extents().x1


def test_on_a_log_scale_what_is_zero_or_lost_has_no_bar() -> None:
    bars = [Bar(str(value), value, f"{value:g}") for value in (1e-6, 0.0, 3.0, math.inf, math.nan)]
    figure = draw_bars(Bars("Heading", "", "norm", tuple(bars), is_log=True))
    (axes,) = figure.axes
    assert axes.get_xscale() == "log"
    assert len(axes.patches) == 2
    assert [patch.get_x() + patch.get_width() for patch in axes.patches] == pytest.approx([1e-6, 3])
    figure.draw_without_rendering()
    ticks = [label.get_text() for label in axes.get_xticklabels()]
    assert not any("$" in tick for tick in ticks)
    assert "1" in ticks


def test_of_many_bars_the_ill_ones_are_kept() -> None:
    many = [ONE._replace(name=f"layer {place}") for place in range(60)]
    many[57] = ILL
    widths, texts = drawn(*many)
    assert len(widths) == 40
    assert widths[-1] == pytest.approx(0.9)
    assert any("20 more are not shown." in text for text in texts)


def test_nothing_to_measure_is_told() -> None:
    figure = draw_bars(Bars("Heading", "", "norm", ()))
    assert "There is nothing to measure." in [text.get_text() for text in figure.texts]


@pytest.mark.parametrize("values", [(0.0,), (1e30, 1e-30), (0.0, 0.0)])
@pytest.mark.parametrize("is_log", [True, False])
def test_any_values_can_be_drawn(values: tuple[float, ...], is_log: bool) -> None:
    bars = tuple(Bar("x" * 200, value, "y" * 200) for value in values)
    assert png(draw_bars(Bars("Heading", "", "norm", bars, is_log=is_log))).startswith(b"\x89PNG")
