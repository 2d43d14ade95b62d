"""Every shipped network as ONNX: onnxruntime agrees on real pictures, in batches of 1 and 1,000.

By default on as many pictures as take a moment; with --slow the whole test part for each shipped
recipe.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator

from handloom import assemble, data, nn
from handloom.data import Normalisation
from handloom.exchange import PortableClassifier
from handloom.exchange.onnx.check import run_model
from handloom.exchange.onnx.model import build_model
from handloom.recipes import Recipe, list_recipes, load_recipe, to_toml
from handloom.recipes.schema.recipe import KINDS

SHAPE, CLASSES = (1, 28, 28), 10
TOLERANCE = 1e-4  # of a logit and of a probability
OPERATIONS = 3e8  # multiply-adds that a test may take
MOST_OPERATIONS = 5e12  # and a slow one: all test pictures through a ResNet-18
NEEDED = {"mlp": {"hidden": [32]}, "sequential": None}  # None: the recipes have some


def models() -> list[Any]:
    """The networks of all recipes, and of each name that [model] can have."""
    found = [pytest.param(load_recipe(name), id=name) for name in list_recipes()]
    for name in KINDS["model"]:
        if (settings := NEEDED.get(name, {})) is not None:
            recipe = load_recipe("digits").model_dump()
            recipe["model"] = {"name": name, **settings}
            found.append(pytest.param(Recipe.model_validate(recipe), id=f"model-{name}"))
    return found


def stirred(recipe: Recipe, shape: tuple[int, ...], classes: int, rng: Generator) -> nn.Sequential:
    """The recipe's network with statistics that are not those of a new one."""
    network = assemble.build_model(recipe, shape, classes)
    for name, buffer in network.named_buffers().items():
        spread = 0.1 * rng.standard_normal(buffer.shape).astype(buffer.dtype)
        buffer += np.abs(spread) if name.endswith("var") else spread
    network.eval()
    return network


def multiply_adds(network: nn.Sequential) -> int:
    """Of one picture."""
    passages = nn.trace(network, np.zeros((1, *SHAPE), np.float32)).values()
    return sum(
        passage.layer.weight.value.size * math.prod(passage.y.shape[2:])
        for passage in passages
        if isinstance(passage.layer, nn.Conv2d | nn.Linear)
    )


def pictures(count: int) -> np.ndarray:
    """The embedded digits, as often as it takes."""
    digits = data.with_channels(data.load("digits").train.images)
    return np.resize(digits, (count, *SHAPE))


def assert_agrees(classifier: PortableClassifier, images: np.ndarray, batch: int) -> None:
    model = build_model(classifier).SerializeToString()
    for start in range(0, len(images), batch):
        some = images[start : start + batch]
        expected = classifier.network.forward(classifier.normalisation(some))
        logits, probabilities = run_model(model, some)
        assert np.abs(logits - expected).max() <= TOLERANCE
        assert np.abs(probabilities - nn.softmax(expected)).max() <= TOLERANCE
        np.testing.assert_array_equal(logits.argmax(axis=1), expected.argmax(axis=1))


@pytest.mark.parametrize("recipe", models())
def test_onnxruntime_agrees(recipe: Recipe, rng: Generator) -> None:
    network = stirred(recipe, SHAPE, CLASSES, rng)
    count = int(np.clip(OPERATIONS / multiply_adds(network), 2, 1000))
    images = pictures(count)
    normalisation = Normalisation.fit(recipe.data.normalise, images)
    names = tuple("0123456789")
    classifier = PortableClassifier("net", network, SHAPE, names, normalisation, to_toml(recipe))
    assert_agrees(classifier, images, batch=1000)
    assert_agrees(classifier, images[:2], batch=1)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("name", list_recipes())
def test_onnxruntime_agrees_on_all_test_pictures(
    name: str, data_dir: Path, rng: Generator, tmp_path: Path
) -> None:
    recipe = load_recipe(name)
    pictures_of = recipe.data.name or "fashion-mnist"  # where they are a user's own
    values = recipe.model_dump(mode="json", exclude_none=True, exclude_unset=True)
    values["data"] = {"name": pictures_of, "normalise": recipe.data.normalise}
    parts = assemble.load_parts(Recipe.model_validate(values), data_dir)
    assert parts.test is not None
    network = stirred(recipe, parts.test.image_shape, parts.test.num_classes, rng)
    classifier = PortableClassifier(
        name, network, parts.test.image_shape, parts.test.class_names, parts.normalisation,
        to_toml(recipe),
    )  # fmt: skip
    count = int(np.clip(MOST_OPERATIONS / multiply_adds(network), 100, len(parts.test)))
    images = data.with_channels(parts.test.images[:count])
    assert_agrees(classifier, images, batch=1000)
    assert_agrees(classifier, images[:100], batch=1)
