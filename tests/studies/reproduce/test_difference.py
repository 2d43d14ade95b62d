"""How far accuracies are apart: scipy's own tests are the oracle."""

from __future__ import annotations

import pytest
from scipy import stats

from handloom.studies.reproduce.difference import difference, margin_of


def test_over_seeds_it_is_the_paired_t_test(made) -> None:
    ours, theirs = (0.981, 0.983, 0.982, 0.984), (0.979, 0.979, 0.980, 0.980)
    apart = difference(made(*ours), made(*theirs), "test_accuracy")
    low, high = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert apart.mean == pytest.approx((low + high) / 2)
    assert apart.margin == pytest.approx((high - low) / 2)
    assert apart.is_above
    assert not apart.is_below


def test_it_can_be_turned_round(made) -> None:
    one, other = made(0.93, 0.95, 0.94), made(0.90, 0.91, 0.93)
    there, back = (difference(*pair, "test_accuracy") for pair in ((one, other), (other, one)))
    assert back.mean == pytest.approx(-there.mean)
    assert back.margin == pytest.approx(there.margin)


def test_validation_parts_of_several_seeds_are_no_independent_pictures(made) -> None:
    """Nadeau and Bengio's correction: the variance grows from 1/n to 1/n + overlap."""
    ours, theirs = (0.95, 0.97, 0.96), (0.94, 0.93, 0.94)
    plain = difference(made(*ours), made(*theirs), "test_accuracy")
    corrected = difference(
        made(*ours, what="validation_accuracy"),
        made(*theirs, what="validation_accuracy"),
        "validation_accuracy",
    )
    grown = (1 / 3 + 10_000 / 50_000) / (1 / 3)
    assert corrected.margin == pytest.approx(plain.margin * grown**0.5)


def test_seeds_that_one_of_them_lacks_do_not_count(made) -> None:
    apart = difference(made(0.93, 0.95, 0.5), made(0.90, 0.91), "test_accuracy")
    low, high = stats.ttest_rel((0.93, 0.95), (0.90, 0.91)).confidence_interval(0.95)
    assert tuple(apart) == pytest.approx(((low + high) / 2, (high - low) / 2))


def test_of_one_seed_the_pictures_chance_is_told(made) -> None:
    apart = difference(made(0.96), made(0.95), "test_accuracy")
    deviation = (0.96 * 0.04 / 10_000 + 0.95 * 0.05 / 10_000) ** 0.5
    low, high = stats.norm.interval(0.95, 0.01, deviation)
    assert tuple(apart) == pytest.approx((0.01, (high - low) / 2))


def test_fewer_pictures_have_more_chance() -> None:
    assert margin_of(0.9, 100) == pytest.approx(10 * margin_of(0.9, 10_000))
    assert margin_of(1.0, 100) == 0


def test_it_reads_as_a_difference_and_its_margin(made) -> None:
    assert str(difference(made(0.96), made(0.95), "test_accuracy")) == "+0.0100 ± 0.0057"
