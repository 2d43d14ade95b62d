"""Recipes that cannot be."""

from __future__ import annotations


def test_an_unknown_key(place, refused):
    place.change("bars.toml", lambda text: text.replace(b'"sgd"', b'"momentum"\nmomentun = 0.5'))
    refused(
        ["train", place.recipe],
        tells="bars.toml: optimizer.momentun is unknown; did you mean optimizer.momentum?",
    )


def test_a_wrong_type(place, refused):
    refused(
        ["train", place.recipe, "-o", "training.epochs=three"],
        tells='bars.toml: training.epochs is "three"; it has to be a whole number',
    )


def test_an_impossible_value(place, refused):
    arguments = ["train", place.recipe, "-o", "optimizer.lr=-1"]
    refused(arguments, tells="optimizer.lr is -1; it has to be a number above 0")


def test_an_impossible_flag(place, refused):
    arguments = ["train", place.recipe, "--threads", "0"]
    refused(arguments, tells="training.threads is 0; it has to be a whole number")


def test_an_unknown_engine(place, refused):
    arguments = ["train", place.recipe, "--engine", "numpi"]
    refused(arguments, tells='engine is "numpi"; it has to be one of … did you mean "numpy"?')


def test_an_override_without_a_value(place, refused):
    arguments = ["train", place.recipe, "-o", "training.epochs"]
    refused(arguments, tells="override 'training.epochs' has no '='; write it like")


def test_a_lenet_on_tiny_pictures(place, refused):
    arguments = ["train", place.recipe, "-o", "model.name=lenet"]
    refused(arguments, tells="layer 3: a window that spans 5 × 5 pixels … got 1 × 1")


def test_a_kernel_larger_than_the_picture(place, refused):
    layers = (
        '[{layer="conv2d", out_channels=2, kernel_size=7}, {layer="flatten"}, '
        '{layer="linear", out_features=3}]'
    )
    refused(
        ["train", place.recipe, "-o", "model.name=sequential", "-o", f"model.layers={layers}"],
        tells="layer 0: … 7 × 7 … 6 × 6",
    )


def test_an_unknown_recipe(place, refused):
    refused(
        ["train", "fashion-mlp-265"],
        tells="there is no recipe 'fashion-mlp-265'; did you mean fashion-mlp-256?",
    )


def test_a_recipe_that_is_not_there(place, refused):
    tells = "cannot read the recipe nowhere.toml: no such file or directory"
    refused(["train", "nowhere.toml"], tells=tells)


def test_no_toml(place, refused):
    place.change("bars.toml", lambda text: b"seed = 1\n{}\n")
    refused(["train", place.recipe], tells="bars.toml is not valid TOML: … line 2")


def test_an_array_as_a_recipe(place, refused):
    (place.data / "images.toml").write_bytes(b"\x93NUMPY\xff")
    arguments = ["gradcheck", place.data / "images.toml"]
    refused(arguments, tells="images.toml is not UTF-8 text")
