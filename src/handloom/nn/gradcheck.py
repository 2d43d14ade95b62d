"""Gradient check: is backward the derivative of forward?

Everything happens on a float64 copy of the layer, with the loss Σ dy · y for a random dy (an
all-ones dy would hide every error that cancels in a sum). For the input and each parameter, the
analytic slope of the loss along a direction, ⟨gradient, direction⟩, stands against the numeric one,
which needs nothing but forward. With f the loss at a distance along the direction, less f(0), and

    across(h) = (f(h) - f(-h)) / 2h        beside(±h) = (4 f(±h/2) - f(±h)) / ±h

the numeric slope is (4 across(h/2) - across(h)) / 3, a central difference of fourth order.
One random direction sees all entries at once: it passes only if every one of them is right. If it
fails, halving it again and again finds an entry to name.

Kinks. ReLU and max-pooling have no derivative where they bend, and a difference across a bend is
not one. Where the loss is smooth, across(h), across(h/2), beside(h) and beside(-h) agree to O(h²).
Where they do not, h shrinks, which helps near a bend; if no h will do, the check moves x and the
parameters a little and starts again, which helps on one (blank pixels meet ReLU at 0, and tie in
max-pooling). None of these decisions looks at the analytic gradient, so a wrong one cannot talk its
way out; a layer for which no smooth place is found fails.

What counts as equal. The gap is relative to the larger slope, but at least to the size that a slope
of this loss has when nothing cancels, and a gap that the rounding of the loss explains is none.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.random import Generator

from handloom._typing import FloatArray, IntArray
from handloom.errors import ShapeError
from handloom.nn.layer import Layer, Parameter

INPUT = "x"
"""The input's name in a report."""

STEPS = (1e-3, 1e-4, 1e-5, 1e-6)
"""Step lengths h along a direction of length 1, the first smooth one is taken."""

MOVES = (0.0, 1e-2, 1e-1, 1.0)
"""How far to move away from kinks, in parts of each array's mean size."""

ROUNDING = 64 * np.finfo(np.float64).eps
"""The relative error of a float64 loss, with room for the sums inside a layer."""


@dataclass(frozen=True)
class GradientRow:
    """One comparison: along a random direction (`entry` is None) or of a single entry."""

    name: str
    entry: tuple[int, ...] | None
    analytic: float
    numeric: float
    """NaN where no step was smooth."""
    rel_error: float
    """Infinite where no step was smooth or a slope is not finite."""

    def __str__(self) -> str:
        where = "" if self.entry is None else f"[{', '.join(map(str, self.entry))}]"
        along = " along a random direction" if self.entry is None else ""
        if math.isnan(self.numeric):
            return f"{self.name}{where}{along}: no smooth point was found for the comparison"
        return f"{self.name}{where}{along}: {self.analytic:.6g} vs {self.numeric:.6g}"


@dataclass(frozen=True)
class GradientReport:
    """What a gradient check found: one row a comparison, the input's first."""

    rows: tuple[GradientRow, ...]
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether every comparison is within the tolerance."""
        return self.max_rel_error <= self.tolerance

    @property
    def max_rel_error(self) -> float:
        """The largest relative error."""
        return max(row.rel_error for row in self.rows)

    @property
    def worst(self) -> str:
        """The worst comparison, analytic vs numeric: 'weight[2, 0]: 0.41 vs 0.39'."""
        return str(self._worst_row())

    def _worst_row(self) -> GradientRow:
        failed = [row for row in self.rows if row.rel_error > self.tolerance]
        failed_entries = [row for row in failed if row.entry is not None]
        return max(failed_entries or failed or self.rows, key=lambda row: row.rel_error)


def gradcheck(
    layer: Layer,
    x: FloatArray,
    *,
    rng: Generator,
    tolerance: float = 1e-6,
    num_entries: int = 2,
) -> GradientReport:
    """Compare backward with differences of forward, for x (N, ...) and every Parameter of `layer`.

    Each is checked along a random direction and at `num_entries` random entries, of a float64 copy
    in training mode; `layer` stays as it is. `begin_step(0)` goes before every forward, so that
    layers with chance repeat it. `report.passed` says whether all relative errors are within
    `tolerance`; `report.worst` names the worst. Raises ShapeError if x is empty, or if a gradient
    has not the shape of its value.
    """
    if x.size == 0:
        raise ShapeError(f"a gradient check needs at least one value to vary, got x {x.shape}")
    report = GradientReport((), tolerance)
    for move in MOVES:
        bench = _Bench(layer, x, move, rng)
        rows = tuple(bench.rows(tolerance, num_entries, rng))
        report = GradientReport(rows, tolerance)
        if not any(math.isnan(row.numeric) for row in rows):
            break
    return report


class _Slope(NamedTuple):
    """A numeric slope, the size it has when nothing cancels, and what rounding may do to it."""

    value: float
    size: float
    rounding: float


class _Bench:
    """A float64 copy of a layer at one point, with the loss Σ dy · y and its analytic gradient.

    The input is treated as one more Parameter.
    """

    def __init__(self, layer: Layer, x: FloatArray, move: float, rng: Generator) -> None:
        self.layer = copy.deepcopy(layer).astype(np.float64).train()
        for _, part in self.layer.named_layers():
            part.needs_input_gradient = True
        self.x = Parameter(x.astype(np.float64))
        self.variables = {INPUT: self.x, **self.layer.named_parameters()}
        for variable in self.variables.values():
            size = np.abs(variable.value).mean() or 1.0
            variable.value = variable.value + move * size * rng.standard_normal(variable.shape)
        self.y = self._forward()
        self.dy = rng.standard_normal(self.y.shape)
        self.x.grad = self.layer.backward(self.dy.copy())

    def rows(self, tolerance: float, num_entries: int, rng: Generator) -> Iterator[GradientRow]:
        """Every variable along a random direction, at random entries, and where it is wrong."""
        for name, variable in self.variables.items():
            size = variable.value.size
            direction = rng.standard_normal(variable.shape)
            direction /= np.linalg.norm(direction)
            row = self._compare(name, direction, None, tolerance)
            yield row
            entries = rng.choice(size, min(num_entries, size), replace=False).tolist()
            if tolerance < row.rel_error < math.inf:
                entries.append(self._wrong_entry(variable, direction, tolerance))
            for flat in entries:
                entry = tuple(int(i) for i in np.unravel_index(flat, variable.shape))
                unit = np.zeros(variable.shape)
                unit[entry] = 1.0
                yield self._compare(name, unit, entry, tolerance)

    def _compare(
        self, name: str, direction: FloatArray, entry: tuple[int, ...] | None, tolerance: float
    ) -> GradientRow:
        variable = self.variables[name]
        analytic = float((variable.grad * direction).sum())
        slope = self._slope(variable, direction, tolerance)
        if slope is None:
            return GradientRow(name, entry, analytic, math.nan, math.inf)
        if not math.isfinite(analytic):
            return GradientRow(name, entry, analytic, slope.value, math.inf)
        gap = abs(analytic - slope.value)
        scale = max(abs(analytic), abs(slope.value), slope.size, slope.rounding / tolerance)
        return GradientRow(name, entry, analytic, slope.value, gap / scale if gap else 0.0)

    def _wrong_entry(self, variable: Parameter, direction: FloatArray, tolerance: float) -> int:
        """Flat index of a wrong entry: follow the half of the direction that is more wrong."""

        def gap(part: IntArray) -> float:
            along = np.zeros(variable.value.size)
            along[part] = direction.ravel()[part]
            along = along.reshape(variable.shape)
            slope = self._slope(variable, along, tolerance)
            return 0.0 if slope is None else abs((variable.grad * along).sum() - slope.value)

        suspects = np.arange(variable.value.size)
        while suspects.size > 1:
            suspects = max(np.array_split(suspects, 2), key=gap)
        return int(suspects[0])

    def _slope(self, variable: Parameter, direction: FloatArray, tolerance: float) -> _Slope | None:
        """Numeric slope of the loss along `direction`; None where it bends at every step length."""
        loss_size = float(np.linalg.norm(self.dy * self.y))
        for h in STEPS:
            change = self._loss_change(variable, h * direction)
            ahead, size = float(change.sum()), float(np.linalg.norm(change)) / h
            half_ahead, half_back, back = (
                float(self._loss_change(variable, t * direction).sum()) for t in (h / 2, -h / 2, -h)
            )
            across, across_half = (ahead - back) / (2 * h), (half_ahead - half_back) / h
            beside = (4 * half_ahead - ahead) / h, (back - 4 * half_back) / h
            spread = float(np.ptp((across, across_half, *beside)))
            rounding = ROUNDING * loss_size / h
            if spread <= max(0.1 * tolerance * max(abs(across), size), rounding):
                return _Slope((4 * across_half - across) / 3, size, rounding)
        return None

    def _loss_change(self, variable: Parameter, shift: FloatArray) -> FloatArray:
        """The terms dy · (y(shifted) - y), whose sum is the change of the loss."""
        here = variable.value
        variable.value = here + shift
        try:
            return self.dy * (self._forward() - self.y)
        finally:
            variable.value = here

    def _forward(self) -> FloatArray:
        self.layer.begin_step(0)
        return self.layer.forward(self.x.value.copy())
