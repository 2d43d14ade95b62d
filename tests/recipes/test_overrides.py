from __future__ import annotations

import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handloom.errors import RecipeError
from handloom.recipes import Recipe, load_recipe, to_toml


@pytest.mark.parametrize(
    ("override", "value"),
    [
        ("optimizer.lr=0.5", 0.5),
        ("optimizer.lr = 1", 1.0),
        ("optimizer.lr=1e-3", 1e-3),
        ("data.stratify=true", True),
        ("model.hidden=[64, 32]", (64, 32)),
        ("model.hidden=[]", ()),
        ("model.activation=tanh", "tanh"),
        ('model.activation="tanh"', "tanh"),
        ("description=two words = one text", "two words = one text"),
        ("description=2026-01-01", "2026-01-01"),
        ('optimizer."lr"=2', 2.0),
        ("optimizer.per_layer_decay={'1.weight' = 0.1}", {"1.weight": 0.1}),
        ("training.checkpoints=3", 3),
        ("training.plateau={patience = 2}", {"factor": 0.1, "patience": 2, "monitor": "val_loss"}),
        ("data.validation=200", 200),
    ],
)
def test_a_value_is_read_as_toml_or_as_text(override: str, value: Any) -> None:
    found: Any = load_recipe("digits", [override]).model_dump()
    for key in override.partition("=")[0].replace('"', "").strip().split("."):
        found = found[key]
    assert found == value
    assert type(found) is type(value)


def test_text_and_mapping_say_the_same() -> None:
    texts = ["optimizer.lr=0.5", "model.hidden=[64]", "augment="]
    mapping = {"optimizer.lr": 0.5, "model.hidden": (64,), "augment": None}
    assert load_recipe("digits", texts) == load_recipe("digits", mapping)
    assert load_recipe("digits", texts).augment is None


def test_later_overrides_win() -> None:
    assert load_recipe("digits", ["seed=1", "seed=2"]).seed == 2


def test_nothing_after_the_sign_gives_the_default_back() -> None:
    assert load_recipe("digits").training.monitor == "val_loss"
    assert load_recipe("digits", ["training.monitor="]).training.monitor == "val_accuracy"
    assert load_recipe("digits", ["training.ema="]) == load_recipe("digits")


def test_a_layer_is_reached_by_its_place() -> None:
    recipe = load_recipe("digits-residual", ["model.layers.0.out_channels=4"])
    assert recipe.model.model_dump()["layers"][0]["out_channels"] == 4
    shorter = load_recipe("digits-residual", ["model.layers.1="])
    assert len(shorter.model.model_dump()["layers"]) == len(recipe.model.model_dump()["layers"]) - 1


def test_a_new_kind_keeps_what_both_know_and_drops_the_rest() -> None:
    old = load_recipe("digits").optimizer
    new = load_recipe("digits", ["optimizer.name=adam"]).optimizer
    assert (old.name, new.name) == ("nesterov", "adam")
    assert (new.lr, new.weight_decay) == (old.lr, old.weight_decay)
    assert load_recipe("mnist-mlp-1000", ["schedule.name=constant"]).schedule.name == "constant"
    assert load_recipe("mnist-lenet", ["model.name=mlp"]).model.name == "mlp"


def test_a_new_kind_of_a_given_recipe_does_not_inherit_the_old_ones_defaults() -> None:
    recipe = load_recipe("digits", ["optimizer.name=sgd", "optimizer.weight_decay="])
    assert load_recipe(recipe, ["optimizer.name=adamw"]).optimizer.weight_decay == 0.01


def test_a_key_that_the_override_itself_gives_is_never_dropped() -> None:
    with pytest.raises(RecipeError, match=r'is only for .* "momentum" or "nesterov" or "muon"'):
        load_recipe("digits", ["optimizer.name=adam", "optimizer.momentum=0.9"])


def test_a_kind_may_be_named_first_and_its_whole_table_given_after() -> None:
    overrides = {"optimizer.name": "adam", "optimizer": {"name": "sgd", "lr": 0.5}}
    assert load_recipe("digits", overrides).optimizer.model_dump(exclude_defaults=True) == {
        "name": "sgd", "lr": 0.5,
    }  # fmt: skip


def test_a_new_source_of_pictures_replaces_the_recipes() -> None:
    data = load_recipe("digits", ["data.images=a.npy", "data.labels=a.csv"]).data
    assert (data.name, data.validation) == (None, 0.1)
    assert load_recipe("digits", ["data.folder=pictures"]).data.name is None


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("optimizer.lr", "has no '='; write it like optimizer.lr=0.05"),
        ("=3", "is not a key like optimizer.lr"),
        ("optimizer..lr=3", "'optimizer..lr' is not a key like"),
        ("#=3", "'#' is not a key like"),
        ("a b=3", "'a b' is not a key like"),
        ("[data]\nseed=3", "is not a key like"),
        ("training.epochs.x=3", "override training.epochs.x: training.epochs is not a table"),
        ("model.layers.99.p=3", "'99' is not an index into a list of 11"),
        ("model.layers.first=3", "'first' is not an index into a list of 11"),
        ("seed=" + "[" * 5000, "nested too deeply"),
    ],
)
def test_what_is_no_override_is_told(override: str, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        load_recipe("digits-residual", [override])


def test_the_overridden_recipe_is_left_as_it_was() -> None:
    recipe, hidden = load_recipe("digits"), [7]
    before = to_toml(recipe)
    changed = load_recipe(recipe, {"model.hidden": hidden})
    hidden.append(8)
    assert to_toml(recipe) == before
    assert changed.model.model_dump()["hidden"] == (7,)


tables = [*Recipe.model_fields, "x"]
inner_keys = ["name", "lr", "hidden", "layers", "epochs", "images", "every", "per_layer_decay", "0"]
key_paths = st.lists(st.sampled_from([*tables, *inner_keys]), min_size=1, max_size=3).map(".".join)
plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@settings(deadline=None)  # the machine may be busy
@given(overrides=st.dictionaries(key_paths | st.text(max_size=8), plain_values, max_size=4))
def test_random_values_raise_nothing_but_recipe_errors(overrides: dict[str, Any]) -> None:
    try:
        recipe = load_recipe("digits", overrides)
    except RecipeError:
        return
    assert load_recipe(recipe) == recipe


@settings(deadline=None)  # the machine may be busy
@given(
    keys=st.lists(key_paths, max_size=3),
    text=st.text(max_size=20) | st.text(string.printable, max_size=20),
)
def test_random_text_raises_nothing_but_recipe_errors(keys: list[str], text: str) -> None:
    try:
        recipe = load_recipe("digits", [*(f"{key}={text}" for key in keys), f"description={text}"])
    except RecipeError:
        return
    assert load_recipe(recipe) == recipe
