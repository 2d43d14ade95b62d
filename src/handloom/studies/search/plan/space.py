"""The space: all that a study may choose, key path by key path, and the ways through it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from handloom.studies.search.plan.domains import (
    MOST_VALUES,
    Axis,
    Choose,
    Domain,
    ListOf,
    Value,
    as_list,
)

Parameters = dict[str, Value]
"""One point of a space: the value of each key path that exists there."""

MOST_POINTS = MOST_VALUES
"""Of a grid."""


class Space(Mapping[str, Domain]):
    """Domains by key path. A key that depends on another comes after it."""

    def __init__(self, domains: Mapping[str, Domain]) -> None:
        self._domains = dict(domains)

    def __getitem__(self, path: str) -> Domain:
        return self._domains[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._domains)

    def __len__(self) -> int:
        return len(self._domains)

    def walk(self, choose: Choose) -> Parameters:
        """The point to which `choose` leads: it is asked for the value of one axis after another.

        The axes of a list are `<path>.length` and `<path>.0`, `<path>.1`, …; any other key's axis
        has its path for a name.
        """
        chosen: Parameters = {}
        for path, domain in self.items():
            if domain.applies(chosen):
                chosen[path] = domain.walk(path, choose)
        return chosen

    def axes(self, point: Parameters) -> dict[str, tuple[Axis, Value]] | None:
        """The axes that lead to `point`, and its values there; None where it is not in the space.

        The inverse of `walk`. A study whose space was changed meets points that are outside.
        """
        known = self._by_axis(point)
        axes: dict[str, tuple[Axis, Value]] = {}

        def remember(name: str, axis: Axis) -> Value:
            if name not in known or not axis.contains(known[name]):
                raise LookupError(name)
            axes[name] = (axis, known[name])
            return known[name]

        try:
            reached = self.walk(remember)
        except LookupError:
            return None
        return axes if reached == point else None

    def points(self) -> list[Parameters] | None:
        """Every point, the last key changing fastest; None where they are too many to list."""
        points: list[Parameters] = [{}]
        for path, domain in self.items():
            values = domain.values()
            if values is None:
                return None
            longer = (
                each
                for point in points
                for each in (
                    ({**point, path: value} for value in values)
                    if domain.applies(point)
                    else (point,)
                )
            )
            points = list(islice(longer, MOST_POINTS + 1))
            if len(points) > MOST_POINTS:
                return None
        return points

    def probes(self) -> Iterator[tuple[str, Parameters]]:
        """(path, a point that holds little more than its key): what any recipe has to accept."""
        for path, domain in self.items():
            for value in domain.ends():
                yield path, {**self._needed_by(domain), path: value}

    def _needed_by(self, domain: Domain) -> Parameters:
        """Values of other keys beside which this one exists."""
        needed: Parameters = {}
        for path, wanted in domain.when.items():
            needed |= self._needed_by(self[path])
            needed[path] = next(islice(as_list(wanted), 1))
        return needed

    def _by_axis(self, point: Mapping[str, Any]) -> dict[str, Value]:
        """A point's values by the names of their axes."""
        named: dict[str, Value] = {}
        for path, value in point.items():
            if isinstance(self.get(path), ListOf) and isinstance(value, list):
                named[f"{path}.length"] = len(value)
                named |= {f"{path}.{index}": each for index, each in enumerate(value)}
            else:
                named[path] = value
        return named
