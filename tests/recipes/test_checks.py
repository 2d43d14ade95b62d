"""The checks that tables are made of, each by itself, and what two recipes differ in."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from handloom.errors import RecipeError
from handloom.recipes import load_recipe, to_toml
from handloom.recipes.explain import explain, shown
from handloom.recipes.flat import differences
from handloom.recipes.overrides import apply_overrides
from handloom.recipes.schema.model import _is_6n_plus
from handloom.recipes.schema.recipe import tables_with
from handloom.recipes.schema.table import one_of, said


def refused(annotation: Any, value: Any) -> tuple[str, str]:
    """The type of the problem, and its words."""
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(annotation).validate_python(value, strict=True)
    (problem,) = caught.value.errors()
    return problem["type"], problem["msg"]


def test_a_value_has_words_of_its_own() -> None:
    pixels = Annotated[int, Field(ge=1), said("whole pixels from 1 up")]
    assert TypeAdapter(pixels).validate_python(3) == 3
    for value in (0, "3", 2.5, None):
        assert refused(pixels, value) == ("not_allowed", "whole pixels from 1 up")


def test_a_name_is_one_of_a_table_s() -> None:
    name = Annotated[str, one_of({"tanh": 1, "relu": 2})]
    assert TypeAdapter(name).validate_python("relu") == "relu"
    assert refused(name, "gelu") == ("not_a_choice", "tanh, relu")


@pytest.mark.parametrize(
    ("offset", "depths"), [(2, {8, 14, 20, 26, 32}), (4, {10, 16, 22, 28, 34})]
)
def test_depths_are_whole_stages(offset: int, depths: set[int]) -> None:
    depth = TypeAdapter(Annotated[int, _is_6n_plus(offset)])
    for value in range(-10, 36):
        if value in depths:
            assert depth.validate_python(value) == value
        else:
            with pytest.raises(ValidationError):
                depth.validate_python(value)


class Odd(BaseModel):
    """A table with a check that has no words of Handloom's."""

    year: Annotated[int, Field(multiple_of=2)]


@pytest.mark.parametrize(
    ("values", "words"),
    [({"year": 3}, "year is 3: input should be a multiple of 2"),
     ({"year": "x" * 99}, f'year is "{"x" * 49}…: ')],
)  # fmt: skip
def test_a_problem_without_words_is_told_in_pydantics(values: Any, words: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Odd.model_validate(values, strict=True)
    assert explain(caught.value, values).startswith(words)


def test_a_problem_of_the_whole_names_the_recipe() -> None:
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(Annotated[int, Field(multiple_of=2)]).validate_python(3)
    assert explain(caught.value, 3).startswith("the recipe is 3: input should be a multiple")


# -- what two recipes differ in -------------------------------------------------------------------


def test_recipes_differ_in_keys(bars: Path) -> None:
    one = load_recipe(bars)
    assert differences(one, one) == []
    other = load_recipe(bars, {"training.epochs": 9, "model.hidden": [4], "description": "other"})
    assert differences(one, other) == differences(other, one) == ["model.hidden", "training.epochs"]


def test_a_key_that_one_of_them_lacks_differs(bars: Path) -> None:
    one = load_recipe(bars)
    other = load_recipe(bars, {"optimizer.name": "momentum", "optimizer.lookahead": {"every": 3}})
    assert differences(one, other) == [
        "optimizer.lookahead.every", "optimizer.lookahead.share",
        "optimizer.momentum", "optimizer.name",
    ]  # fmt: skip


def test_where_data_are_does_not_count_but_what_they_are_does(bars: Path) -> None:
    one = load_recipe(bars)
    moved = load_recipe(bars, {"data.images": "elsewhere.npy"})
    assert differences(one, moved) == []
    known = load_recipe(bars, {"data.name": "digits"})
    assert differences(one, known) == [
        "data.images", "data.labels", "data.name", "data.test_images", "data.test_labels",
    ]  # fmt: skip
    without = load_recipe(bars, {"data.test_images": None, "data.test_labels": None})
    assert differences(one, without) == ["data.test_images", "data.test_labels"]


def test_a_table_that_comes_in_kinds_begins_with_its_name(bars: Path) -> None:
    lines = to_toml(load_recipe(bars, {"optimizer.weight_decay": 0.1})).splitlines()
    for table in ("model", "loss", "optimizer", "schedule"):
        assert lines[lines.index(f"[{table}]") + 1].startswith("name = ")
    assert not lines[lines.index("[training]") + 1].startswith("name")


# -- words about values and keys ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("key", "homes"),
    [
        ("validation", ["data"]), ("rotate", ["augment"]), ("epochs", ["training"]),
        ("precision", ["torch"]), ("betas", ["optimizer"]), ("hidden", ["model"]),
        ("label_smoothing", ["loss"]), ("milestones", ["schedule"]), ("nothing", []),
        ("factor", ["schedule"]),
    ],
)  # fmt: skip
def test_a_key_has_its_tables(key: str, homes: list[str]) -> None:
    assert tables_with(key) == homes


def test_a_value_is_cut_short() -> None:
    assert shown(list(range(9))) == "[0, 1, 2, 3, 4, 5, 6, 7, 8]"
    assert shown(list(range(10))) == "[0, 1, 2, 3, 4, 5, 6, 7, 8, …]"
    assert shown("x" * 48) == f'"{"x" * 48}"'  # 50 characters, as they are shown
    assert shown("x" * 49) == f'"{"x" * 49}…'
    assert shown({"a": 1}) == "a table"


class Single(BaseModel):
    """A choice of one."""

    only: Literal["this"]


def test_a_choice_of_one_is_no_list() -> None:
    with pytest.raises(ValidationError) as caught:
        Single.model_validate({"only": "thus"})
    said = explain(caught.value, {"only": "thus"})
    assert said == 'only is "thus"; it has to be this; did you mean "this"?'


def test_places_in_a_list_end_before_its_length() -> None:
    layers = [{"layer": "flatten"}, {"layer": "linear", "out_features": 10}]
    model = {"model": {"name": "sequential", "layers": layers}}
    changed = apply_overrides(model, {"model.layers.1.out_features": 3})
    assert changed["model"]["layers"][1]["out_features"] == 3
    with pytest.raises(RecipeError, match="'2' is not an index into a list of 2"):
        apply_overrides(model, {"model.layers.2.out_features": 3})
