"""Confidence that cannot be believed."""

from __future__ import annotations

from handloom.diagnosis import advice
from handloom.diagnosis.calibration import COLDEST, HOTTEST, error_by_chance
from handloom.diagnosis.evidence import Evidence
from handloom.diagnosis.finding import Finding
from handloom.diagnosis.rules.base import NO_PROBABILITIES, Rule
from handloom.views import Reliability
from handloom.views.style import percent

HELPS = 0.7  # of the error; where more is left, a temperature is no remedy


class Miscalibration(Rule):
    """The probabilities are not those of being right: the network is too sure, or not enough."""

    name = "miscalibration"
    source = "Guo et al. 2017, On Calibration of Modern Neural Networks"
    worth_a_word, grave = 0.03, 0.10  # expected calibration error

    def why_not(self, evidence: Evidence) -> str:
        """What was trained on squares gives no probabilities."""
        return "" if evidence.has_probabilities else NO_PROBABILITIES

    def examine(self, evidence: Evidence) -> Finding | None:
        """Compare confidence and accuracy; few images have an error by chance alone."""
        found = evidence.reliability
        confidence = evidence.validation_probabilities.max(axis=1)
        if found.ece < self.worth_a_word or found.ece <= error_by_chance(confidence):
            return None
        right, said = evidence.validation_accuracy, float(confidence.mean())
        surplus = said - right
        return self.finding(
            "problem" if found.ece >= self.grave else "hint",
            f"{_mood(surplus, found.ece)}: its mean confidence on the validation images is "
            f"{percent(said)}, its accuracy {percent(right)}; the expected calibration error is "
            f"{percent(found.ece)}.",
            f"{_remedy(found)}{_training(evidence, surplus, found.ece)}",
            found,
            ece=found.ece,
            temperature=found.temperature,
            ece_at_temperature=found.ece_at_temperature,
        )


def _mood(surplus: float, ece: float) -> str:
    """Which way the confidence errs."""
    if _errs_both_ways(surplus, ece):
        return "Its confidence is too high for some images and too low for others"
    return "It is overconfident" if surplus > 0 else "It is underconfident"


def _errs_both_ways(surplus: float, ece: float) -> bool:
    return abs(surplus) < ece / 2


def _training(evidence: Evidence, surplus: float, ece: float) -> str:
    """What a new training could change; nothing where it would mend one half and harm the other."""
    if _errs_both_ways(surplus, ece):
        return ""
    towards = advice.towards_doubt if surplus > 0 else advice.towards_certainty
    return f" In a new training run, {advice.one_of(towards(evidence.recipe))}."


def _remedy(found: Reliability) -> str:
    """What can be done without training again."""
    left = percent(found.ece_at_temperature)
    within = 1.01 * COLDEST < found.temperature < 0.99 * HOTTEST
    if found.ece_at_temperature > HELPS * found.ece or not within:
        return f"No temperature corrects it: the best, {found.temperature:.2f}, leaves {left}."
    return (
        f"Divide the outputs by the temperature {found.temperature:.2f} before the softmax: the "
        f"error is then {left}, and no prediction changes."
    )
