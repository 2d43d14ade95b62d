from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handloom.errors import RecipeError
from handloom.recipes import Recipe, list_recipes, load_recipe, recipe_text, to_toml

SMALL = """
[data]
images = "train.npy"
labels = "/labels/train.csv"
[model]
name = "mlp"
hidden = [8]
[optimizer]
name = "sgd"
lr = 0.1
[training]
epochs = 1
batch_size = 2
"""


def written(folder: Path, text: str | bytes, name: str = "my.toml") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_paths_in_a_file_count_from_its_folder(tmp_path: Path) -> None:
    data = load_recipe(written(tmp_path, SMALL)).data
    assert data.images == str(tmp_path / "train.npy")
    assert data.labels == "/labels/train.csv"


def test_paths_in_overrides_count_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    data = load_recipe(written(tmp_path, SMALL), ["data.labels=mine.csv"]).data
    assert data.images == str(tmp_path / "train.npy")
    assert data.labels == str(tmp_path / "elsewhere" / "mine.csv")


def test_a_resolved_recipe_is_the_same_recipe_from_any_folder(tmp_path: Path) -> None:
    recipe = load_recipe(written(tmp_path, SMALL))
    (tmp_path / "run").mkdir()
    assert load_recipe(written(tmp_path / "run", to_toml(recipe), "recipe.toml")) == recipe


def test_windows_line_ends_and_byte_order_mark_are_read(tmp_path: Path) -> None:
    windows = b"\xef\xbb\xbf" + SMALL.replace("\n", "\r\n").encode()
    assert load_recipe(written(tmp_path, windows)) == load_recipe(written(tmp_path, SMALL))


def test_a_recipe_is_loaded_as_it_is(tmp_path: Path) -> None:
    recipe = load_recipe("digits")
    assert load_recipe(recipe) == recipe
    assert load_recipe(recipe, {"training.epochs": 2}).training.epochs == 2


def test_a_recipe_cannot_be_changed() -> None:
    recipe = load_recipe("digits")
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 1
    assert isinstance(hash(recipe.training), int)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "optimizer:\n  lr: 0.1\n",
            r"my\.toml is not valid TOML: a key needs '='.*line 1, column 10",
        ),
        ("seed = 1\nseed = 2\n", r"my\.toml is not valid TOML: a key is given twice \(at line 2"),
        ("[data]\nname = 'a'\n[data]\n", r"a table is given twice: .*line 3"),
        ("seed = [1,", r"my\.toml is not valid TOML: .*"),
        ("seed = " + "9" * 5000, r"my\.toml is not valid TOML: .*"),
        ("seed = " + "[" * 5000, "nested too deeply"),
        (b"seed = 1\n\xff\xfe", r"my\.toml is not UTF-8 text: see line 2"),
        ("#" * 2_000_000, "longer than 1,000,000 bytes"),
        ("", r"my\.toml: data is missing \(and 3 more problems\)"),
    ],
)
def test_what_is_no_recipe_is_told_with_file_and_line(
    tmp_path: Path, text: str | bytes, told: str
) -> None:
    with pytest.raises(RecipeError, match=told):
        load_recipe(written(tmp_path, text))


@pytest.mark.parametrize("name", ["nowhere.toml", "no/where", "a\0b.toml"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecipeError, match=r"cannot read the recipe .*(nowhere|where|a\\x00b)"):
        load_recipe(f"{tmp_path}/{name}")
    with pytest.raises(RecipeError, match=r"cannot read the recipe .*: is a directory"):
        load_recipe(tmp_path)


def test_a_path_that_no_file_could_have_is_shown_in_short(tmp_path: Path) -> None:
    with pytest.raises(
        RecipeError, match=r"cannot read the recipe .*: the name is too long"
    ) as told:
        load_recipe(f"{tmp_path}/{'x' * 5000}.toml")
    assert len(str(told.value)) < 600
    with pytest.raises(RecipeError, match="there is no recipe 'xxx") as told:
        load_recipe("x" * 5000)
    assert len(str(told.value)) < 600


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(RecipeError, match=r"'fashion-mlp-265'; did you mean fashion-mlp-256\?"):
        load_recipe("fashion-mlp-265")
    with pytest.raises(RecipeError, match="`handloom recipes list` lists all"):
        recipe_text("")


def test_the_text_keeps_its_comments(tmp_path: Path) -> None:
    assert "# published: 5:1 of 60,000" in recipe_text("mnist-lenet")
    assert recipe_text(written(tmp_path, "# mine")) == "# mine"


# -- every shipped recipe -------------------------------------------------------------------------


@pytest.mark.parametrize("name", list_recipes())
def test_a_shipped_recipe_survives_being_resolved(name: str, tmp_path: Path) -> None:
    recipe = load_recipe(name)
    text = to_toml(recipe)
    assert recipe.description == list_recipes()[name] != ""
    assert load_recipe(written(tmp_path, text)) == recipe
    assert to_toml(load_recipe(recipe)) == text


def test_the_published_experiments_are_as_published() -> None:
    names = list_recipes()
    assert names == dict(sorted(names.items()))
    expected = {
        # hidden, optimizer, lr, L2, batch size, epochs, monitor
        "fashion-mlp-512": ((512, 128), "sgd", 0.1, 1e-5, 64, 50, "val_loss"),
        "fashion-mlp-256": ((256, 128), "sgd", 0.1, 0.0, 100, 40, "val_accuracy"),
        "mnist-mlp-1000": ((1000,), "momentum", 0.1, 1e-3, 32, 5, "val_accuracy"),
        "mnist-mlp-1000-no-l2": ((1000,), "momentum", 0.1, 0.0, 32, 5, "val_accuracy"),
        "mnist-mlp-1000-early-stopping": ((1000,), "momentum", 0.1, 1e-3, 32, 5, "val_accuracy"),
        "mnist-mlp-1000-augmented": ((1000,), "momentum", 0.1, 1e-3, 32, 5, "val_accuracy"),
        "mnist-lenet": ((128, 64), "momentum", 0.01, 1e-3, 32, 5, "val_accuracy"),
    }
    for name, values in expected.items():
        recipe = load_recipe(name)
        optimizer, training = recipe.optimizer, recipe.training
        assert recipe.model.name != "sequential"
        assert values == (
            recipe.model.hidden,
            optimizer.name,
            optimizer.lr,
            optimizer.weight_decay,
            training.batch_size,
            training.epochs,
            training.monitor,
        )
    contest = load_recipe("contest-resnet")
    assert (contest.model.depth, contest.optimizer.lr, contest.optimizer.momentum) == (
        18,
        0.003,
        0.9,
    )
    assert (contest.optimizer.weight_decay, contest.schedule.every) == (5e-4, 10)
    assert (contest.training.batch_size, contest.training.epochs) == (32, 40)
    compared = {name for name in names if name.endswith("-torch") or "-mlp-torch-" in name}
    assert {*expected, *compared, "contest-resnet", "digits"} <= set(names)


def test_the_variants_differ_from_their_original_where_they_say() -> None:
    original = load_recipe("mnist-mlp-1000").model_dump()

    def changed(name: str) -> set[str]:
        variant = load_recipe(name).model_dump()
        return {key for key in original if original[key] != variant[key]} - {"description"}

    assert changed("mnist-mlp-1000-no-l2") == {"optimizer"}
    assert changed("mnist-mlp-1000-early-stopping") == {"training"}
    assert changed("mnist-mlp-1000-augmented") == {"augment"}
    original = load_recipe("fashion-mlp-torch").model_dump()
    for other in ("deeper", "dropout", "batch-norm"):
        assert changed(f"fashion-mlp-torch-{other}") == {"model"}
    assert changed("fashion-cnn-torch") == {"model"}
    assert changed("fashion-mlp-torch-augmented") == {"augment"}


# -- random input ---------------------------------------------------------------------------------

# Pieces that TOML is made of, so that many texts get past its grammar and reach the schema.
keys = st.sampled_from(
    [*Recipe.model_fields, "name", "layers", "layer", "hidden", "lr", "epochs", "'', ", "x"]
)
toml_values = st.recursive(
    st.sampled_from(
        ["1", "-1", "0.5", "nan", "inf", "true", "'mlp'", "'adam'", "2020-01-01", "0xff"]
    )
    | st.integers().map(str)
    | st.text("ab'\"\\", max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda parts: f"[{', '.join(parts)}]")
        | st.tuples(keys, inner).map(lambda pair: f"{{ {pair[0]} = {pair[1]} }}")
    ),
    max_leaves=5,
)
lines = (
    st.tuples(keys, toml_values).map(lambda pair: f"{pair[0]} = {pair[1]}")
    | keys.map(lambda key: f"[{key}]")
    | keys.map(lambda key: f"[[model.{key}]]")
    | st.text(max_size=10)
)


@settings(deadline=None)  # the machine may be busy
@given(text=st.lists(lines, max_size=12).map("\n".join) | st.binary(max_size=200))
def test_random_text_raises_nothing_but_recipe_errors(
    tmp_path_factory: pytest.TempPathFactory, text: str | bytes
) -> None:
    data = text if isinstance(text, bytes) else text.encode()
    path = written(tmp_path_factory.getbasetemp(), data, "random.toml")
    try:
        load_recipe(path)
    except RecipeError as error:
        assert str(error).startswith(str(path))  # noqa: PT017 (it need not raise)
