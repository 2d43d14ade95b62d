"""The whole classifier as ONNX: its normalisation, its face to the outside, its metadata."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.random import Generator

from handloom import nn
from handloom.data import Normalisation
from handloom.exchange import PortableClassifier
from handloom.exchange.onnx.check import run_model
from handloom.exchange.onnx.model import OPSET, Pixels, build_model


def normalisation_of(kind: str, images: np.ndarray) -> Normalisation:
    return Normalisation.fit(kind, images)  # type: ignore[arg-type]


@pytest.mark.parametrize("pixels", ["uint8", "float32"])
@pytest.mark.parametrize("kind", ["scale", "standard", "per-picture"])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_normalisation_is_inside(
    kind: str, pixels: Pixels, channels: int, make_classifier, rng: Generator
) -> None:
    shape = (channels, 6, 5)
    images = rng.integers(0, 256, (7, *shape), np.uint8)
    images[0] = 37  # one grey: its deviation is 0
    normalisation = normalisation_of(kind, images)
    classifier: PortableClassifier = make_classifier(normalisation=normalisation, shape=shape)
    model = build_model(classifier, pixels=pixels).SerializeToString()
    expected = classifier.network.forward(normalisation(images))
    for some in (slice(None), slice(1), slice(2, 5)):
        logits, probabilities = run_model(model, images[some])
        np.testing.assert_allclose(logits, expected[some], rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(probabilities, nn.softmax(expected[some]), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("pixels", "kind"), [("uint8", "tensor(uint8)"), ("float32", "tensor(float)")]
)
def test_its_face(classifier: PortableClassifier, pixels: Pixels, kind: str) -> None:
    model = build_model(classifier, pixels=pixels)
    session = onnxruntime.InferenceSession(model.SerializeToString())
    told = [(value.name, value.type, value.shape) for value in session.get_inputs()]
    assert told == [("pictures", kind, ["N", 2, 7, 6])]
    told = [(value.name, value.type, value.shape) for value in session.get_outputs()]
    assert told == [(name, "tensor(float)", ["N", 3]) for name in ("logits", "probabilities")]
    assert [(each.domain, each.version) for each in model.opset_import] == [("", OPSET)]


def test_its_metadata(classifier: PortableClassifier) -> None:
    model = build_model(classifier)
    about = {entry.key: entry.value for entry in model.metadata_props}
    assert tuple(json.loads(about["class_names"])) == classifier.class_names
    assert Normalisation.from_json(json.loads(about["normalisation"])) == classifier.normalisation
    assert json.loads(about["image_shape"]) == [2, 7, 6]
    assert about["recipe"] == classifier.recipe
    assert about["handloom_format"] == "1"


def test_weights_carry_the_networks_names(classifier: PortableClassifier) -> None:
    kept = {each.name: each for each in build_model(classifier).graph.initializer}
    for name, array in classifier.network.state_dict().items():
        found = onnx.numpy_helper.to_array(kept[f"network.{name}"])
        np.testing.assert_array_equal(found, array)
        assert found.dtype == np.float32


def test_the_same_classifier_gives_the_same_bytes(classifier: PortableClassifier) -> None:
    first, second = (
        build_model(classifier).SerializeToString(deterministic=True) for _ in range(2)
    )
    assert first == second
