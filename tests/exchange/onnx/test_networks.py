"""Every shipped network as ONNX: onnxruntime agrees on real images, in batches of 1 and 1,000.

By default on as many images as take a moment; with --slow on the whole test split, each image
also by itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from numpy.random import Generator

from handloom import data, nn
from handloom.data import Normalisation
from handloom.exchange import PortableClassifier
from handloom.exchange.onnx.model import build_model
from handloom.recipes import Recipe, list_recipes, load_recipe, to_toml
from handloom.recipes.schema.recipe import KINDS
from handloom.run import assemble

SHAPE, CLASSES = (1, 28, 28), 10
TOLERANCE = 1e-4  # of a logit and of a probability
OPERATIONS = 3e8  # multiply-adds that a quick test may take
BATCH = 1000
NEEDED = {"mlp": {"hidden": [32]}, "sequential": None}  # None: the recipes have some


def models() -> list[Any]:
    """The networks of all recipes, and of each name that [model] can have."""
    found = [
        pytest.param(
            load_recipe(name), id=name,
            # seconds of layers, all of which the other wide network has
            marks=[pytest.mark.slow] if name == "fashion-wide-resnet" else [],
        )
        for name in list_recipes()
    ]  # fmt: skip
    for name in KINDS["model"]:
        if (settings := NEEDED.get(name, {})) is not None:
            recipe = load_recipe("fashion-mlp-256").model_dump()
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
    """Of one image."""
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


def assert_agrees(classifier: PortableClassifier, images: np.ndarray, singles: int) -> None:
    """In batches of 1,000, and the first `singles` images of each batch one by one."""
    model = build_model(classifier).SerializeToString()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    for start in range(0, len(images), BATCH):
        some = images[start : start + BATCH]
        expected = classifier.network.forward(classifier.normalisation(some))
        assert_equal_scores(session.run(None, {"pictures": some}), expected)
        each = [
            session.run(None, {"pictures": some[k : k + 1]}) for k in range(singles)[: len(some)]
        ]
        assert_equal_scores(
            [np.concatenate(o) for o in zip(*each, strict=True)], expected[:singles]
        )


def assert_equal_scores(outputs: Sequence[np.ndarray], expected: np.ndarray) -> None:
    logits, probabilities = outputs
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
    assert_agrees(classifier, images, singles=2)


@pytest.mark.slow
@pytest.mark.data
@pytest.mark.parametrize("recipe", models())
def test_onnxruntime_agrees_on_all_test_pictures(
    recipe: Recipe, data_dir: Path, rng: Generator
) -> None:
    values = recipe.model_dump(mode="json", exclude_none=True, exclude_unset=True)
    pictures_of = recipe.data.name or "fashion-mnist"  # where they are a user's own
    values["data"] = {"name": pictures_of, "normalise": recipe.data.normalise}
    parts = assemble.load_parts(Recipe.model_validate(values), data_dir)
    assert parts.test is not None
    network = stirred(recipe, parts.test.image_shape, parts.test.num_classes, rng)
    classifier = PortableClassifier(
        "net", network, parts.test.image_shape, parts.test.class_names, parts.normalisation,
        to_toml(recipe),
    )  # fmt: skip
    assert_agrees(classifier, data.with_channels(parts.test.images), singles=BATCH)
