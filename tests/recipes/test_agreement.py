"""The schema names what other rooms make: both have to know the same names and ranges."""

from __future__ import annotations

import inspect
from typing import Any, get_args

import numpy as np
import pytest
from numpy.random import Generator

from handloom import models, optim
from handloom.data.batches.augment import Augmentation
from handloom.data.prepare.normalise import NormalisationKind
from handloom.errors import ConfigError, ShapeError
from handloom.nn import INITS
from handloom.recipes import load_recipe
from handloom.recipes.schema import Augment, Data
from handloom.recipes.schema.layers import LayerTable
from handloom.recipes.schema.model import Activation, Sequential
from handloom.recipes.schema.recipe import KINDS
from handloom.run.assemble.network import MODELS

IMAGE = (1, 28, 28)


def build(name: str, rng: Generator, overrides: list[str]) -> Any:
    """The recipe's network, put together as a training would do it."""
    settings = load_recipe(name, overrides).model.model_dump()
    return MODELS[settings.pop("name")](input_shape=IMAGE, num_classes=10, rng=rng, **settings)


@pytest.mark.parametrize(
    ("name", "num_parameters"),
    [
        ("digits", 101_770),
        ("digits-residual", 7_002),
        ("fashion-mlp-256", 235_146),
        ("fashion-mlp-512", 468_874),
        ("mnist-lenet", 44_374),
        ("mnist-mlp-1000", 795_010),
    ],
)
def test_a_shipped_recipe_builds_its_network(
    name: str, num_parameters: int, rng: Generator
) -> None:
    network = build(name, rng, [])
    assert network.num_parameters() == num_parameters
    network.begin_step(0)
    assert network.forward(np.zeros((2, *IMAGE), np.float32)).shape == (2, 10)


@pytest.mark.parametrize("activation", get_args(Activation))
@pytest.mark.parametrize("recipe", ["digits", "mnist-lenet"])
def test_every_activation_of_the_schema_is_built(
    recipe: str, activation: str, rng: Generator
) -> None:
    overrides = [f"model.activation={activation}", "model.dropout=0.5"]
    assert build(recipe, rng, overrides).output_shape(IMAGE) == (10,)


@pytest.mark.parametrize("init", INITS)
def test_every_initialiser_is_known(init: str, rng: Generator) -> None:
    build("digits", rng, [f"model.init={init}", "model.norm=batch"])


def test_every_layer_of_the_schema_is_built_and_the_other_way_round(rng: Generator) -> None:
    with pytest.raises(ShapeError, match="not a kind of layer") as caught:
        models.from_layers([{"layer": ""}], IMAGE, 10, rng=rng)
    made = set(caught.value.message.partition("use one of ")[2].split(", "))
    tables = get_args(get_args(LayerTable)[0])
    assert made == {
        kind for table in tables for kind in get_args(table.model_fields["layer"].annotation)
    }
    # Every option that a table passes on is one that its layer takes.
    inner = [{"layer": "conv2d", "out_channels": 2, "kernel_size": 3}]
    needed = {"out_features": 4, "out_channels": 4, "kernel_size": 2, "size": 9, "p": 0.5}
    needed |= {"body": inner}
    needed |= {"shortcut": inner, "branches": [inner]}
    for kind in made:
        table = next(t for t in tables if kind in get_args(t.model_fields["layer"].annotation))
        told = {key: needed[key] for key in needed if key in table.model_fields}
        model = Sequential.model_validate(
            {"name": "sequential", "layers": [{"layer": kind, **told}]}
        )
        (spec,) = model.model_dump()["layers"]
        image = (16,) if kind == "linear" else IMAGE
        with pytest.raises(ShapeError, match="a score for each class"):
            models.from_layers([spec], image, 10, rng=rng)


def test_the_names_of_optimizers_and_normalisations_are_those_of_their_rooms() -> None:
    assert list(KINDS["optimizer"]) == list(optim.OPTIMIZERS)
    assert Data.model_fields["normalise"].annotation == NormalisationKind


def test_every_model_of_the_schema_is_built_and_the_other_way_round() -> None:
    assert list(KINDS["model"]) == list(MODELS)


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"sequential"}))
def test_the_settings_and_defaults_are_those_of_the_functions(name: str) -> None:
    fields = KINDS["model"][name].model_fields
    table = {key: field for key, field in fields.items() if key != "name"}
    signature = inspect.signature(MODELS[name])
    taken = [p for p in signature.parameters.values() if p.kind is p.KEYWORD_ONLY]
    assert [p.name for p in taken if p.name not in ("rng", "dtype")] == list(table)
    for parameter in taken[: len(table)]:
        field = table[parameter.name]
        assert field.is_required() == (parameter.default is parameter.empty)
        if not field.is_required():
            assert field.default == parameter.default


AMOUNTS = {
    "rotate": 180,
    "shift": 1,
    "scale": 0.9,
    "shear": 2,
    "flip": 1,
    "crop_padding": 64,
    "erase": 1,
    "erase_max": 4096,
    "elastic_alpha": 1000,
    "elastic_sigma": 100,
    "noise": 1,
}


@pytest.mark.parametrize(("amount", "most"), AMOUNTS.items())
def test_augmentation_goes_as_far_in_both_rooms(amount: str, most: float) -> None:
    Augment.model_validate({amount: most})
    Augmentation(**{amount: most})
    beyond = most + 1
    with pytest.raises(ValueError, match=amount):
        Augment.model_validate({amount: beyond})
    with pytest.raises(ConfigError, match=amount):
        Augmentation(**{amount: beyond})
