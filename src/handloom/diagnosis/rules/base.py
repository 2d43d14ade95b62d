"""Rule: the base class of every check."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from handloom.diagnosis.evidence import Evidence
from handloom.diagnosis.finding import Finding, Severity
from handloom.views import Picture

NEAR_CHANCE = 0.9  # of ln K, the loss of who guesses
ABOVE_GUESSING = 2.0  # times the accuracy of who guesses
NO_PROBABILITIES = "it was trained with the mse loss, so its outputs are not probabilities"


class Rule(ABC):
    """One problem: how it is recognised, what to do about it, and who described it.

    A rule defines `name`, `source` and `examine`; what it requires, it says in `needs_…` and
    `why_not`. Rules keep nothing: one object examines any number of runs.
    """

    name: ClassVar[str]
    source: ClassVar[str]
    needs_weights: ClassVar[bool] = True
    """Whether it looks at the network, so that an epoch has to have ended."""
    needs_epochs: ClassVar[int] = 0
    """The fewest epochs that the check needs."""

    @abstractmethod
    def examine(self, evidence: Evidence) -> Finding | None:
        """What was found; None where the run does not have the problem."""

    def why_not(self, evidence: Evidence) -> str:
        """Why the check cannot run here, as a clause; empty where it can."""
        return ""

    def passed_over(self, evidence: Evidence) -> str:
        """`why_not`, with what all rules may lack."""
        if self.needs_weights and not evidence.has_weights:
            return "no epoch has finished, so there are no weights yet"
        if len(evidence.rows) < self.needs_epochs:
            return f"the check needs {self.needs_epochs} epochs, and there are {len(evidence.rows)}"
        return self.why_not(evidence)

    def finding(
        self,
        severity: Severity,
        sentence: str,
        advice: str,
        picture: Picture | None = None,
        **figures: Any,
    ) -> Finding:
        """A finding under this rule's name and source."""
        return Finding(self.name, severity, sentence, advice, self.source, picture, figures)


def chance(evidence: Evidence) -> float:
    """ln K, the cross-entropy of who takes all classes for equally likely.

    Infinite where that is no yardstick: for mse, or a single class.
    """
    num_classes = len(evidence.run.class_names)
    no_yardstick = evidence.recipe.loss.name == "mse" or num_classes < 2
    return math.inf if no_yardstick else math.log(num_classes)


def has_learnt_nothing(evidence: Evidence, loss: float) -> bool:
    """Whether a training loss is about that of guessing, and what it gives is right as rarely.

    The loss alone does not tell: label smoothing and mixed images keep that of a good network
    high.
    """
    if not loss >= NEAR_CHANCE * chance(evidence):
        return False
    return evidence.seen_accuracy < ABOVE_GUESSING / len(evidence.run.class_names)


def is_dead(evidence: Evidence) -> bool:
    """Whether a layer lets nothing through at all: then its units are the matter."""
    return any(u.kind == "ReLU" and u.dead == u.num_units for u in evidence.units)
