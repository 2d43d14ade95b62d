"""Portions of steps, by a clock that the test turns."""

from __future__ import annotations

import time

import pytest

from handloom.engines.portions import FIRST_STEPS, Pace


def test_portions_take_about_as_long_as_they_should(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    pace, lengths = Pace(0.25), []
    for start, stop in pace.portions(0, 400):
        lengths.append(stop - start)
        now += 0.01 * (stop - start)
        pace.took(stop - start)
    assert lengths[0] == FIRST_STEPS
    assert lengths[1:-1] == [25] * (len(lengths) - 2)
    assert sum(lengths) == 400


def test_what_happens_between_epochs_is_not_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """An evaluation after an epoch does not make the next epoch's portions shorter."""
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    pace, lengths = Pace(0.25), []
    for _ in range(2):
        for start, stop in pace.portions(5, 65):
            lengths.append(stop - start)
            now += 0.01 * (stop - start)
            pace.took(stop - start)
        now += 1000.0
    assert lengths == [FIRST_STEPS, 25, 25, 2, 25, 25, 10]


def test_a_portion_has_one_step_at_least(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr(time, "perf_counter", lambda: now)
    pace, portions = Pace(0.25), []
    for start, stop in pace.portions(0, FIRST_STEPS + 3):
        portions.append((start, stop))
        now += 10.0 * (stop - start)
        pace.took(stop - start)
    assert portions == [(0, 8), (8, 9), (9, 10), (10, 11)]
    assert list(pace.portions(4, 4)) == []


def test_steady_portions_do_not_look_at_the_clock() -> None:
    steady = Pace(0.25, steady=True)
    for start, stop in steady.portions(0, 3 * FIRST_STEPS + 1):
        assert stop - start in (FIRST_STEPS, 1)
        steady.took(stop - start)
