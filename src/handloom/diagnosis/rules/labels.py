"""Labels that may be wrong."""

from __future__ import annotations

from handloom.diagnosis.evidence import Evidence
from handloom.diagnosis.finding import Finding
from handloom.diagnosis.rules.base import NO_PROBABILITIES, Rule
from handloom.diagnosis.suspicion import ODDS, SURE
from handloom.views.style import percent


class SuspiciousLabels(Rule):
    """More images than usual contradict their label, and the network is sure of it."""

    name = "suspicious-labels"
    source = (
        "Northcutt, Jiang & Chuang 2021, Confident Learning; Northcutt, Athalye & Mueller 2021 for "
        "how common it is"
    )
    share, at_least = 0.01, 3  # of the validation images, which were not learned by heart

    def why_not(self, evidence: Evidence) -> str:
        """What was trained on squares is never confident."""
        return "" if evidence.has_probabilities else NO_PROBABILITIES

    def examine(self, evidence: Evidence) -> Finding | None:
        """Count, among images it did not learn from, those it is sure have another class."""
        judged = evidence.judged_validation
        count = len(judged.suspects)
        if judged.share < self.share or count < self.at_least:
            return None
        seen = len(evidence.judged_seen.suspects)
        return self.finding(
            "problem" if judged.share >= 3 * self.share else "hint",
            f"Some labels look wrong: for {count:,} of {len(judged.part):,} validation images "
            f"({percent(judged.share)}) the network is at least {percent(SURE)} confident of a "
            f"class that is {ODDS:.0f} or more times as probable as the label; so too for "
            f"{seen:,} of {len(evidence.seen):,} training images.",
            "Go through the figure, and correct or remove wrong labels: in the training split they "
            f"mislead the network, in the others they falsify the metrics.{_until_then(evidence)}",
            evidence.suspects,
            validation_suspects=count,
            train_suspects=seen,
        )


def _until_then(evidence: Evidence) -> str:
    """What lessens the harm of wrong labels, if the loss can do it and does not yet."""
    if getattr(evidence.recipe.loss, "label_smoothing", None) != 0:
        return ""
    return " Until then loss.label_smoothing = 0.1 reduces the harm."
