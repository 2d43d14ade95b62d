"""The first points of a search: spread evenly over the space, whatever the seed.

TPE learns from what was tried. Drawn independently, ten points leave out one of two choices, or a
third of a range, more often than one would think; so each new point takes what was tried least.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

from handloom.studies.search.plan.domains import Axis, Choice, Int, Log, Range, Value, same
from handloom.studies.search.plan.space import Parameters, Space

STARTUP = 10
"""So many trials start a search; Optuna's TPE looks at no fewer."""
CANDIDATES = 16
FEW = 16  # up to so many evenly spread numbers are taken like choices, each equally often
DEEPEST = 20  # halvings of a range

Axes = Mapping[str, tuple[Axis, Value]]


def start_point(space: Space, begun: Sequence[Parameters], seed: str) -> Parameters:
    """The next point of a start-up that has `begun` with those, by the names of its axes.

    Every choice is as frequent as the others, give or take one. A range is halved again and again:
    of 2, 4, 8 … points, one lies in each half, quarter, eighth … of it. Keys that depend on others
    count only the points that have them. Among the points that keep this, of which `seed` draws
    some, it is the one farthest from all that were begun (maximin distance).

    Sources: van der Corput 1935 for the halving; McKay, Beckman & Conover 1979 for one point in
    each stratum; Johnson, Moore & Ylvisaker 1990 for the distance.
    """
    rng = random.Random(seed)
    tried = [axes for point in begun if (axes := space.axes(point)) is not None]
    drawn = [_drawn(space, tried, rng) for _ in range(CANDIDATES)]
    best = max(drawn, key=lambda axes: min((_distance(axes, other) for other in tried), default=0))
    return {name: value for name, (_, value) in best.items()}


def _drawn(space: Space, tried: Sequence[Axes], rng: random.Random) -> Axes:
    """A point whose every value is among those that were tried least."""
    axes: dict[str, tuple[Axis, Value]] = {}

    def choose(name: str, axis: Axis) -> Value:
        values = [other[name][1] for other in tried if name in other]
        axes[name] = (axis, _least_tried(axis, values, rng))
        return axes[name][1]

    space.walk(choose)
    return axes


def _least_tried(axis: Axis, tried: Sequence[Value], rng: random.Random) -> Value:
    levels = _levels(axis)
    if levels is None:
        assert not isinstance(axis, Choice)
        return _value_at(axis, _gap([_place(axis, value) for value in tried], rng))
    counts = [sum(same(level, value) for value in tried) for level in levels]
    return rng.choice([level for level, count in zip(levels, counts, strict=True)
                       if count == min(counts)])  # fmt: skip


def _gap(places: Sequence[float], rng: random.Random) -> float:
    """A place in [0, 1): the emptier half, its emptier half, and so on to one that is empty."""
    low, width, inside = 0.0, 1.0, list(places)
    for _ in range(DEEPEST):
        if not inside:
            break
        width /= 2
        halves = [
            [at for at in inside if at < low + width],
            [at for at in inside if at >= low + width],
        ]
        fewer = len(halves[0]) - len(halves[1])
        upper = rng.random() < 0.5 if fewer == 0 else fewer > 0
        low, inside = low + width * upper, halves[upper]
    return low + width * rng.random()


def _levels(axis: Axis) -> Sequence[Value] | None:
    """The values of an axis that has few; None where it has to be divided by its length."""
    if isinstance(axis, Choice):
        return axis.choice
    if isinstance(axis, Log) or _is_log(axis):
        return None
    return axis.values() if axis.count is not None and axis.count <= FEW else None


def _place(axis: Range | Log | Int, value: float) -> float:
    """Where a value lies between the ends of its axis, from 0 to 1."""
    low, high = _ends(axis)
    return ((math.log(value) if _is_log(axis) else value) - low) / (high - low)


def _value_at(axis: Range | Log | Int, place: float) -> float:
    """The value at a place from 0 to 1."""
    low, high = _ends(axis)
    value = low + place * (high - low)
    if isinstance(axis, Log):
        return min(max(math.exp(value), axis.log[0]), axis.log[1])
    if _is_log(axis):
        return min(max(round(math.exp(value)), axis.ends()[0]), axis.ends()[1])
    return value if axis.count is None else axis.at(min(int(place * axis.count), axis.count - 1))


def _ends(axis: Range | Log | Int) -> tuple[float, float]:
    """The ends between which values are evenly spread; of single values, half a step farther."""
    if isinstance(axis, Log):
        return math.log(axis.log[0]), math.log(axis.log[1])
    if axis.count is None:
        return axis.ends()[0], axis.ends()[1]
    half = (axis.step or 0.0) / 2
    low, high = axis.at(0) - half, axis.at(axis.count - 1) + half
    return (math.log(low), math.log(high)) if _is_log(axis) else (low, high)


def _is_log(axis: Range | Log | Int) -> bool:
    return isinstance(axis, Log) or (isinstance(axis, Int) and axis.log)


def _distance(one: Axes, other: Axes) -> float:
    """From 0 to 1, the mean over all axes; two choices, and an axis that one lacks, are 1 apart."""
    names = one.keys() | other.keys()
    return sum(_apart(name, one, other) for name in names) / len(names)


def _apart(name: str, one: Axes, other: Axes) -> float:
    if name not in one or name not in other:
        return 1.0
    (axis, value), (_, second) = one[name], other[name]
    if isinstance(axis, Choice):
        return float(not same(value, second))
    return abs(_place(axis, value) - _place(axis, second))
