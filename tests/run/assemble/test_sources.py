"""Paths of one's own data: as they are told, by their ends under another folder, beside the run."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from handloom.errors import DataError
from handloom.recipes import Recipe, load_recipe
from handloom.run.assemble.sources import located, relative_paths

Change = Callable[..., Recipe]


def table(path: str) -> Recipe:
    """A recipe whose two files are at `path` and beside it; nothing has to be there."""
    files = {
        "data.name": None,
        "data.images": path,
        "data.labels": str(Path(path).parent / "y.csv"),
    }
    return load_recipe("digits", files)


def folder_of(path: str, key: str = "folder") -> Recipe:
    return load_recipe("digits", {"data.name": None, f"data.{key}": path})


def put(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")


@pytest.mark.parametrize("kept", ["own/x.npy", "x.npy", "old/own/x.npy"])
def test_the_longest_end_that_exists_is_taken(tmp_path: Path, kept: str) -> None:
    here = tmp_path / "here"
    put(here / kept, (here / kept).with_name("y.csv"))
    found = located(table("/old/own/x.npy"), here).data
    assert found.images == str(here / kept)
    assert found.labels == str((here / kept).with_name("y.csv"))


def test_of_several_ends_the_longest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "x.npy", tmp_path / "own" / "x.npy", tmp_path / "y.csv")
    monkeypatch.chdir(tmp_path.parent)
    found = located(table("/old/own/x.npy"), tmp_path.name).data
    assert found.images == str(tmp_path / "own" / "x.npy")  # absolute, whatever was told
    assert found.labels == str(tmp_path / "y.csv")


def test_a_folder_may_be_the_one_that_is_told(tmp_path: Path) -> None:
    cats = tmp_path / "cats"
    cats.mkdir()
    for key in ("folder", "idx"):
        assert getattr(located(folder_of("/old/cats", key), cats).data, key) == str(cats)
        with pytest.raises(DataError, match=f"data.{key}: there is no dogs in {cats}"):
            located(folder_of("/old/dogs", key), cats)
    (cats / "cats").mkdir()
    assert located(folder_of("/old/cats"), cats).data.folder == str(cats / "cats")


def test_a_file_is_not_the_folder_that_is_told(tmp_path: Path) -> None:
    named = tmp_path / "x.npy"
    named.mkdir()
    with pytest.raises(DataError, match=r"data\.images: there is no x\.npy in"):
        located(table("/old/x.npy"), named)


def test_what_is_nowhere_is_refused_with_what_is_there(tmp_path: Path) -> None:
    old = tmp_path / "old" / "x.npy"
    recipe, here = table(str(old)), tmp_path / "here"
    here.mkdir()
    with pytest.raises(DataError) as caught:
        located(recipe, here)
    assert str(caught.value) == (
        f"data.images: there is no x.npy in {here}, and {old} does not exist either"
    )
    put(old, old.with_name("y.csv"))
    with pytest.raises(DataError) as caught:
        located(recipe, here)
    assert str(caught.value) == (
        f"data.images: there is no x.npy in {here}, and {old} exists; remove the data folder "
        "to use it"
    )


def test_without_folder_and_run_nothing_changes() -> None:
    recipe = table("/old/x.npy")
    assert located(recipe) is recipe
    known = load_recipe("digits")
    assert located(known, "/anywhere").data == known.data


def test_what_was_moved_together_is_found(tmp_path: Path) -> None:
    """By the way from the run to the data, which the run keeps; the old place counts if it is."""
    old, new = tmp_path / "old", tmp_path / "new"
    put(old / "data" / "x.npy", old / "data" / "y.csv", old / "run" / "recipe.toml")
    recipe = table(str(old / "data" / "x.npy"))
    kept = relative_paths(recipe, old / "run")
    assert kept == {
        str(old / "data" / "x.npy"): "../data/x.npy",
        str(old / "data" / "y.csv"): "../data/y.csv",
    }
    put(new / "data" / "x.npy", new / "data" / "y.csv")
    (new / "run").mkdir()
    assert located(recipe, run=new / "run", kept=kept).data == recipe.data  # still where it was
    for name in ("x.npy", "y.csv"):
        (old / "data" / name).unlink()
    found = located(recipe, run=new / "run", kept=kept).data
    assert (found.images, found.labels) == (
        str(new / "data" / "x.npy"), str(new / "data" / "y.csv")
    )  # fmt: skip


@pytest.mark.parametrize("kept", [None, {}, {"/old/x.npy": 3}])
def test_a_run_that_keeps_no_way_says_where_it_looked(tmp_path: Path, kept: Any) -> None:
    with pytest.raises(DataError) as caught:
        located(table("/old/x.npy"), run=tmp_path, kept=kept)
    assert str(caught.value) == (
        f"data.images: /old/x.npy does not exist; if the data of {tmp_path} were moved, give their "
        "folder with --data-dir"
    )


def test_both_places_are_named_where_neither_has_the_data(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f", nor is {tmp_path}/far/x.npy; if the data of"):
        located(table("/old/x.npy"), run=tmp_path / "run", kept={"/old/x.npy": "../far/x.npy"})
    same = {"/old/x.npy": "/old/x.npy"}
    with pytest.raises(DataError, match=r"x\.npy does not exist; if the data of"):
        located(table("/old/x.npy"), run=tmp_path, kept=same)


def test_a_name_that_no_file_can_have_is_nowhere(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"^data\.images: .* does not exist either"):
        located(table(f"/old/{'x' * 300}.npy"), tmp_path)


def test_a_path_that_was_not_absolute_keeps_its_first_folder(tmp_path: Path) -> None:
    recipe = table("/own/x.npy")
    told = {"images": "own/x.npy", "labels": "own/y.csv"}
    relative = recipe.model_copy(update={"data": recipe.data.model_copy(update=told)})
    put(tmp_path / "own" / "x.npy", tmp_path / "own" / "y.csv", tmp_path / "x.npy")
    assert located(relative, tmp_path).data.images == str(tmp_path / "own" / "x.npy")


def test_a_path_without_a_way_from_the_run_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As one on another drive; the others are kept."""
    relpath = os.path.relpath

    def other_drive(path: Any, start: Any) -> str:
        if str(path).endswith(".npy"):
            raise ValueError("path is on mount 'D:', start on mount 'C:'")
        return relpath(path, start)

    monkeypatch.setattr(os.path, "relpath", other_drive)
    assert relative_paths(table("/old/x.npy"), Path("/old/run")) == {"/old/y.csv": "../y.csv"}
