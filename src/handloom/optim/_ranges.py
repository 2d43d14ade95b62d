"""Checks of settings: the value back, or a ConfigError that tells name, value and range."""

from __future__ import annotations

import math
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Literal

from handloom.errors import ConfigError

Interval = Literal["[0, 1)", "[0, 1]", "(0, 1)", "(0, 1]", "[0, ∞)", "(0, ∞)"]

_INSIDE: dict[Interval, Callable[[float], bool]] = {
    "[0, 1)": lambda value: 0.0 <= value < 1.0,
    "[0, 1]": lambda value: 0.0 <= value <= 1.0,
    "(0, 1)": lambda value: 0.0 < value < 1.0,
    "(0, 1]": lambda value: 0.0 < value <= 1.0,
    "[0, ∞)": lambda value: 0.0 <= value < math.inf,
    "(0, ∞)": lambda value: 0.0 < value < math.inf,
}


def in_range(name: str, value: Any, interval: Interval) -> float:
    """`value` as a float; raises ConfigError unless it is a number within `interval`."""
    if not _is_number(value) or not _INSIDE[interval](value):
        raise ConfigError(f"{name} has to be a number in {interval}, got {value!r}")
    return float(value)


def whole_number(name: str, value: Any, *, at_least: int) -> int:
    """`value` as an int; raises ConfigError unless it is a whole number from `at_least` up."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < at_least:
        raise ConfigError(f"{name} has to be a whole number >= {at_least}, got {value!r}")
    return int(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)
