"""exp and its family: how many units in the last place they miss by."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from emitted import DTYPES, both_reals, every_machine, run

from handloom._typing import AnyArray, FloatArray
from handloom.loom.language import mathematics
from handloom.loom.language.emitter import Emitter
from handloom.loom.language.machine import Machine
from handloom.loom.language.program import Real
from handloom.loom.language.value import Pointer, Value

Function = Callable[[Emitter, Value], Value]


def computed(machine: Machine, real: Real, function: Function, x: FloatArray) -> FloatArray:
    """function(x) as vectors; the same, bit by bit, as single numbers."""
    size = -(-x.size // 16) * 16
    padded, vectors, scalars = np.resize(x, size), np.empty(size, x.dtype), np.empty(size, x.dtype)

    def body(e: Emitter, x: Pointer, vectors: Pointer, scalars: Pointer) -> None:
        for i in e.range(0, size, e.lanes):
            vectors[i] = function(e, x.vector(i))
        for i in e.range(size):
            scalars[i] = function(e, x[i])

    run(machine, real, body, padded, vectors, scalars)
    np.testing.assert_array_equal(vectors, scalars)
    return vectors[: x.size]


def both_sides(largest: float, smallest: float = 1e-30) -> FloatArray:
    """Numbers of all sizes and both signs, and zero."""
    sizes = np.geomspace(smallest, largest, 3000)
    return np.concatenate([-sizes[::-1], [0.0], sizes, np.linspace(-largest, largest, 3001)])


def misses(found: FloatArray, exact: AnyArray) -> float:
    """The largest error, in units in the last place of the exact value."""
    unit = np.spacing(np.maximum(abs(exact).astype(found.dtype), np.finfo(found.dtype).tiny))
    return float(np.max(abs(found.astype(np.longdouble) - exact) / unit))


CASES: dict[
    str, tuple[Function, Callable[[Any], Any], Callable[[float], FloatArray], float]
] = {
    "exp": (mathematics.exp, np.exp, lambda limit: both_sides(0.98 * limit), 1.5),
    "expm1": (mathematics.expm1, np.expm1, lambda limit: -abs(both_sides(0.98 * limit)), 1.5),
    "sigmoid": (
        mathematics.sigmoid, lambda x: 1 / (1 + np.exp(-x)),
        lambda limit: both_sides(0.98 * limit), 2.5,
    ),
    "tanh": (mathematics.tanh, np.tanh, lambda limit: both_sides(0.45 * limit), 2.5),
    "log": (mathematics.log, np.log, lambda limit: np.exp(both_sides(0.98 * limit, 1e-7)), 3.0),
    "erfc": (
        mathematics.erfc, np.vectorize(math.erfc), lambda limit: both_sides(limit**0.5 - 1), 6.0,
    ),
}  # fmt: skip
"""The function; an exact one; where it is looked at, given the largest exponent of e; and the units
in the last place that it may miss by."""


@every_machine
@both_reals
@pytest.mark.parametrize("name", CASES)
def test_all_but_the_last_places_are_right(machine: Machine, real: Real, name: str) -> None:
    function, exact, numbers, places = CASES[name]
    limit = (127 if real == "float" else 1023) * np.log(2)
    x = numbers(limit).astype(DTYPES[real])
    found = computed(machine, real, function, x)
    assert misses(found, exact(x.astype(np.longdouble))) <= places


@every_machine
@both_reals
def test_beyond_the_range_results_stay_at_its_end(machine: Machine, real: Real) -> None:
    x = np.array([np.inf, -np.inf, 1e30, -1e30, 0.0, -0.0, np.nan], DTYPES[real])
    large, tiny = np.finfo(x.dtype).max ** 0.98, 1e-30

    def of(function: Function) -> FloatArray:
        found = computed(machine, real, function, x)
        assert np.isnan(found[-1]), "what is not a number does not become one"
        return found[:-1]

    exp = of(mathematics.exp)
    assert (exp[[0, 2]] > large).all()
    assert (exp[[0, 2]] < np.inf).all()
    assert (exp[[1, 3]] >= 0).all()
    assert (exp[[1, 3]] < tiny).all()
    assert (exp[4:] == 1).all()
    np.testing.assert_allclose(of(mathematics.sigmoid), [1, 0, 1, 0, 0.5, 0.5], atol=tiny)
    np.testing.assert_array_equal(of(mathematics.tanh), [1, -1, 1, -1, 0, 0])
    np.testing.assert_allclose(of(mathematics.erfc), [0, 2, 0, 2, 1, 1], rtol=0, atol=tiny)
