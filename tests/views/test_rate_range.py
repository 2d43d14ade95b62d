from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from handloom.views.diagnosis.rate_range import RateRange, draw_rate_range
from handloom.views.sheet import png

RATES = np.geomspace(1e-6, 10, 100)
LOSSES = 2.3 - np.exp(-((np.log10(RATES) + 1) ** 2))


@pytest.mark.parametrize("used", [0.05, 300.0, 1e-9])
def test_three_rates_are_marked_even_off_the_range(used: float) -> None:
    figure = draw_rate_range(RateRange(RATES, LOSSES, LOSSES, 0.02, 0.1, used))
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == [
        "steepest fall 0.02", "lowest 0.1", f"the recipe's {used:.2g}",
    ]  # fmt: skip
    low, high = axes.get_xlim()
    assert low <= used <= high
    every, smooth = axes.lines[:2]
    np.testing.assert_array_equal(every.get_xdata(), RATES)
    np.testing.assert_array_equal(smooth.get_ydata(), LOSSES)
    figure.draw_without_rendering()
    boxes = [text.get_window_extent() for text in axes.texts]
    assert not any(a.overlaps(b) for a, b in pairwise(boxes))
    assert not any("$" in label.get_text() for label in axes.get_xticklabels())


def test_a_loss_that_never_fell_is_told() -> None:
    figure = draw_rate_range(RateRange(RATES, LOSSES, LOSSES, None, None, 0.05))
    assert "The loss did not fall" in " ".join(text.get_text() for text in figure.texts)
    assert png(figure).startswith(b"\x89PNG")
