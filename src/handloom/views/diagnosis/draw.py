"""The figures that a diagnosis shows: whichever it is, drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from handloom.views.diagnosis.bars import Bars, draw_bars
from handloom.views.diagnosis.rate_range import RateRange, draw_rate_range
from handloom.views.diagnosis.suspects import Suspects, draw_suspects
from handloom.views.diagnosis.twins import Twins, draw_twins
from handloom.views.run.curves import Curves, draw_curves
from handloom.views.run.pairs import ConfusedPairs, draw_confused_pairs
from handloom.views.run.reliability import Reliability, draw_reliability

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Picture = Bars | ConfusedPairs | Curves | RateRange | Reliability | Suspects | Twins
"""What a finding can show; all are NamedTuples of numbers."""

DRAWN_BY: dict[type, Callable[[Any], Any]] = {
    Bars: draw_bars,
    ConfusedPairs: draw_confused_pairs,
    Curves: draw_curves,
    RateRange: draw_rate_range,
    Reliability: draw_reliability,
    Suspects: draw_suspects,
    Twins: draw_twins,
}


def draw_picture(picture: Picture) -> Figure:
    """Draw any figure of a diagnosis."""
    return DRAWN_BY[type(picture)](picture)
