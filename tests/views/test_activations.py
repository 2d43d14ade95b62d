from __future__ import annotations

import numpy as np
import pytest

from handloom import nn
from handloom.views.run.activation_sheets import draw_activation_pair, draw_activations
from handloom.views.run.activations import activations, as_planes, one_of_each_class

NAMES = ("zero", "one", "two")


def as_floats(images: np.ndarray) -> np.ndarray:
    return (images[:, None] / 255).astype(np.float32)


@pytest.fixture
def network(rng: np.random.Generator) -> nn.Layer:
    block = nn.Sequential(nn.Conv2d(4, 4, 3, rng=rng, padding=1), nn.ReLU())
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, rng=rng),
        nn.Residual(block),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5, rng=rng),
        nn.Linear(36, 3, rng=rng),
    ).eval()


def test_the_first_right_picture_of_each_class_is_taken() -> None:
    labels = np.array([2, 0, 0, 2, 2, 0])
    predicted = np.array([0, 1, 0, 2, 2, 1])
    np.testing.assert_array_equal(one_of_each_class(labels, predicted, 3), [2, 3])


def test_a_class_that_is_never_right_shows_its_first_picture() -> None:
    np.testing.assert_array_equal(
        one_of_each_class(np.array([1, 0, 1]), np.array([0, 0, 0]), 2), [1, 0]
    )


def test_many_classes_are_thinned_evenly() -> None:
    labels = np.arange(47)
    chosen = one_of_each_class(labels, labels, 47)
    assert len(chosen) == 10
    assert (chosen[0], chosen[-1]) == (0, 46)


def test_outputs_are_those_of_running_layer_by_layer(
    network: nn.Sequential, rng: np.random.Generator
) -> None:
    images = rng.integers(0, 256, (3, 8, 8), np.uint8)
    seen = activations(network, images, np.arange(3), NAMES, as_floats)
    assert [(layer.path, layer.kind) for layer in seen.layers] == [
        ("0", "Conv2d"),
        ("1.body.0", "Conv2d"),
        ("1.body.1", "ReLU"),
        ("1", "Residual"),
        ("2", "MaxPool2d"),
        ("5", "Linear"),
    ]
    x = as_floats(images)
    outputs = {}
    for name, layer in network.named_children():
        x = outputs[name] = layer.forward(x)
    for layer in seen.layers:
        if layer.path in outputs:
            np.testing.assert_array_equal(layer.values, outputs[layer.path])
    np.testing.assert_array_equal(seen.predicted, x.argmax(axis=1))
    shifted = np.exp(x - x.max(axis=1, keepdims=True))
    expected = (shifted / shifted.sum(axis=1, keepdims=True)).max(axis=1)
    np.testing.assert_allclose(seen.probability, expected, rtol=1e-5)


def test_of_many_layers_the_first_and_the_last_stay(rng: np.random.Generator) -> None:
    deep = nn.Sequential(nn.Flatten(), *(nn.Linear(4, 4, rng=rng) for _ in range(30))).eval()
    images = rng.integers(0, 256, (2, 2, 2), np.uint8)
    seen = activations(deep, images, np.arange(2), ("a", "b", "c", "d"), as_floats)
    assert (seen.num_layers, len(seen.layers)) == (30, 12)
    assert (seen.layers[0].path, seen.layers[-1].path) == ("1", "30")
    told = " ".join(text.get_text() for text in draw_activations(seen).texts)
    assert "Shown: 12 of 30 layers" in told


def test_what_is_no_map_is_one_strip() -> None:
    assert as_planes(np.zeros(7)).shape == (1, 1, 7)
    assert as_planes(np.zeros((7, 1, 1))).shape == (1, 1, 7)
    assert as_planes(np.zeros((7, 2, 3))).shape == (7, 2, 3)


def test_pictures_name_classes_layers_and_answers(
    network: nn.Layer, rng: np.random.Generator
) -> None:
    images = rng.integers(0, 256, (3, 8, 8), np.uint8)
    seen = activations(network, images, np.arange(3), NAMES, as_floats)
    for figure in (draw_activations(seen), draw_activation_pair(seen)):
        told = [text.get_text() for text in figure.texts]
        assert {"zero", "one", "0 Conv2d", "5 Linear", "4 × 6 × 6", "3 units"} <= set(told)
        sign = "✓" if seen.predicted[1] == 1 else "✗"
        assert f"{sign} {NAMES[seen.predicted[1]]}" in told
