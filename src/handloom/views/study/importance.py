"""Parameter importance: the share of the variance that each one explains on its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from handloom.views import style
from handloom.views.sheet import Sheet, message_sheet
from handloom.views.study.style import metric_name
from handloom.views.study.trials import Trials

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Importance(NamedTuple):
    """Shares of the variance of a study's values over its space; all of them sum to at most 1.

    What is missing to 1 only several parameters explain together, or chance.
    """

    names: tuple[str, ...]  # the most important first
    shares: tuple[float, ...]

    @property
    def rest(self) -> float:
        """What no parameter explains by itself."""
        return max(0.0, 1.0 - sum(self.shares))


# -- drawing ---------------------------------------------------------------------------------------

LABEL_WIDTH, WIDTH, VALUE_WIDTH, BAR_HEIGHT = 300, 420, 100, 36


def draw_importance(trials: Trials, importance: Importance | None) -> Figure:
    """A bar for each parameter, and a grey one for what only several explain together."""
    heading = f"Parameter importance: {trials.study}"
    if importance is None:
        return message_sheet(heading, "Too few trials have finished, or all are equally good.")
    note = (
        f"The share of the variance of the {metric_name(trials.metric)} over the space that each "
        "parameter explains on its own, from a random forest fitted to the trials (functional "
        "ANOVA). Diverged trials count as the worst of the others; parameters that only "
        "some trials have are left out."
    )
    together = "interactions or chance"
    rows = [*zip(importance.names, importance.shares, strict=True), (together, importance.rest)]
    with style.house_style():
        left = style.MARGIN + LABEL_WIDTH
        width = left + WIDTH + VALUE_WIDTH
        sheet = Sheet(width, len(rows) * BAR_HEIGHT + style.MARGIN, heading, note)
        longest = max(share for _, share in rows) or 1.0
        for index, (name, share) in enumerate(rows):
            y, own = index * BAR_HEIGHT, index < len(importance.names)
            middle = y + BAR_HEIGHT / 2
            label = style.fitted(name, LABEL_WIDTH - 14)
            muted = style.INK if own else style.MUTED
            sheet.text(left - 10, middle, label, ha="right", va="center_baseline", colour=muted)
            length = round(WIDTH * share / longest)
            sheet.box(left, y + 6, length, BAR_HEIGHT - 12, style.TRAIN if own else style.FAINT)
            shown = style.percent(share)
            sheet.text(left + length + 8, middle, shown, va="center_baseline", colour=muted)
        return sheet.finished()
