"""The result of a diagnosis: findings in plain sentences, and which checks ran."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from handloom.views import Picture

Severity = Literal["problem", "hint"]
"""A problem costs accuracy or falsifies a metric; a hint is worth a try."""


class Finding(NamedTuple):
    """One problem that was found."""

    rule: str
    """Name of the rule that found it: 'dead-relus'."""
    severity: Severity
    sentence: str
    """What is wrong, with the numbers that show it; plain text."""
    advice: str
    """What to try; plain text."""
    source: str
    """The literature the rule is based on."""
    picture: Picture | None = None
    """The figure that shows it, for `views.draw_picture`."""
    figures: Mapping[str, Any] = MappingProxyType({})
    """The numbers in the sentence, JSON-ready."""

    def describe(self) -> dict[str, Any]:
        """Everything but the figure, JSON-ready."""
        told = self._asdict()
        del told["picture"]
        return told | {"figures": finite(dict(self.figures))}


@dataclass(frozen=True)
class Diagnosis:
    """What the rules found in one run."""

    findings: tuple[Finding, ...]
    """Problems first, then hints; each in the order of the rules' names."""
    examined: tuple[str, ...]
    """Names of the rules that ran."""
    passed_over: Mapping[str, str]
    """Names of the rules that were skipped, and why, as a clause."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """Measurements of any run, JSON-ready: calibration and, on request, the range test."""
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    """By name: the figures of the findings, and those that any run has."""

    @property
    def is_healthy(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def describe(self) -> dict[str, Any]:
        """Everything but the figures, JSON-ready."""
        return {
            "findings": [finding.describe() for finding in self.findings],
            "examined": list(self.examined),
            "passed_over": dict(self.passed_over),
            **finite(dict(self.figures)),
        }


def finite(value: Any) -> Any:
    """A JSON-ready value in which numbers that are not finite are None."""
    if isinstance(value, dict):
        return {key: finite(each) for key, each in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
