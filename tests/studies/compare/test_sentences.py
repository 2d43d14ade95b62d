"""What is said of a pair: the right one is better, and nothing is called real that is not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from handloom.studies.compare.groups import RunKey
from handloom.studies.compare.intervals import Interval
from handloom.studies.compare.pairs import PairedTest, RowPair
from handloom.studies.compare.sentences import p_in_words, sentence_of

ONE = RowPair(
    "lenet", "mlp", (RunKey(0, None),),
    difference=0.0115, only_first=212, only_second=143, pictures=6000,
    tests=(PairedTest("McNemar", 0.00025, Interval(0.005, 0.018)),), p_adjusted=0.00025,
)  # fmt: skip
THREE = replace(
    ONE,
    witnesses=tuple(RunKey(seed, None) for seed in range(3)),
    tests=(PairedTest("paired t", 0.0021, Interval(0.0012, 0.0218)), PairedTest("Wilcoxon", 0.25)),
    p_adjusted=0.0063,
)


def test_one_seed_tells_of_two_networks() -> None:
    assert sentence_of(ONE, "validation", 1) == (
        "lenet is better than mlp, and the difference between these two networks is significant: "
        "of the same 6,000 validation images, 212 are classified correctly only by lenet, 143 "
        "only by mlp, and the rest by both or by neither (McNemar, p = 0.00025). Only more seeds "
        "can show whether it holds for the recipes."
    )


def test_several_seeds_tell_of_recipes() -> None:
    assert sentence_of(THREE, "validation", 3) == (
        "lenet is better than mlp by 0.0115 (95 %: 0.0012 to 0.0218), and the difference is "
        "significant: it holds over 3 seeds (paired t, p = 0.0021; p = 0.0063 by Holm's "
        "correction for 3 pairs)."
    )


def test_the_better_one_comes_first() -> None:
    turned = replace(
        THREE, difference=-0.0115,
        tests=(PairedTest("paired t", 0.0021, Interval(-0.0218, -0.0012)),),
    )  # fmt: skip
    assert sentence_of(turned, "test", 1).startswith(
        "mlp is better than lenet by 0.0115 (95 %: 0.0012 to 0.0218)"
    )
    fewer = replace(ONE, difference=-0.0115, only_first=143, only_second=212)
    assert "212 are classified correctly only by mlp, 143 only by lenet" in sentence_of(
        fewer, "test", 1
    )


@pytest.mark.parametrize("pair", [ONE, THREE])
def test_what_is_not_proved_is_not_called_real(pair: RowPair) -> None:
    told = sentence_of(replace(pair, p_adjusted=0.05), "validation", 1)
    assert "No significant difference" in told
    assert "real" not in told
    assert "is better" not in told


def test_what_may_have_brought_it_about_is_named() -> None:
    seeds = replace(THREE, p_adjusted=0.4)
    assert "which the choice of the seeds alone could explain" in sentence_of(seeds, "test", 1)
    pictures = replace(seeds, tests=(PairedTest("over images", 0.4), *seeds.tests))
    assert "the choice of the test images alone" in sentence_of(pictures, "test", 1)
    both = replace(pictures, p_adjusted=0.01)
    assert "it holds over 3 seeds and over the images" in sentence_of(both, "test", 1)


def test_single_seeds_that_tell_more_are_mentioned() -> None:
    unclear = replace(THREE, p_adjusted=0.2)
    clearer = replace(unclear, each_p=(0.01, 0.3, 0.04), each_difference=(0.02, 0.001, 0.013))
    assert sentence_of(clearer, "test", 1) == (
        f"{sentence_of(unclear, 'test', 1)} Between two networks at a time the lead is clear in "
        "2 of 3 (McNemar, p below 0.05): more seeds may decide it."
    )
    for silent in (
        replace(clearer, each_difference=(-0.02, 0.001, 0.013)),
        replace(clearer, each_p=(0.01, 0.3, 0.06)),
        replace(clearer, p_adjusted=0.01),
    ):
        assert "more seeds" not in sentence_of(silent, "test", 1)


@pytest.mark.parametrize(
    ("witnesses", "told"),
    [
        ([(0, 1), (1, 1), (2, 1)], "3 seeds"),
        ([(0, 1), (0, 2), (0, 3)], "3 folds"),
        ([(0, 1), (0, 2), (1, 1), (1, 2)], "4 folds and seeds"),
    ],
)
def test_folds_are_told_as_such(witnesses: list[tuple[int, int]], told: str) -> None:
    folded = replace(THREE, witnesses=tuple(RunKey(*witness) for witness in witnesses))
    assert f"it holds over {told} (" in sentence_of(folded, "validation", 1)
    what = told.partition(" ")[2]
    unclear = sentence_of(replace(folded, p_adjusted=0.3), "validation", 1)
    assert f"the choice of the {what} alone" in unclear


def test_equal_and_untested_pairs_say_so() -> None:
    same = replace(ONE, only_first=0, only_second=0, difference=0.0)
    assert sentence_of(same, "test", 1) == "lenet and mlp are correct on exactly the same images."
    untested = RowPair("lenet", "mlp", (), why_untested="they have no seed in common")
    assert sentence_of(untested, "test", 0) == (
        "lenet and mlp cannot be tested: they have no seed in common."
    )


@pytest.mark.parametrize(
    ("p", "told"),
    [
        (1.0, "p = 1.00"),
        (0.1, "p = 0.10"),
        (0.0214, "p = 0.021"),
        (0.00012, "p = 0.00012"),
        (1e-30, "p < 0.0001"),
    ],
)
def test_p_has_two_digits(p: float, told: str) -> None:
    assert p_in_words(p) == told
