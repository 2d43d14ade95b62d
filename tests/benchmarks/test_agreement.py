"""When is a step the same step?"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.agreement import FLOOR, deviation, tolerance

FIRST = {"w": np.linspace(-1.0, 1.0, 12).reshape(3, 4), "b": np.zeros(3)}
MOVE = {"w": np.linspace(0.01, 0.02, 12).reshape(3, 4), "b": np.full(3, -0.05)}
EXPECTED = {name: FIRST[name] + MOVE[name] for name in FIRST}


def moved(**factors: float) -> dict[str, np.ndarray]:
    return {name: FIRST[name] + factors.get(name, 1.0) * MOVE[name] for name in FIRST}


def test_the_same_step_deviates_by_nothing() -> None:
    assert deviation(EXPECTED, EXPECTED, FIRST) <= 0.0


def test_rounding_to_float32_is_no_deviation() -> None:
    rounded = {name: value.astype(np.float32) for name, value in EXPECTED.items()}
    assert deviation(rounded, EXPECTED, FIRST) < FLOOR


def test_it_is_measured_by_the_movement_of_the_array_itself() -> None:
    assert deviation(moved(b=1.1), EXPECTED, FIRST) == pytest.approx(0.1)
    assert deviation(moved(w=0.99), EXPECTED, FIRST) == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize(
    "found",
    [
        {"w": EXPECTED["w"]},
        {"w": EXPECTED["w"].T, "b": EXPECTED["b"]},
        {"w": np.full((3, 4), np.nan), "b": EXPECTED["b"]},
        {"w": EXPECTED["w"], "b": np.full(3, np.inf)},
    ],
    ids=["missing", "transposed", "nan", "inf"],
)
def test_what_cannot_be_compared_is_infinitely_far(found: dict[str, np.ndarray]) -> None:
    assert deviation(found, EXPECTED, FIRST) == np.inf


def test_probabilities_are_compared_with_the_softmax_of_outputs() -> None:
    outputs = np.array([[1.0, 2.0, 3.0], [300.0, 0.0, -300.0]])
    p = np.exp(outputs[0]) / np.exp(outputs[0]).sum()
    found = {"probabilities": np.array([p, [1.0, 0.0, 0.0]])}
    assert deviation(found, {"outputs": outputs}, {}) < 1e-12


def test_the_tolerance_follows_the_rounding_of_float32() -> None:
    assert tolerance([1e-7, 3e-7]) == FLOOR
    assert tolerance([1e-7, 1e-2]) == pytest.approx(5e-2)
