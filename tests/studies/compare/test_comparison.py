"""compare(): from run folders to rows and answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import handloom as hl
from handloom.errors import ConfigError, DataError, RunError
from handloom.run.results import Run, open_run
from handloom.studies.compare import Comparison, Group


@pytest.fixture(scope="module")
def comparison(good: list[Run], idle: list[Run]) -> Comparison:
    """The network that learned, and the one that did not."""
    rows = [Group("learnt", tuple(good)), Group("idle", tuple(idle))]
    return hl.compare(rows, reach=0.9)


def test_a_planted_difference_is_found_and_called_real(comparison: Comparison) -> None:
    (sentence,) = comparison.sentences
    assert sentence.startswith("learnt is better than idle by 0.")
    assert "the difference is significant: it holds over 3 seeds (corrected paired t" in sentence
    (pair,) = comparison.pairs
    assert pair.is_real
    assert pair.difference == pytest.approx(
        comparison.rows[0].accuracy - comparison.rows[1].accuracy
    )


def test_rows_are_marked_timed_and_told_apart(comparison: Comparison) -> None:
    learnt, idle = comparison.rows
    assert (learnt.mark, idle.mark) == ("A", "B")
    assert comparison.differences == {"optimizer.lr": (0.2, 1e-9)}
    assert all(row.predicted_per_s and row.predicted_per_s > 100 for row in comparison.rows)
    assert comparison.notes == ()


def test_single_runs_find_their_rows(good: list[Run], idle: list[Run]) -> None:
    alone = hl.compare([good[0], idle[0]], pace=False)
    assert [len(row.runs) for row in alone.rows] == [1, 1]
    assert alone.rows[0].predicted_per_s is None
    assert "the difference between these two networks is significant" in alone.sentences[0]
    (row,) = hl.compare(good, pace=False).rows
    assert [run.path for run in row.runs] == [run.path for run in good]


def test_a_run_and_itself_are_the_same(good: list[Run]) -> None:
    twice = hl.compare([[good[0]], [good[0]]], pace=False)
    assert "are correct on exactly the same images" in twice.sentences[0]
    assert twice.pairs[0].p_adjusted == 1.0


def test_it_is_json_and_comes_again(
    comparison: Comparison, good: list[Run], idle: list[Run]
) -> None:
    told = json.loads(json.dumps(comparison.describe(), allow_nan=False))
    assert told["pairs"][0]["sentence"] == comparison.sentences[0]
    assert told["rows"][0]["runs"][2]["path"] == str(good[2].path)
    rows = [Group("learnt", tuple(good)), Group("idle", tuple(idle))]
    again, once_more = (hl.compare(rows, reach=0.9, pace=False).describe() for _ in range(2))
    assert again == once_more


def test_a_look_at_the_test_part_is_counted_and_told(own: list[Run]) -> None:
    (row,) = hl.compare(own, part="test", pace=False).rows
    assert row.looks == (2, 2, 2)
    assert row.pictures == 30


def test_surroundings_and_seeds_that_differ_are_noted(own: list[Run]) -> None:
    told = own[2].folder.read_json(own[2].folder.environment)
    own[2].folder.write_json(own[2].folder.environment, told | {"processor": "An abacus"})
    other = hl.compare([own[:2], [own[2]]], pace=False)
    seconds, seeds = other.notes
    assert "B: An abacus, 1 thread" in seconds
    assert "A: 0, 1; B: 2" in seeds
    assert other.sentences[0].endswith("cannot be tested: they have no seed in common.")


def test_of_many_pairs_those_with_the_best_are_told(good: list[Run], idle: list[Run]) -> None:
    names = ["best", "b", "c", "d", "e", "f"]
    rows = [Group(name, tuple(idle if n else good)) for n, name in enumerate(names)]
    many = hl.compare(rows, pace=False)
    assert (len(many.pairs), len(many.sentences)) == (15, 15)
    *told, last = many.answers
    assert len(told) == 5
    assert all("best" in sentence for sentence in told)
    assert last == "Left out: the 10 pairs without best."


def test_pairs_that_cannot_be_tested_share_a_sentence(good: list[Run]) -> None:
    rows = [Group(name, (run,)) for name, run in zip("abc", good, strict=True)]
    apart = hl.compare(rows, pace=False)
    assert apart.answers == (
        "Not tested, because they have no seed in common: a and b; a and c; b and c.",
    )
    many = [
        Group(f"{name}{n}", (run,)) for n in range(3) for name, run in zip("abc", good, strict=True)
    ]
    *told, last = hl.compare(many, pace=False).answers
    assert len(told) == 9
    assert last == "Not tested, because they have no seed in common: 27 pairs."


def test_what_cannot_be_compared(own: list[Run], good: list[Run], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"up to 1, got 90"):
        hl.compare(good, reach=90)
    own[1].folder.result.unlink()
    with pytest.raises(RunError, match="bars-1 cannot be compared: its training has not finished"):
        hl.compare(own, part="test")
    assert own[0].looks == 1
    text = own[0].folder.recipe.read_text()
    own[0].folder.recipe.write_text(text.replace("images.npy", "gone.npy"))
    without_pictures = open_run(own[0].path)
    with pytest.raises(DataError, match="gone"):
        hl.compare([without_pictures])
