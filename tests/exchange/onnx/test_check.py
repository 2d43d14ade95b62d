"""The proof of an ONNX model has to refuse what is wrong with one."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from handloom import nn
from handloom.errors import RunError
from handloom.exchange import PortableClassifier
from handloom.exchange.onnx.check import check_model
from handloom.exchange.onnx.model import build_model


def changed(classifier: PortableClassifier, name: str, by: float) -> bytes:
    """The model with one of its weights a little different."""
    model = build_model(classifier)
    for weight in model.graph.initializer:
        if weight.name == name:
            values = onnx.numpy_helper.to_array(weight).copy()
            values.flat[0] += by
            weight.CopyFrom(onnx.numpy_helper.from_array(values, name))
    return model.SerializeToString()


def test_a_good_model_tells_how_good(classifier: PortableClassifier, images: np.ndarray) -> None:
    difference = check_model(build_model(classifier).SerializeToString(), classifier, images)
    assert 0 <= difference < 1e-5


@pytest.mark.parametrize("by", [3e-4, np.nan])
def test_other_numbers_are_refused(
    classifier: PortableClassifier, images: np.ndarray, by: float
) -> None:
    model = changed(classifier, "network.5.bias", by)
    with pytest.raises(RunError, match=r"scores for image \d differ .* no file was written"):
        check_model(model, classifier, images)


def test_a_difference_within_rounding_passes(
    classifier: PortableClassifier, images: np.ndarray
) -> None:
    model = changed(classifier, "network.5.bias", 5e-5)
    assert check_model(model, classifier, images) == pytest.approx(5e-5, rel=0.1)


def test_large_scores_may_differ_as_they_round(make_classifier: Any, rng: Any) -> None:
    layers = [nn.Flatten(), nn.Linear(84, 3, rng=rng)]
    classifier: PortableClassifier = make_classifier(layers)
    for parameter in classifier.network.named_parameters().values():
        parameter.value *= 1e4
    images = rng.integers(0, 256, (9, *classifier.image_shape), np.uint8)
    check_model(changed(classifier, "network.1.bias", 0.1), classifier, images)


def test_a_fault_that_only_a_single_picture_meets_is_found(
    make_classifier: Any, rng: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from handloom.exchange.onnx import check

    classifier: PortableClassifier = make_classifier()
    images = rng.integers(0, 256, (4, *classifier.image_shape), np.uint8)
    run_model = check.run_model

    def wrong_alone(model: bytes, images: np.ndarray) -> check.Outputs:
        logits, probabilities = run_model(model, images)
        return logits + (len(images) == 1), probabilities

    monkeypatch.setattr(check, "run_model", wrong_alone)
    with pytest.raises(RunError, match="image 0 differ"):
        check_model(build_model(classifier).SerializeToString(), classifier, images)


def test_a_graph_that_is_not_well_formed(
    classifier: PortableClassifier, images: np.ndarray
) -> None:
    model = build_model(classifier)
    model.graph.node[0].input[0] = "nothing makes this"
    with pytest.raises(RunError, match="not well formed"):
        check_model(model.SerializeToString(), classifier, images)
