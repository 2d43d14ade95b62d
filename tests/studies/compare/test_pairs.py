"""Two rows: which test decides, on made-up outcomes whose answer is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from handloom.studies.compare.evaluation import Evaluation
from handloom.studies.compare.groups import Group
from handloom.studies.compare.paired import mcnemar
from handloom.studies.compare.pairs import RowPair, pairs_of

PICTURES = 1000


def made(seen: list[Evaluation], wrong: list[range], same: bool = False) -> list[Evaluation]:
    """The seeds' evaluations as if each had been wrong on those of a thousand images."""
    made = []
    for evaluation, places in zip(seen, wrong, strict=False):
        is_right = np.ones(PICTURES, bool)
        is_right[list(places)] = False
        fingerprint = "one" if same else evaluation.fingerprint
        made.append(replace(evaluation, is_right=is_right, fingerprint=fingerprint))
    return made


def pair_of(first: list[Evaluation], second: list[Evaluation]) -> RowPair:
    (pair,) = pairs_of([Group("first", ()), Group("second", ())], [first, second])
    return pair


def test_one_seed_is_mcnemar_s(seen: list[Evaluation]) -> None:
    pair = pair_of(made(seen, [range(50, 150)]), made(seen, [range(300)]))
    assert (pair.only_first, pair.only_second, pair.pictures) == (200, 0, PICTURES)
    assert pair.difference == pytest.approx(0.2)
    assert [test.name for test in pair.tests] == ["McNemar", "McNemar, exact"]
    assert pair.tests[1].p == pytest.approx(stats.binomtest(0, 200).pvalue)
    assert pair.tests[0].p == pair.p_adjusted
    assert pair.is_real


def test_seeds_that_agree_are_believed(seen: list[Evaluation]) -> None:
    first = made(seen, [range(100), range(110), range(95)])
    second = made(seen, [range(160), range(172), range(153)])
    pair = pair_of(first, second)
    differences = [0.060, 0.062, 0.058]
    t = np.mean(differences) / (np.std(differences, ddof=1) * np.sqrt(1 / 3 + PICTURES / 60))
    assert pair.tests[0].name == "corrected paired t"
    assert pair.tests[0].p == pytest.approx(2 * stats.t.sf(t, 2))
    assert pair.difference == pytest.approx(0.06)
    assert [test.name for test in pair.tests] == ["corrected paired t", "Wilcoxon"]
    assert pair.each_difference == pytest.approx(differences)
    assert pair.each_p == tuple(mcnemar(only, 0) for only in (60, 62, 58))


def test_on_the_same_pictures_the_less_sure_of_two_answers_decides(seen: list[Evaluation]) -> None:
    steady = pair_of(
        made(seen, [range(20), range(20), range(20)], same=True),
        made(seen, [range(24), range(25), range(24)], same=True),
    )
    assert steady.tests[0].name == "over images", "five images are few, however many seeds"
    assert steady.tests[1].name == "paired t"
    assert steady.tests[1].p == pytest.approx(stats.ttest_1samp([4, 5, 4], 0).pvalue)
    wild = pair_of(
        made(seen, [range(20), range(200), range(20)], same=True),
        made(seen, [range(150), range(210), range(400)], same=True),
    )
    assert wild.tests[0].name == "paired t"
    assert wild.tests[0].p > 0.05 > wild.tests[1].p
    assert not wild.is_real


def test_differences_without_spread_are_wilcoxon_s(seen: list[Evaluation]) -> None:
    pair = pair_of(made(seen, [range(10)] * 3), made(seen, [range(400)] * 3))
    assert pair.tests[0] == ("Wilcoxon", pytest.approx(0.25), None)
    assert len(pair.tests) == 1


def test_only_common_seeds_are_paired(seen: list[Evaluation]) -> None:
    pair = pair_of(made(seen, [range(10)] * 3), made(seen[1:], [range(40)]))
    assert pair.witnesses == ((1, None),)
    assert pair.only_first == 30


def test_why_a_pair_cannot_be_tested(seen: list[Evaluation]) -> None:
    wrong = [range(10)] * 3
    none = pair_of(made(seen[:1], wrong), made(seen[1:], wrong))
    assert none.why_untested == "they have no seed in common"
    others = pair_of(made(seen, wrong), made(seen, wrong, same=True))
    assert others.why_untested == "they were evaluated on different images"
    twice = pair_of(made([seen[0]] * 2, wrong), made(seen, wrong))
    assert twice.why_untested == "a seed occurs twice in one of them"
    for pair in (none, others, twice):
        assert (pair.tests, pair.p_adjusted, pair.is_real) == ((), None, False)


def test_pairs_share_one_correction_and_the_untested_have_no_part_in_it(
    seen: list[Evaluation],
) -> None:
    rows = [made(seen, [range(count)]) for count in (10, 22, 40)]
    rows.append(made(seen, [range(10)], same=True))
    pairs = pairs_of([Group(name, ()) for name in "abcd"], rows)
    assert [(pair.first, pair.second) for pair in pairs] == [
        ("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d"),
    ]  # fmt: skip
    a_b, a_c, _, b_c, *_ = pairs
    assert a_c.p_adjusted == pytest.approx(3 * a_c.tests[0].p)
    assert b_c.p_adjusted == pytest.approx(2 * b_c.tests[0].p)
    assert a_b.p_adjusted == pytest.approx(a_b.tests[0].p)
    assert sum(bool(pair.tests) for pair in pairs) == 3
