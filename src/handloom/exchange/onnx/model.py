"""The whole classifier as one ONNX model: pictures in, scores and probabilities out."""

from __future__ import annotations

from typing import Literal

import numpy as np
import onnx
from onnx import TensorProto, helper

from handloom import __version__
from handloom._typing import Shape
from handloom.data import Normalisation
from handloom.exchange.onnx.graph import Graph, Scope
from handloom.exchange.onnx.writers import Value
from handloom.exchange.portable import PortableClassifier

OPSET = 20
"""The first with Gelu; onnxruntime has it since 1.17."""

Pixels = Literal["uint8", "float32"]
"""What a picture's numbers come as; they go from 0 to 255 in either."""


def build_model(classifier: PortableClassifier, *, pixels: Pixels = "uint8") -> onnx.ModelProto:
    """The classifier, its normalisation included, for any number N of pictures.

    Input: `pictures` (N, C, H, W), uint8 or float32, 0..255. Outputs, float32: `logits` (N, K),
    what the network gives, and `probabilities` (N, K), their softmax. Nodes and weights carry the
    layers' paths; the metadata tell class names, normalisation and recipe. Raises ConfigError for
    a layer that no writer is registered for.
    """
    graph = Graph()
    x = _normalised(Scope(graph, "normalisation"), classifier, pixels)
    outputs = Scope(graph, "network").layer(classifier.network, x)
    graph.nodes.append(helper.make_node("Identity", [outputs.name], ["logits"], "logits"))
    graph.nodes.append(
        helper.make_node("Softmax", ["logits"], ["probabilities"], "probabilities", axis=1)
    )
    kind = TensorProto.UINT8 if pixels == "uint8" else TensorProto.FLOAT
    scores = ("N", *outputs.shape)
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            classifier.name,
            [helper.make_tensor_value_info("pictures", kind, ("N", *classifier.image_shape))],
            [
                helper.make_tensor_value_info(name, TensorProto.FLOAT, scores)
                for name in ("logits", "probabilities")
            ],
            graph.weights,
        ),
        opset_imports=opsets,
        ir_version=helper.find_min_ir_version_for(opsets),
        producer_name="handloom",
        producer_version=__version__,
        doc_string=_description(classifier),
    )
    helper.set_model_props(model, classifier.about())
    return model


def _description(classifier: PortableClassifier) -> str:
    channels, height, width = classifier.image_shape
    return (
        f"{classifier.name}: classifies images into {len(classifier.class_names)} classes. "
        f"pictures: (N, {channels}, {height}, {width}), pixels 0..255. "
        "logits: a score for each class. probabilities: their softmax. "
        "The classes' names are in the metadata."
    )


def _normalised(at: Scope, classifier: PortableClassifier, pixels: Pixels) -> Value:
    """What the network takes, made of the input `pictures` as Normalisation makes it."""
    shape, normalisation = classifier.image_shape, classifier.normalisation
    x = at.node("Cast", "pictures", to=TensorProto.FLOAT) if pixels == "uint8" else "pictures"
    if normalisation.kind == "scale":
        return Value(at.node("Mul", x, at.weight("scale", np.array(1 / 255, np.float32))), shape)
    if normalisation.kind == "standard":
        return Value(_standardised(at, x, normalisation), shape)
    return Value(_each_by_itself(at, x, shape), shape)


def _standardised(at: Scope, x: str, normalisation: Normalisation) -> str:
    """p / (255 std) - mean / std for the pixels 0..255 of each channel."""
    mean, std = (np.reshape(v, (-1, 1, 1)) for v in (normalisation.mean, normalisation.std))
    scaled = at.node("Mul", x, at.weight("scale", (1 / (255 * std)).astype(np.float32)))
    return at.node("Sub", scaled, at.weight("shift", (mean / std).astype(np.float32)))


def _each_by_itself(at: Scope, x: str, shape: Shape) -> str:
    """(p - mean) / std of each picture, in float64: a picture of one grey gives exact zeros."""
    axes = at.weight("axes", np.arange(1, 1 + len(shape)))
    pixels = at.node("Cast", x, to=TensorProto.DOUBLE)
    centred = at.node("Sub", pixels, at.node("ReduceMean", pixels, axes))
    squares = at.node("Mul", centred, centred)
    std = at.node("Sqrt", at.node("ReduceMean", squares, axes))
    varied = at.node("Greater", std, at.weight("zero", np.array(0.0)))
    divisor = at.node("Where", varied, std, at.weight("one", np.array(1.0)))
    return at.node("Cast", at.node("Div", centred, divisor), to=TensorProto.FLOAT)
