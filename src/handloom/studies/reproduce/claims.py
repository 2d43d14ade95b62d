"""A published conclusion, and what becomes of it when it is held against our figures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from handloom.studies.reproduce.figures import Evidence


class Verdict(Enum):
    """What became of a conclusion."""

    HELD = "held"
    FAILED = "did not hold"
    OPEN = "undecided"


class Judgement(NamedTuple):
    """A verdict and the figures that it rests on."""

    verdict: Verdict
    because: str


class Check(Protocol):
    """A pure function of figures."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The configurations that it looks at."""
        ...

    def __call__(self, evidence: Evidence) -> Judgement:
        """Judge figures that hold all of `labels`."""
        ...


@dataclass(frozen=True, slots=True)
class Claim:
    """A published conclusion."""

    sentence: str
    published: str
    """The figures that the publication gives for it; empty where it gives none."""
    check: Check
    at_full_length: bool = False
    """Whether it speaks of a figure that only the whole experiment can reach: a reduced one that
    falls short of it proves nothing."""

    def judge(self, evidence: Evidence, *, reduced: bool = False) -> Judgement:
        """Hold the claim against figures, of the whole experiment or of a reduced one."""
        if missing := [label for label in self.check.labels if label not in evidence]:
            return Judgement(Verdict.OPEN, f"there are no results for {', '.join(missing)}")
        judgement = self.check(evidence)
        if reduced and self.at_full_length and judgement.verdict is Verdict.FAILED:
            return Judgement(Verdict.OPEN, f"{judgement.because}, but in the reduced version")
        return judgement
