"""Which runs make a row, and what a row is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from handloom.errors import ConfigError
from handloom.recipes import load_recipe
from handloom.run import RunFolder
from handloom.run.results import Run, open_run
from handloom.studies.compare.groups import Group, differing, grouped, name_of


def test_runs_that_differ_in_their_seed_make_a_row(good: list[Run], idle: list[Run]) -> None:
    mixed = [good[0], idle[0], good[1], idle[1], good[2]]
    first, second = grouped(mixed)
    assert first.runs == tuple(good)
    assert second.runs == (idle[0], idle[1])


def test_threads_and_description_do_not_make_another_row(own: list[Run]) -> None:
    path = own[0].folder.recipe
    text = path.read_text().replace("threads = 1", "threads = 2")
    path.write_text(text.replace('description = "', 'description = "Once more: '))
    (row,) = grouped([open_run(run.path) for run in own])
    assert len(row.runs) == 3


def test_a_list_is_a_row_as_it_stands(good: list[Run]) -> None:
    alone, together = grouped([good[0], good[1:]])
    assert (alone.runs, together.runs) == ((good[0],), tuple(good[1:]))
    (named,) = grouped([Group("mine", tuple(good))])
    assert named.name == "mine"


def test_one_training_is_no_two_witnesses(good: list[Run], own: list[Run]) -> None:
    with pytest.raises(ConfigError, match="are the same training"):
        grouped([good[0], own[0]])


@pytest.mark.parametrize("nothing", [[], [[]]])
def test_nothing_cannot_be_compared(nothing: list[list[Run]]) -> None:
    with pytest.raises(ConfigError, match="nothing to compare"):
        grouped(nothing)


@pytest.mark.parametrize(
    ("folders", "name"),
    [
        ((), ""),
        (("runs/digits",), "digits"),
        (("runs/digits", "runs/digits-2"), "digits"),
        (("fashion-mlp-256", "fashion-mlp-256-2", "fashion-mlp-256-3"), "fashion-mlp-256"),
        (("lenet-seed-0", "lenet-seed-1"), "lenet"),
        (("lenet_s1", "lenet_s2"), "lenet"),
        (("lenet-10", "lenet-11"), "lenet"),
        (("a/lr=0.1,0f00babe/seed-0", "a/lr=0.1,0f00babe/seed-1"), "lr=0.1"),
        (("lenet-71b0ad2a/seed-0",), "lenet"),
        (("four/fold-1-seed-0", "four/fold-2-seed-0"), "four"),
        (("facade00",), "facade00"),
        (("one", "other", "third"), "one and 2 more"),
    ],
)
def test_a_row_is_called_what_its_folders_have_in_common(
    folders: tuple[str, ...], name: str
) -> None:
    assert name_of([Run(RunFolder(Path(folder))) for folder in folders]) == name


def test_rows_of_one_name_go_by_their_path(good: list[Run], idle: list[Run]) -> None:
    first, second = grouped([good[0], idle[0]])
    assert (first.name, second.name) == (str(good[0].path), str(idle[0].path))


def test_what_differs_is_told_by_key(bars: Path) -> None:
    changes = [{}, {"seed": 5, "training.threads": 2}, {"model.hidden": [4], "optimizer.lr": 0.1}]
    assert differing([load_recipe(bars, change) for change in changes]) == {
        "model.hidden": ((8,), (8,), (4,)),
        "optimizer.lr": (0.2, 0.2, 0.1),
    }
    other = differing([load_recipe(bars), load_recipe(bars, ["model.name=lenet"])])
    assert other["model.name"] == ("mlp", "lenet")
    assert other["model.kernel_size"] == (None, 5)
