from __future__ import annotations

import pytest

from handloom.report.words import duration, number, percent


@pytest.mark.parametrize(
    ("seconds", "told"), [(0.58, "0.6 s"), (95.2, "1 min 35 s"), (3725, "1 h 2 min")]
)
def test_durations(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_fractions_as_percent() -> None:
    assert percent(0.89321) == "89.32 %"
    assert percent(0.89321, 0.0021) == "89.32 ± 0.21 %"
    assert percent(None) == "not finite"


def test_numbers_with_their_spread() -> None:
    assert number(0.32131) == "0.3213"
    assert number(0.32131, 0.00409) == "0.3213 ± 0.0041"
    assert number(None) == "not finite"
