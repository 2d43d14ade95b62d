"""How far a network's confidence can be believed: the reliability diagram."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from handloom._typing import FloatArray, IntArray
from handloom.views import style
from handloom.views.sheet import Sheet

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


class Reliability(NamedTuple):
    """Images sorted into bins by confidence, the probability of the predicted class.

    `edges` (B + 1,); of each bin `counts` (B,), mean `confidence` (B,) and `accuracy` (B,), NaN
    where it is empty. `ece` is the expected calibration error; `temperature` divides the outputs so
    that their loss is lowest, and `ece_at_temperature` is what is left then. `part` says of which
    images this is.
    """

    edges: FloatArray
    counts: IntArray
    confidence: FloatArray
    accuracy: FloatArray
    ece: float
    temperature: float
    ece_at_temperature: float
    part: str


# -- drawing ---------------------------------------------------------------------------------------

SIDE = 400
GAP_COLOUR = "#f3c6ad"


@style.house_style()
def draw_reliability(reliability: Reliability) -> Figure:
    """Accuracy over confidence at the left, how many images had which at the right."""
    ece, after = style.percent(reliability.ece), style.percent(reliability.ece_at_temperature)
    note = (
        f"{int(reliability.counts.sum()):,} {reliability.part} images. On the diagonal, a "
        "confidence of 80 % is right 80 times in 100; below it, the network is overconfident, "
        f"above it underconfident. Expected calibration error {ece}; with outputs divided by "
        f"{reliability.temperature:.2f}: {after}."
    )
    sheet = Sheet(1080, SIDE + 62, "Calibration: confidence and accuracy", note)
    left = sheet.axes(92, 26, SIDE, SIDE - 26)
    sheet.text(92, -6, "Accuracy by confidence", weight="bold")
    _draw_diagram(left, reliability)
    right = sheet.axes(92 + SIDE + 110, 26, SIDE, SIDE - 26)
    sheet.text(92 + SIDE + 110, -6, "Images by confidence", weight="bold")
    _draw_counts(right, reliability)
    return sheet.finished()


def _draw_diagram(axes: Axes, drawn: Reliability) -> None:
    widths = np.diff(drawn.edges)
    full = drawn.counts > 0
    lefts, widths = drawn.edges[:-1][full], widths[full]
    accuracy, confidence = drawn.accuracy[full], drawn.confidence[full]
    settings = {"width": widths, "align": "edge", "edgecolor": style.PAPER, "linewidth": 0.8}
    axes.bar(lefts, accuracy, color=style.TRAIN, **settings)
    gap = confidence - accuracy
    axes.bar(lefts, gap, bottom=accuracy, color=GAP_COLOUR, label="gap", **settings)
    axes.plot([0, 1], [0, 1], color=style.INK, linestyle=(0, (4, 3)), linewidth=1.1)
    axes.legend(frameon=False, loc="upper left", handlelength=1.0)
    axes.set_ylabel("accuracy")
    axes.set_ylim(0, 1)
    _scale_confidence(axes)
    _in_percent(axes)


def _draw_counts(axes: Axes, drawn: Reliability) -> None:
    axes.bar(
        drawn.edges[:-1], drawn.counts, width=np.diff(drawn.edges), align="edge",
        color=style.NEUTRAL, edgecolor=style.PAPER, linewidth=0.8,
    )  # fmt: skip
    axes.set_ylabel("images")
    _scale_confidence(axes)


def _scale_confidence(axes: Axes) -> None:
    from matplotlib.ticker import PercentFormatter

    axes.set_xlim(0, 1)
    axes.set_xlabel("confidence")
    axes.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))


def _in_percent(axes: Axes) -> None:
    from matplotlib.ticker import PercentFormatter

    axes.yaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
