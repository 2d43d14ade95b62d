"""What a diagnosis says: findings in plain sentences, and what was looked at besides."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

from handloom.views import Picture

Severity = Literal["problem", "hint"]
"""A problem costs accuracy, or makes a figure untrue; a hint is worth a try."""


class Finding(NamedTuple):
    """One illness that was found."""

    rule: str
    """Name of the rule that found it: 'dead-relus'."""
    severity: Severity
    sentence: str
    """What is the matter, with the figures that show it; plain text."""
    advice: str
    """What to try; plain text."""
    source: str
    """Where the rule comes from."""
    picture: Picture | None = None
    """What to draw to see it; `views.draw_picture` draws it."""
    figures: Mapping[str, Any] = MappingProxyType({})
    """The sentence's figures, JSON-ready."""

    def describe(self) -> dict[str, Any]:
        """All of it but the picture, JSON-ready."""
        told = self._asdict()
        del told["picture"]
        return told | {"figures": finite(dict(self.figures))}


@dataclass(frozen=True)
class Diagnosis:
    """What the rules said of one run."""

    findings: tuple[Finding, ...]
    """Problems first, then hints; within them in the order of the rules' names."""
    examined: tuple[str, ...]
    """Names of the rules that could look."""
    passed_over: Mapping[str, str]
    """Names of those that could not, and why, as a clause."""
    figures: Mapping[str, Any] = field(default_factory=dict)
    """What is worth knowing of any run, JSON-ready: calibration and, if asked, the range test."""
    pictures: Mapping[str, Picture] = field(default_factory=dict)
    """By name: those of the findings, and what is worth a look in any run."""

    @property
    def is_healthy(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def describe(self) -> dict[str, Any]:
        """All of it but the pictures, JSON-ready."""
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
