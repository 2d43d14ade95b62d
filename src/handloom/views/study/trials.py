"""The trials of a study as its figures need them: parameters, results, learning curves."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from handloom._typing import FloatArray

Scale = Literal["choice", "linear", "log"]

MOST_LEVELS = 10
"""Up to so many different numbers are shown as a choice, unless the space says otherwise."""
LOG_FROM = 20.0
"""Positive numbers whose largest is so many times the smallest are shown on a logarithmic scale."""
FAR = 4.0
"""So many times the best's lead over the median may a trial lie below the median and be shown."""


class Trial(NamedTuple):
    """One configuration. `value` and `spread` (over its seeds) are NaN where there is none.

    `number` is the study's own, from 1; left out, it is the trial's place.
    """

    name: str
    parameters: Mapping[str, Any]  # by key path; a dependent one may be missing
    value: float
    spread: float = math.nan
    state: Literal["complete", "pruned", "running", "failed"] = "complete"
    curves: tuple[FloatArray, ...] = ()  # a seed each: the metric after every epoch, NaN for a gap
    number: int | None = None


class Parameter(NamedTuple):
    """One dimension of the space: all its `levels`, in order, or the two ends of a scale."""

    name: str
    scale: Scale
    levels: tuple[Any, ...]

    def place(self, value: Any) -> float:
        """Where a value stands on an axis from 0 to 1; a level in the middle of its share."""
        if self.scale == "choice":
            return (self.levels.index(value) + 0.5) / len(self.levels)
        low, high, value = (self._linear(number) for number in (*self.levels, value))
        return (value - low) / (high - low)

    def value_at(self, place: float) -> float:
        """The number at a place of a scale that is no choice."""
        low, high = (self._linear(number) for number in self.levels)
        number = low + place * (high - low)
        return math.exp(number) if self.scale == "log" else number

    def ticks(self, write: Callable[[Any], str] | None = None) -> list[tuple[float, str]]:
        """Places of the axis and what to write there: every level, or round numbers."""
        write = write or written_value
        if self.scale == "choice":
            return [(self.place(level), write(level)) for level in self.levels]
        low, high = self.levels
        inside = (n for n in _round_numbers(low, high, self.scale) if low <= n <= high)
        return [(self.place(number), write(float(number))) for number in inside]

    def _linear(self, number: float) -> float:
        return math.log(number) if self.scale == "log" else float(number)


class Trials(NamedTuple):
    """A study: its trials in the order of their start, and the parameters that differ in them."""

    study: str
    metric: str  # as in metrics.jsonl: val_accuracy, val_loss
    is_maximised: bool
    trials: tuple[Trial, ...]
    parameters: tuple[Parameter, ...]

    @property
    def values(self) -> FloatArray:
        """(T,): what each complete trial reached; NaN for the others."""
        return np.array([t.value if t.state == "complete" else math.nan for t in self.trials])

    @property
    def best(self) -> int | None:
        """The place of the best complete trial, the first of equals."""
        values = self.values
        if not np.isfinite(values).any():
            return None
        return int(np.nanargmax(values) if self.is_maximised else np.nanargmin(values))

    @property
    def quality(self) -> FloatArray:
        """(T,): of the other complete trials, the share that is no better; NaN without a value.

        A rank, 1 for the best: a few trainings that went astray do not make all others look alike.
        """
        goodness = self.values if self.is_maximised else -self.values
        known = np.isfinite(goodness)
        others = np.count_nonzero(known) - 1
        no_better = np.searchsorted(np.sort(goodness[known]), goodness, side="right") - 1
        return np.where(known, no_better / others if others > 0 else 1.0, math.nan)

    def places(self, parameter: Parameter) -> FloatArray:
        """(T,): where each trial stands on the parameter's axis; NaN where it has no such one."""
        name = parameter.name
        told = (_plain(trial.parameters.get(name)) for trial in self.trials)
        return np.array([math.nan if v is None else parameter.place(v) for v in told])

    def shown_span(self) -> tuple[float, float]:
        """The worst value worth showing and the best one; (0, 0) where no trial is complete."""
        return worth_showing(self.values, is_maximised=self.is_maximised)


def worth_showing(values: FloatArray, *, is_maximised: bool) -> tuple[float, float]:
    """The worst of the finite values worth showing, and the best; (0, 0) without any.

    A training that went astray lies so far off that the differences between all others would
    vanish: what is worse than the median by more than FAR times the best's lead is left out.
    """
    sign = 1.0 if is_maximised else -1.0
    goodness = sign * values[np.isfinite(values)]
    if not goodness.size:
        return 0.0, 0.0
    best, middle = goodness.max(), np.median(goodness)
    shown = goodness[goodness >= middle - FAR * (best - middle)] if best > middle else goodness
    return float(sign * shown.min()), float(sign * best)


def study_trials(
    study: str,
    metric: str,
    trials: Iterable[Trial],
    *,
    is_maximised: bool,
    scales: Mapping[str, Scale] | None = None,
) -> Trials:
    """The trials with the parameters that differ between them, in the order of their appearance.

    `scales` says how a parameter's axis is divided; else few values are a choice, positive numbers
    over orders of magnitude are logarithmic. A value may be a number, a text, a truth value, a list
    or a table of them; None counts as missing. Lists of many kinds, as of layers' widths, become
    parameters `<name>.length`, `<name>.0` and so on.
    """
    scales, trials = scales or {}, tuple(trials)
    names = dict.fromkeys(name for trial in trials for name in trial.parameters)
    long = {name for name in names if _is_long(name, trials)}
    shown = tuple(trial._replace(parameters=_unfolded(trial.parameters, long)) for trial in trials)
    names = dict.fromkeys(name for trial in shown for name in trial.parameters)
    found = (_parameter(name, shown, scales.get(name)) for name in names if name not in long)
    varied = tuple(parameter for parameter in found if parameter is not None)
    return Trials(study, metric, is_maximised, shown, varied)


def _is_long(name: str, trials: tuple[Trial, ...]) -> bool:
    """Whether a parameter is a list that has more values than a choice can show."""
    values = {_plain(trial.parameters.get(name)) for trial in trials} - {None}
    return len(values) > MOST_LEVELS and all(isinstance(value, tuple) for value in values)


def _unfolded(parameters: Mapping[str, Any], long: set[str]) -> dict[str, Any]:
    """With the length and each entry of the lists `long` beside them."""
    unfolded = dict(parameters)
    for name in long & parameters.keys():
        entries = parameters[name] or ()
        unfolded[f"{name}.length"] = len(entries)
        unfolded |= {f"{name}.{place}": entry for place, entry in enumerate(entries)}
    return unfolded


def _parameter(name: str, trials: tuple[Trial, ...], scale: Scale | None) -> Parameter | None:
    """The axis of a parameter; None where all trials have it alike."""
    told = [_plain(trial.parameters.get(name)) for trial in trials]
    levels = [*dict.fromkeys(value for value in told if value is not None)]
    if len(levels) + (None in told) < 2:
        return None
    scale = scale or _scale_of(levels)
    if scale == "choice" or len(levels) == 1:
        kinds = {type(level) for level in levels}
        in_order = sorted(levels) if kinds <= {int, float} or kinds == {tuple} else levels
        return Parameter(name, "choice", tuple(in_order))
    return Parameter(name, scale, (min(levels), max(levels)))


def _scale_of(levels: list[Any]) -> Scale:
    if len(levels) <= MOST_LEVELS or not all(type(level) in (int, float) for level in levels):
        return "choice"
    low, high = min(levels), max(levels)
    return "log" if low > 0 and high >= LOG_FROM * low else "linear"


def _plain(value: Any) -> Any:
    """A value that can be looked up: a list becomes a tuple, a table a text."""
    if isinstance(value, Mapping):
        return written_value(value)
    return tuple(map(_plain, value)) if isinstance(value, list | tuple) else value


def _round_numbers(low: float, high: float, scale: Scale) -> FloatArray:
    from matplotlib.ticker import LogLocator, MaxNLocator

    if scale == "log":
        subs = (1.0,) if high >= 100 * low else (1.0, 2.0, 5.0)
        return np.asarray(LogLocator(subs=subs, numticks=99).tick_values(low, high))
    return np.asarray(MaxNLocator(nbins=5, steps=[1, 2, 5, 10]).tick_values(low, high))


def written_value(value: Any) -> str:
    """A parameter's value on one line: 0.005, 256-128 for sizes of layers, a text as it is."""
    if isinstance(value, tuple | list):
        return "-".join(map(written_value, value)) or "none"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {written_value(entry)}" for key, entry in value.items())
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    return " ".join(str(value).split()) or "none"
